import { Shown } from '../../ui/shown.tsx';
import type { StyledText } from './terminal.ts';

/** What stands on a terminal, line by line. */
export type Lines = readonly (readonly StyledText[])[];

/** A terminal's lines as text of the page's own: nothing of them is markup (T33). */
export function TerminalLines({ lines }: { readonly lines: Lines }) {
  return (
    <>
      {lines.map((line, index) => (
        <div key={`line ${index}`} class="log-line">
          {line.map(({ text, classes }, at) => (
            <span key={`${at} ${classes}`} class={classes}>
              <Shown text={text} isPart />
            </span>
          ))}
        </div>
      ))}
    </>
  );
}
