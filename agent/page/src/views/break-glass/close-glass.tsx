import { useState } from 'preact/hooks';
import type { BreakGlassView } from '../../../../src/wire/break-glass.ts';
import { useAct } from '../../lib/act.ts';
import { ask } from '../../lib/ask.ts';
import { CommentField } from '../../ui/field.tsx';
import { Notice } from '../../ui/notice.tsx';
import { Shown } from '../../ui/shown.tsx';

/** Says what somebody found who looked at a run without its approval; whether they may is the hub's to say. */
export function CloseGlass({ id, onClosed }: { readonly id: number; onClosed(after: BreakGlassView): void }) {
  const [comment, setComment] = useState('');
  const act = useAct();
  const said = comment.trim();
  const close = async (finding: 'justified' | 'not_justified'): Promise<void> => {
    const sent = { after: null as BreakGlassView | null };
    await act.run(async () => {
      sent.after = await ask<BreakGlassView>('POST', `break-glass/${id}/close`, { finding, comment: said });
    }, `break-glass ${id} is closed`);
    if (sent.after !== null) onClosed(sent.after);
  };
  return (
    <details>
      <summary>Close it: say what you found</summary>
      <CommentField
        id={`found-${id}`}
        label="What you found (nobody closes their own)"
        value={comment}
        onChange={setComment}
      />
      {act.problem !== null && (
        <Notice tone="bad">
          Not closed: <Shown text={act.problem} />
        </Notice>
      )}
      <div class="buttons">
        <button type="button" disabled={said === '' || act.isBusy} onClick={() => close('justified')}>
          It was justified
        </button>
        <button
          type="button"
          class="danger"
          disabled={said === '' || act.isBusy}
          onClick={() => close('not_justified')}
        >
          It was not justified
        </button>
      </div>
      {said === '' && <p class="quiet">The buttons are off until you have said what you found.</p>}
    </details>
  );
}
