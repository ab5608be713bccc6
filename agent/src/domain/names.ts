/** So many people are named one after the other, everywhere alike; a longer list is counted. */
export const MAX_NAMED = 10;

/** A list of names in words: `a, b and c`; of many `a, b … and 3 more`. `total`: how many there are where not all are given. */
export function namesInWords(
  names: readonly string[],
  { word = 'and', total = names.length }: { readonly word?: 'and' | 'or'; readonly total?: number } = {},
): string {
  const shown = names.slice(0, MAX_NAMED);
  const more = total - shown.length;
  if (more > 0) return `${shown.join(', ')} ${word} ${more} more`;
  return shown.length < 2 ? (shown[0] ?? '') : `${shown.slice(0, -1).join(', ')} ${word} ${shown.at(-1)}`;
}
