import { diffLines } from './line-diff.ts';

/** A piece of a line: on both sides, or only where it was removed or added. */
export interface WordPiece {
  readonly kind: 'same' | 'changed';
  readonly text: string;
}
/** Two versions of one line; each side joined is that side's text. */
export interface WordDiff {
  readonly before: readonly WordPiece[];
  readonly after: readonly WordPiece[];
}

/** Longer lines are shown as replaced whole: nobody reads words of a line like that, and the work is quadratic. */
const MAX_CHARACTERS = 4_000;
/** With less in common two lines are different lines, and pieces of both would only be hard to read. */
const MIN_COMMON_SHARE = 0.3;
const TOKEN = /[\p{L}\p{N}_]+|\s+|[^\p{L}\p{N}_\s]/gu;

const whole = (before: string, after: string): WordDiff => ({
  before: [{ kind: 'changed', text: before }],
  after: [{ kind: 'changed', text: after }],
});

/** Which words of a line have changed. */
export function diffWords(before: string, after: string): WordDiff {
  if (before.length > MAX_CHARACTERS || after.length > MAX_CHARACTERS) return whole(before, after);
  const [was, is] = [before.match(TOKEN) ?? [], after.match(TOKEN) ?? []];
  const pieces = { before: [] as WordPiece[], after: [] as WordPiece[] };
  let common = 0;
  for (const { kind, from, to } of diffLines(was, is)) {
    const text = (kind === 'added' ? is : was).slice(from, to).join('');
    if (kind === 'equal') {
      common += text.length;
      pieces.before.push({ kind: 'same', text });
      pieces.after.push({ kind: 'same', text });
    } else pieces[kind === 'removed' ? 'before' : 'after'].push({ kind: 'changed', text });
  }
  const share = common / Math.max(before.length, after.length, 1);
  return share < MIN_COMMON_SHARE ? whole(before, after) : pieces;
}
