import { diffLines } from '../../domain/line-diff.ts';
import { redactTokens } from '../../domain/redact.ts';

/** Lines around a change. */
const CONTEXT = 3;
/** Keys of config.toml whose values are nobody's secret; any other value is not shown. */
const OPEN =
  /^\s*(name|url|clone_url|executor|id|limit|concurrent|check_interval|shutdown_timeout|builds_dir|cache_dir|shell)\s*=/;

/** A line of config.toml as it may be shown: tokens, keys of caches and variables stand in that file (T24). */
export function shownTomlLine(line: string): string {
  if (/^\s*(\[.*\])?\s*$/.test(line)) return line;
  if (/^\s*#/.test(line)) return redactTokens(line);
  if (OPEN.test(line)) return redactTokens(line.replace(/\/\/[^/@"]*@/, '//'));
  const key = /^(\s*[A-Za-z0-9_."-]+\s*=)/.exec(line)?.[1];
  return key === undefined ? '  … (not shown)' : `${key} … (not shown)`;
}

/** What changes between two texts, in the form that "diff -u" has; `shown` says how a line may be shown. */
export function unifiedDiff(
  path: string,
  before: string | null,
  after: string,
  shown: (line: string) => string,
): string {
  const was = before === null ? [] : before.split('\n');
  const is = after.split('\n');
  // What ends with a line end has an empty piece behind it, which is no line.
  if (was.at(-1) === '') was.pop();
  if (is.at(-1) === '') is.pop();
  const rows: { readonly mark: ' ' | '-' | '+'; readonly text: string; readonly old: number; readonly new: number }[] =
    [];
  let [o, n] = [0, 0];
  for (const { kind, from, to } of diffLines(was, is)) {
    for (let i = from; i < to; i++) {
      if (kind === 'equal') rows.push({ mark: ' ', text: was[i]!, old: o++, new: n++ });
      else if (kind === 'removed') rows.push({ mark: '-', text: was[i]!, old: o++, new: n });
      else rows.push({ mark: '+', text: is[i]!, old: o, new: n++ });
    }
  }
  const keep = rows.map((_, at) =>
    rows.slice(Math.max(0, at - CONTEXT), at + CONTEXT + 1).some(({ mark }) => mark !== ' '),
  );
  const out = [`--- ${before === null ? '/dev/null' : path}\n+++ ${path}\n`];
  for (let at = 0; at < rows.length; at++) {
    if (!keep[at]) continue;
    let end = at;
    while (end < rows.length && keep[end]) end++;
    const hunk = rows.slice(at, end);
    const count = (other: '-' | '+'): number => hunk.filter(({ mark }) => mark !== other).length;
    const [olds, news] = [count('+'), count('-')];
    const place = (start: number, lines: number): string =>
      `${lines === 0 ? start : start + 1}${lines === 1 ? '' : `,${lines}`}`;
    out.push(`@@ -${place(hunk[0]!.old, olds)} +${place(hunk[0]!.new, news)} @@\n`);
    out.push(...hunk.map(({ mark, text }) => `${mark}${shown(text.replace(/\r$/, ''))}\n`));
    at = end;
  }
  return out.join('');
}
