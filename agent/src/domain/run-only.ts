import { filesSectionOf } from './covered-files.ts';
import { isJsonObject, type JsonObject } from './json.ts';
import { unresolvedImages } from './pinned-images.ts';

/**
 * True where only an approval of that very run lets it go: it brings a key that replaces image and checkout, or something
 * that the policy wants covered could not be read, and the next run may bring anything.
 */
export function isRunOnly(configuration: JsonObject): boolean {
  const covered = filesSectionOf(configuration);
  if (covered !== null && covered.files === null) return true;
  if (unresolvedImages(configuration).length > 0) return true;
  const { suspend_options: options } = configuration;
  if (!isJsonObject(options)) return false;
  const key = options.runtime_environment_key;
  return key !== undefined && key !== null && key !== '';
}
