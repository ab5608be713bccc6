import type { z } from 'zod';
import { printable } from '../domain/printable.ts';
import type { revealedSchema } from '../wire/api.ts';

/** Revealed values as text: each line of a value on a line of its own, nothing in it able to act on the terminal (T33). */
export function revealed(answer: z.output<typeof revealedSchema>): string {
  if (answer.values.length === 0) return `Hold ${answer.hold} hides no value that somebody may have typed.\n`;
  const parts = answer.values.map(({ name, value, hidden }) => {
    const lines = value.split('\n').map((line) => `  ${printable(line)}\n`);
    const rest = hidden.length === 0 ? '' : `  (stays hidden within it: ${printable(hidden.join(', '))})\n`;
    return `${printable(name)}\n${lines.join('')}${rest}`;
  });
  return `${parts.join('')}It is recorded that you have seen ${answer.values.length === 1 ? 'this value' : 'these values'}.\n`;
}
