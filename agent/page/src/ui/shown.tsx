import { markedText } from '../../../src/domain/marked-text.ts';

interface ShownProps {
  readonly text: string;
  /** True for a piece within a line: blanks at its end are not at the end of anything. */
  readonly isPart?: boolean;
}

/** What a mark says to whoever points at it or has it read out. */
function titleOf(kind: 'hidden' | 'lookalike', mark: string): string {
  if (kind === 'lookalike') return `these characters look like ${mark} and are not`;
  return /blank|tab/.test(mark) ? mark : `a character that is not seen or reorders text: ${mark}`;
}

/** Blanks that push nothing out of sight. */
const isFewBlanks = (text: string): boolean => /^ {1,8}$/.test(text);

/**
 * A text that somebody else wrote: text alone, in one line or as it wraps, with everything in it that hides, reorders or
 * passes for something else made visible (T33).
 */
export function Shown({ text, isPart = false }: ShownProps) {
  return (
    <bdi class="shown">
      {markedText(text).map(({ kind, text: piece, mark }, index) =>
        kind === 'plain' || mark === null || (isPart && isFewBlanks(piece)) ? (
          piece
        ) : (
          <mark key={`${index} ${mark}`} class={`mark-${kind}`} title={titleOf(kind, mark)}>
            {kind === 'hidden' ? `⟨${mark}⟩` : piece}
          </mark>
        ),
      )}
    </bdi>
  );
}

/** The same for a text of several lines. */
export function ShownLines({ text }: ShownProps) {
  const lines = text.split('\n');
  return (
    <>
      {lines.map((line, index) => (
        <span key={index} class="shown-line">
          <Shown text={line} />
          {index < lines.length - 1 && '\n'}
        </span>
      ))}
    </>
  );
}
