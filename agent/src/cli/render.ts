import { printable } from '../domain/printable.ts';

/** Columns that a character takes on a terminal: two for East Asian wide ones and emoji, none for combining marks. */
function columnsOf(c: string): number {
  if (/\p{M}/u.test(c)) return 0;
  const code = c.codePointAt(0)!;
  const wide =
    (code >= 0x1100 && code <= 0x115f) ||
    (code >= 0x2e80 && code <= 0xa4cf) ||
    (code >= 0xac00 && code <= 0xd7a3) ||
    (code >= 0xf900 && code <= 0xfaff) ||
    (code >= 0xfe30 && code <= 0xfe6f) ||
    (code >= 0xff00 && code <= 0xff60) ||
    (code >= 0x1f300 && code <= 0x1faff) ||
    (code >= 0x20000 && code <= 0x3fffd);
  return wide ? 2 : 1;
}

/** Width of a text on a terminal, in columns. */
export function widthOf(text: string): number {
  let width = 0;
  for (const c of text) width += columnsOf(c);
  return width;
}

/** The text, cut to `width` columns with `…` where it is longer. */
export function clip(text: string, width: number): string {
  if (widthOf(text) <= width) return text;
  let out = '';
  let used = 1;
  for (const c of text) {
    used += columnsOf(c);
    if (used > width) break;
    out += c;
  }
  return `${out}…`;
}

function pad(text: string, width: number, right: boolean): string {
  const blanks = ' '.repeat(Math.max(0, width - widthOf(text)));
  return right ? blanks + text : text + blanks;
}

/** One column of a table: its heading, which side it leans to, and whether it gives way when the line is too long. */
export interface Column {
  readonly title: string;
  readonly right?: boolean;
  /** Least width it may be cut to; a column without it is never cut. */
  readonly least?: number;
}

/** A table in which every line fits `columns`: the columns that may be cut give way, the widest first. Cells are made printable (T33). */
export function table(columns: readonly Column[], rows: readonly (readonly string[])[], fit: number): string {
  const cells = rows.map((row) => row.map(printable));
  const widths = columns.map((column, i) =>
    Math.max(widthOf(column.title), ...cells.map((row) => widthOf(row[i] ?? ''))),
  );
  const total = () => widths.reduce((sum, width) => sum + width, 0) + 2 * (columns.length - 1);
  while (total() > fit) {
    let widest = -1;
    columns.forEach((column, i) => {
      const cuttable = column.least !== undefined && widths[i]! > column.least;
      if (cuttable && (widest < 0 || widths[i]! > widths[widest]!)) widest = i;
    });
    if (widest < 0) break;
    widths[widest]! -= 1;
  }
  const line = (texts: readonly string[]): string =>
    columns
      .map((column, i) => pad(clip(texts[i] ?? '', widths[i]!), widths[i]!, column.right === true))
      .join('  ')
      .trimEnd();
  return [columns.map((column) => column.title), ...cells].map((row) => `${line(row)}\n`).join('');
}

/** How long ago, in the largest unit that is at least one: `45s`, `12m`, `3h`, `9d`. */
export function age(ms: number): string {
  const s = Math.max(0, Math.floor(ms / 1_000));
  if (s < 60) return `${s}s`;
  if (s < 3_600) return `${Math.floor(s / 60)}m`;
  if (s < 86_400) return `${Math.floor(s / 3_600)}h`;
  return `${Math.floor(s / 86_400)}d`;
}

/** A full ref as it stands in lists: a branch by its name, tags and merge requests marked as what they are (T11). */
export function shortRef(ref: string): string {
  return ref
    .replace(/^refs\/heads\//, '')
    .replace(/^refs\/tags\//, 'tag ')
    .replace(/^refs\/merge-requests\//, 'mr ');
}

/** A time as people read it, in UTC to the minute: `2026-11-22 10:04 UTC`. */
export function minute(time: string): string {
  return `${new Date(time).toISOString().slice(0, 16).replace('T', ' ')} UTC`;
}

/** Colours of a terminal, or nothing where there is none; they never carry a meaning that the text does not have. */
export interface Paint {
  added(text: string): string;
  removed(text: string): string;
  strong(text: string): string;
  warn(text: string): string;
}

/** Paint for a terminal that shows colours, or plain text. */
export function paint(colour: boolean): Paint {
  const wrap = (on: number, off: number) => (text: string) => (colour ? `\u001b[${on}m${text}\u001b[${off}m` : text);
  return { added: wrap(32, 39), removed: wrap(31, 39), strong: wrap(1, 22), warn: wrap(33, 39) };
}

/** `name: value` lines with the values in one column; lines whose value is null are left out. Values are made printable (T33). */
export function fields(rows: readonly (readonly [string, string | null])[]): string {
  const shown = rows.filter((row): row is readonly [string, string] => row[1] !== null);
  const width = Math.max(...shown.map(([name]) => name.length));
  return shown.map(([name, value]) => `${name.padEnd(width)}  ${printable(value)}\n`).join('');
}

/** A list of names in words: `a, b and 3 more`. */
export function names(list: readonly string[], most: number): string {
  if (list.length <= most) return list.join(', ');
  return `${list.slice(0, most).join(', ')} and ${list.length - most} more`;
}
