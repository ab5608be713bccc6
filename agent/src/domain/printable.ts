/** Invisible, bidirectional and otherwise deceiving characters, shown as their code point (T33). */
const DECEIVING =
  /[\u0000-\u001f\u007f-\u009f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202f\u2060-\u206f\u2800\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\ud800-\udfff\u{1bca0}-\u{1bca3}\u{1d173}-\u{1d17a}\u{e0000}-\u{e0fff}]/gu;

/**
 * The text as it may be written to a terminal, on one line: control characters are taken out of effect and, like
 * bidirectional and invisible ones, written as `⟨U+202E⟩`; a tab becomes a space.
 */
export function printable(text: string): string {
  return text.replace(DECEIVING, (c) =>
    c === '\t' ? ' ' : `⟨U+${c.codePointAt(0)!.toString(16).toUpperCase().padStart(4, '0')}⟩`,
  );
}

/** Like {@link printable}, for a text of several lines: line feeds stay. */
export function printableLines(text: string): string {
  return text.split('\n').map(printable).join('\n');
}
