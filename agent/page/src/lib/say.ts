import { signal } from '@preact/signals';

/** What a screen reader is told next: changes of state that are seen, but not focused. */
export const said = signal('');

/** Says something once; the same words again are said again. */
export function say(words: string): void {
  said.value = said.value === words ? `${words}\u00a0` : words;
}

/** Takes back what was said of a view that is left: who reads on in the next one must not come upon it. */
export function unsay(): void {
  said.value = '';
}
