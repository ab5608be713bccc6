import { isJsonList, isJsonObject, type JsonObject } from './json.ts';

/** The member of a Configuration that says what its images stood for. No payload may bring it. */
export const PINNED_IMAGES = 'pinned_images';
/** Another way to write the section is another word: no digest without a section moves. */
export const PINNED_IMAGES_FORM = 'holdpoint.pinned-images/v1';

/** Whether names of images are resolved to what they stand for: not at all, noted, or part of what is approved. */
export const PIN_MODES = ['off', 'record', 'enforce'] as const;
/** One of the modes. */
export type PinMode = (typeof PIN_MODES)[number];

/** So many images and services of one job. */
export const MAX_PINNED_IMAGES = 100;

/** What one reference stands for, or why nobody could tell; `sha256:` and 64 hex digits. */
export type PinnedImage =
  | { readonly reference: string; readonly digest: string }
  | { readonly reference: string; readonly unresolved: string };

const byText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

/** The section for these images, each reference once. */
export function imagesSection(images: readonly PinnedImage[]): JsonObject {
  const byReference = new Map(images.map((image) => [image.reference, { ...image }]));
  const sorted = [...byReference.values()].sort((a, b) => byText(a.reference, b.reference));
  return { form: PINNED_IMAGES_FORM, images: sorted as unknown as JsonObject[] };
}

/** The images of the section of a Configuration, null where it has none. A section that is not well formed is none. */
export function imagesSectionOf(configuration: JsonObject): readonly PinnedImage[] | null {
  const section = Object.hasOwn(configuration, PINNED_IMAGES) ? configuration[PINNED_IMAGES] : undefined;
  if (!isJsonObject(section) || section.form !== PINNED_IMAGES_FORM) return null;
  const { images } = section;
  if (!isJsonList(images) || images.length > MAX_PINNED_IMAGES || Object.keys(section).length !== 2) return null;
  const read: PinnedImage[] = [];
  for (const image of images) {
    if (!isJsonObject(image) || typeof image.reference !== 'string' || Object.keys(image).length !== 2) return null;
    const { reference, digest, unresolved } = image;
    if (typeof digest === 'string' && /^sha256:[0-9a-f]{64}$/.test(digest)) read.push({ reference, digest });
    else if (typeof unresolved === 'string') read.push({ reference, unresolved });
    else return null;
  }
  return read.some(({ reference }, i) => i > 0 && byText(read[i - 1]!.reference, reference) >= 0) ? null : read;
}

/** Stands for a digest where people have approved one run of an image of which nobody could tell what it stands for. */
export const BY_NAME = '';

/** Digest by reference, or {@link BY_NAME}: every image that a driver may run for this configuration. */
export function digestsOf(section: JsonObject | undefined): Readonly<Record<string, string>> {
  const images = section === undefined ? null : imagesSectionOf({ [PINNED_IMAGES]: section });
  return Object.fromEntries(
    (images ?? []).map((image) => [image.reference, 'digest' in image ? image.digest : BY_NAME]),
  );
}

/** References of which nobody could tell what they stand for. */
export function unresolvedImages(configuration: JsonObject): readonly string[] {
  return (imagesSectionOf(configuration) ?? []).flatMap((image) => ('unresolved' in image ? [image.reference] : []));
}
