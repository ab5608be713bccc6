import type { ComponentChildren } from 'preact';

/** One fact of a list of them: what it is, and the value. */
export function Fact({ words, children }: { readonly words: string; readonly children: ComponentChildren }) {
  return (
    <div class="fact">
      <dt>{words}</dt>
      <dd>{children}</dd>
    </div>
  );
}
