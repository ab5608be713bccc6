import { diffLines } from './line-diff.ts';
import { diffWords, type WordPiece } from './word-diff.ts';

/** A line of a text of several lines: on both sides, or on one of them with what changed in it. */
export interface TextRow {
  readonly kind: 'same' | 'removed' | 'added';
  readonly pieces: readonly WordPiece[];
}

const whole = (kind: TextRow['kind'], lines: readonly string[]): TextRow[] =>
  lines.map((text) => ({ kind, pieces: [{ kind: kind === 'same' ? 'same' : 'changed', text }] }));

/** Two versions of one text, line by line; where as many lines came as went, word by word within each pair. */
export function diffText(before: string, after: string): readonly TextRow[] {
  const [was, is] = [before.split('\n'), after.split('\n')];
  const hunks = diffLines(was, is);
  const rows: TextRow[] = [];
  for (let h = 0; h < hunks.length; h++) {
    const { kind, from, to } = hunks[h]!;
    const next = hunks[h + 1];
    if (kind === 'removed' && next?.kind === 'added' && next.to - next.from === to - from) {
      const pairs = was.slice(from, to).map((line, i) => diffWords(line, is[next.from + i]!));
      rows.push(...pairs.map((pair): TextRow => ({ kind: 'removed', pieces: pair.before })));
      rows.push(...pairs.map((pair): TextRow => ({ kind: 'added', pieces: pair.after })));
      h += 1;
    } else if (kind === 'equal') rows.push(...whole('same', was.slice(from, to)));
    else rows.push(...whole(kind, (kind === 'removed' ? was : is).slice(from, to)));
  }
  return rows;
}
