import { COVERED_FILES, falseLines, filesSectionOf, sortedPatterns } from './covered-files.ts';
import { digestOf } from './digest.ts';
import { emptyObject } from './empty-object.ts';
import type { Facts } from './facts.ts';
import type { JsonObject } from './json.ts';
import { imagesSectionOf, PINNED_IMAGES, type PinMode } from './pinned-images.ts';
import type { EffectivePolicy } from './policy.ts';

/** What the policy wants in a Configuration beside the payload's form; the one thing that the form is told by a policy. */
export interface SectionsWanted {
  /** Patterns of files of the repository; empty: none are covered. */
  readonly files: readonly string[];
  readonly images: PinMode;
  /** Hosts that may be asked what an image stands for. */
  readonly registries: readonly string[];
}
/** Sections of one job, as they stand in its Configuration; absent where the policy does not ask. */
export interface Sections {
  readonly files?: JsonObject;
  readonly images?: JsonObject;
}

/** What the policy wants covered of a job. */
export function sectionsWanted({ coveredFiles, pinImages, registries }: EffectivePolicy): SectionsWanted {
  return { files: sortedPatterns(coveredFiles), images: pinImages, registries: pinImages === 'off' ? [] : registries };
}

/** A Configuration with its sections, and its Digest. Without sections it is the same, and so is its Digest. */
export function withSections(
  read: { readonly configuration: JsonObject; readonly digest: string },
  { files, images }: Sections,
): { readonly configuration: JsonObject; readonly digest: string } {
  if (files === undefined && images === undefined) return read;
  const configuration = emptyObject();
  for (const name of Object.keys(read.configuration)) configuration[name] = read.configuration[name]!;
  if (files !== undefined) configuration[COVERED_FILES] = files;
  if (images !== undefined) configuration[PINNED_IMAGES] = images;
  return { configuration, digest: digestOf(configuration) };
}

/**
 * Whether a Configuration has exactly the sections that are wanted: one too many would be another Digest for the same job,
 * one that is not well formed is none.
 */
export function hasSections(configuration: JsonObject, wanted: SectionsWanted): boolean {
  const files = filesSectionOf(configuration);
  const named = Object.hasOwn(configuration, COVERED_FILES) ? files : 'absent';
  const filesFit =
    wanted.files.length === 0
      ? named === 'absent'
      : files !== null && falseLines(files).length === 0 && samePatterns(files.patterns, wanted.files);
  const images = imagesSectionOf(configuration);
  const imagesFit = wanted.images === 'enforce' ? images !== null : !Object.hasOwn(configuration, PINNED_IMAGES);
  return filesFit && imagesFit;
}

/** The same, and what is only noted of images stands in the facts. */
export function saysAll(
  { configuration, facts }: { readonly configuration: JsonObject; readonly facts: Pick<Facts, 'images'> },
  wanted: SectionsWanted,
): boolean {
  return hasSections(configuration, wanted) && (wanted.images !== 'record' || facts.images !== undefined);
}

const samePatterns = (a: readonly string[], b: readonly string[]): boolean =>
  a.length === b.length && a.every((pattern, i) => pattern === b[i]);

/**
 * What of the policy of this moment a Configuration from before does not say, in words; null where it says enough. More than
 * is wanted does no harm: what was approved is only narrower.
 */
export function missingSections(configuration: JsonObject, wanted: SectionsWanted): string | null {
  const again = 'run the job again';
  if (wanted.files.length > 0) {
    const section = filesSectionOf(configuration);
    if (section === null || wanted.files.some((pattern) => !section.patterns.includes(pattern)))
      return `the policy covers files of the repository (${wanted.files.join(', ')}) that this configuration does not have: ${again}`;
  }
  if (wanted.images === 'enforce' && imagesSectionOf(configuration) === null)
    return `the policy pins images, and this configuration does not say what its images stand for: ${again}`;
  return null;
}
