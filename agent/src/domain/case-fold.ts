import { FOLDING_RANGES } from './case-fold-table.ts';

/** Code points below this and outside A–Z fold to themselves. */
const FIRST_FOLDED_BEYOND_ASCII = 0xb5;
/** Only a text with one of these can change when it is folded. */
const FOLDABLE = /[A-Z\u00b5-\u{10ffff}]/u;

const BEYOND_ASCII = /[^\u0000-\u007f]/;

function foldCodePoint(codePoint: number): number {
  if (codePoint < FIRST_FOLDED_BEYOND_ASCII) {
    return codePoint >= 0x41 && codePoint <= 0x5a ? codePoint + 0x20 : codePoint;
  }
  let low = 0;
  let high = FOLDING_RANGES.length / 4 - 1;
  while (low <= high) {
    const row = (low + high) >> 1;
    const first = FOLDING_RANGES[row * 4]!;
    const last = FOLDING_RANGES[row * 4 + 1]!;
    if (codePoint < first) high = row - 1;
    else if (codePoint > last) low = row + 1;
    else
      return (codePoint - first) % FOLDING_RANGES[row * 4 + 2]! === 0
        ? codePoint + FOLDING_RANGES[row * 4 + 3]!
        : codePoint;
  }
  return codePoint;
}

/** False when the text is its own folding for certain: the quick answer for the names that GitLab sends. */
export function isFoldable(text: string): boolean {
  return FOLDABLE.test(text);
}

/** Unicode simple case folding: what Go's JSON decoder and some hosts' environments take for the same name (T53). */
export function caseFold(text: string): string {
  if (!BEYOND_ASCII.test(text)) return text.toLowerCase();
  let folded = '';
  for (const character of text) folded += String.fromCodePoint(foldCodePoint(character.codePointAt(0)!));
  return folded;
}
