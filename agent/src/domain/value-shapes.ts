/** Words for what a value looks like; each is a closed pattern without any character that a shell treats specially. */
export const VALUE_SHAPES = ['digits', 'semver', 'hex40', 'sha256', 'uuid', 'slug'] as const;
/** One of the words. */
export type ValueShape = (typeof VALUE_SHAPES)[number];

/** Longer values have no shape: what is meant are numbers, versions and names. */
const MAX_CHARACTERS = 255;

const PATTERNS: Readonly<Record<ValueShape, RegExp>> = {
  digits: /^[0-9]+$/,
  semver: /^v?[0-9]+\.[0-9]+\.[0-9]+(?:-[0-9A-Za-z.-]+)?(?:\+[0-9A-Za-z.-]+)?$/,
  hex40: /^[0-9a-f]{40}$/,
  sha256: /^(?:sha256:)?[0-9a-f]{64}$/,
  uuid: /^[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$/,
  slug: /^[0-9a-z](?:[0-9a-z-]*[0-9a-z])?$/,
};

/** Every word that describes the value. */
export function shapesOf(value: string): readonly ValueShape[] {
  return value.length > MAX_CHARACTERS ? [] : VALUE_SHAPES.filter((shape) => PATTERNS[shape].test(value));
}
