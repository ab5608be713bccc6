import { deceivingCharacter } from './printable.ts';

/**
 * A piece of a text as it is shown: `plain` as it stands; `hidden` what hides or reorders text or is not seen, to be shown
 * by its mark; `lookalike` letters that stand in the place of Latin ones (T33).
 */
export interface MarkedPiece {
  readonly kind: 'plain' | 'hidden' | 'lookalike';
  readonly text: string;
  /** `U+202E`, `tab`, `12 blanks`, or for lookalikes what they look like; null for plain text. */
  readonly mark: string | null;
}

/** Letters of other scripts by the Latin letter or digit that they are taken for. */
const LOOKALIKES: ReadonlyMap<string, string> = new Map(
  [
    // Cyrillic
    'аa вb сc ԁd еe һh іi јj ӏl оo рp ԛq ѕs ѵv ԝw хx уy АA ВB СC ЕE НH ІI ЈJ КK МM ОO РP ЅS ТT ХX УY ԌG ԚQ ԜW ѴV',
    // Greek
    'αa γy ιi κk νv οo ρp τt υu χx ΑA ΒB ΕE ΖZ ΗH ΙI ΚK ΜM ΝN ΟO ΡP ΤT ΥY ΧX ϲc ϳj',
    // Armenian, Cherokee, Roman numerals, phonetic letters
    'օo սu ցg հh Տs ոn ᎪA ᏴB ᏟC ᎠD ᎬE ᏀG ᎻH ᎫJ ᏦK ᏞL ᎷM ᏢP ᏒR ᏚS ᎢT ᏙV ᎳW ᏃZ ⅼl ⅰi ⅴv ⅹx ⅽc ⅾd ⅿm ɑa ɡg ıi ƽs',
    // Marks that are taken for others in commands and addresses
    '‐- ‑- ‒- –- —- −- ⁄/ ∕/ ⧸/ ‚, 。. ∣| ‵`',
  ]
    .join(' ')
    .split(' ')
    .filter((pair) => [...pair].length === 2)
    .map((pair) => {
      const [foreign, latin] = [...pair] as [string, string];
      return [foreign, latin] as const;
    }),
);

/** What a character is taken for; null when it is what it looks like. Full-width and other variant forms count too. */
function lookalikeOf(character: string): string | null {
  if (character < '\u0080') return null;
  const known = LOOKALIKES.get(character);
  if (known !== undefined) return known;
  const plain = character.normalize('NFKC');
  return /^[!-~]$/.test(plain) ? plain : null;
}

/** More blanks than this within a line push what follows out of sight; an indent may be deeper. */
const MAX_BLANKS = 8;
const MAX_INDENT = 40;
/** A run of blanks, a word, or one character that belongs to none. */
const WORD = / +|[\p{L}\p{M}\p{N}_]+|[^ \p{L}\p{M}\p{N}_]/gu;
const LATIN = /\p{Script=Latin}|[0-9_]/u;

/**
 * Letters of a word that are taken for Latin ones: those of other scripts beside Latin letters, and whole words that read
 * as Latin ones. A word that is honestly Greek or Cyrillic has letters that look like none, and is left alone.
 */
function lookalikesOf(word: string): ReadonlySet<string> {
  const letters = [...word].filter((c) => !/\p{M}/u.test(c));
  const foreign = letters.filter((c) => lookalikeOf(c) !== null);
  if (foreign.length === 0) return new Set();
  const other = letters.filter((c) => lookalikeOf(c) === null);
  const isMixed = other.some((c) => LATIN.test(c)) || foreign.some((c) => c.normalize('NFKC') !== c);
  return isMixed || other.length === 0 ? new Set(foreign) : new Set();
}

/** The text in pieces, so that nothing in it can be mistaken for something else; joined again they are the text. */
export function markedText(text: string): readonly MarkedPiece[] {
  const pieces: { kind: MarkedPiece['kind']; text: string; mark: string | null }[] = [];
  const push = (kind: MarkedPiece['kind'], piece: string, mark: string | null): void => {
    const last = pieces.at(-1);
    if (kind === 'plain' && last?.kind === 'plain') last.text += piece;
    else if (kind === 'lookalike' && last?.kind === 'lookalike') {
      last.text += piece;
      last.mark = `${last.mark}${mark}`;
    } else pieces.push({ kind, text: piece, mark });
  };
  // Most text has nothing to mark, and there may be megabytes of it.
  if (text === '') return [];
  if (/^[!-~]*(?: {1,8}[!-~]+)*$/.test(text)) return [{ kind: 'plain', text, mark: null }];
  for (const { 0: word, index } of text.matchAll(WORD)) {
    if (word.startsWith(' ')) {
      const isLong = word.length > (index === 0 ? MAX_INDENT : MAX_BLANKS) || index + word.length === text.length;
      push(isLong ? 'hidden' : 'plain', word, isLong ? `${word.length} blank${word.length === 1 ? '' : 's'}` : null);
      continue;
    }
    const taken = lookalikesOf(word);
    for (const character of word) {
      const hidden = deceivingCharacter(character);
      if (character === '\t') push('hidden', character, 'tab');
      else if (hidden !== null) push('hidden', character, hidden);
      else if (taken.has(character)) push('lookalike', character, lookalikeOf(character));
      else push('plain', character, null);
    }
  }
  return pieces;
}

/** True when a text has something that hides, reorders or is taken for something else; blanks, tabs and line feeds are none. */
export function isDeceiving(text: string): boolean {
  const isBlank = (mark: string | null): boolean => mark === 'tab' || mark === 'U+000A' || /blanks?$/.test(mark ?? '');
  return markedText(text).some((piece) => piece.kind !== 'plain' && !isBlank(piece.mark));
}
