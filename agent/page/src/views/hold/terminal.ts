import { type IBufferCell, type IBufferLine, Terminal } from '@xterm/xterm';

/** A piece of a line in one colour and weight; text alone, never markup. */
export interface StyledText {
  readonly text: string;
  /** Names of classes of the sheet. */
  readonly classes: string;
}

/** Wider than what tools write for a terminal; a longer line wraps as it would there. */
const COLUMNS = 160;
const ROWS = 50;
/** Older lines go; all of the log is in GitLab. */
const MAX_LINES = 5_000;

/** Only the sixteen colours that the sheet gives a contrast; of others the nearest of them would be a guess. */
function classesOf(cell: IBufferCell): string {
  const classes: string[] = [];
  if (cell.isFgPalette() && cell.getFgColor() < 16) classes.push(`ansi-${cell.getFgColor()}`);
  if (cell.isBold() !== 0) classes.push('ansi-bold');
  if (cell.isItalic() !== 0) classes.push('ansi-italic');
  if (cell.isUnderline() !== 0) classes.push('ansi-underline');
  return classes.join(' ');
}

function styled(line: IBufferLine, cell: IBufferCell): readonly StyledText[] {
  const pieces: { text: string; classes: string }[] = [];
  for (let x = 0; x < line.length; x++) {
    line.getCell(x, cell);
    // The second half of a wide character has no text of its own.
    if (cell.getWidth() === 0) continue;
    const text = cell.getChars() || ' ';
    const classes = classesOf(cell);
    const last = pieces.at(-1);
    if (last?.classes === classes) last.text += text;
    else pieces.push({ text, classes });
  }
  const last = pieces.at(-1);
  if (last !== undefined) last.text = last.text.trimEnd();
  return pieces.filter((piece) => piece.text !== '');
}

/**
 * A terminal that is never put into the page: it is given what a job writes, escape sequences and all, and tells what then
 * stands on it. The page shows that as text, so that no sequence, link or markup of a job does anything here (T33).
 */
export class LogTerminal {
  private readonly terminal = new Terminal({ cols: COLUMNS, rows: ROWS, scrollback: MAX_LINES, convertEol: true });

  /** Calls back when it stands there. */
  write(bytes: Uint8Array, done: () => void): void {
    this.terminal.write(bytes, done);
  }

  /** Everything that stands there, line by line. */
  lines(): readonly (readonly StyledText[])[] {
    const { active } = this.terminal.buffer;
    const cell = active.getNullCell();
    const lines: (readonly StyledText[])[] = [];
    for (let y = 0; y < active.length; y++) {
      const line = active.getLine(y);
      lines.push(line === undefined ? [] : styled(line, cell));
    }
    while (lines.length > 0 && lines.at(-1)!.length === 0) lines.pop();
    return lines;
  }

  dispose(): void {
    this.terminal.dispose();
  }
}
