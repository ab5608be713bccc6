/** Invisible, bidirectional and otherwise deceiving characters, shown as their code point (T33). */
const DECEIVING =
  /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}\u2000-\u200a\u00a0\u202f\u205f\u2800\u3000\ufffc]/gu;

/** `U+202E` for a character that hides or reorders text, null for any other; a tab and a line feed hide what they are, too. */
export function deceivingCharacter(character: string): string | null {
  if (character.search(DECEIVING) === -1) return null;
  return `U+${character.codePointAt(0)!.toString(16).toUpperCase().padStart(4, '0')}`;
}

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
