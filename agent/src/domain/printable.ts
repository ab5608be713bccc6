/** Invisible, bidirectional and otherwise deceiving characters, shown as their code point (T33). */
const DECEIVING =
  /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}\u2000-\u200a\u00a0\u202f\u205f\u2800\u3000\ufffc]/gu;

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
