import { filesSectionOf } from './covered-files.ts';
import type { JsonObject } from './json.ts';
import { imagesSectionOf } from './pinned-images.ts';

/** What an approval of this Configuration says nothing about, in words: less where the policy has files or images covered. */
export function uncoveredWords(configuration: JsonObject): readonly string[] {
  const files = filesSectionOf(configuration);
  const images = imagesSectionOf(configuration);
  return [
    files === null || files.files === null
      ? 'files of the repository that the scripts run, submodules and LFS objects'
      : `files of the repository other than ${files.patterns.join(', ')}; what is in submodules, LFS objects and behind links`,
    images === null
      ? 'images and steps behind tags and other names that can move'
      : 'images that the scripts fetch themselves, and steps behind names that can move',
    'packages and anything else that is fetched while the job runs',
    'what is in artifacts and caches that are unpacked over the sources (where they come from is part of the scope)',
    'when the job runs: rules, needs, manual, retry, tags',
  ];
}
