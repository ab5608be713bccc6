import { useState } from 'preact/hooks';
import type { ListedApproval } from '../../../../src/wire/approvals.ts';
import { useAct } from '../../lib/act.ts';
import { ask } from '../../lib/ask.ts';
import { Dialog } from '../../ui/dialog.tsx';
import { Notice } from '../../ui/notice.tsx';
import { Shown } from '../../ui/shown.tsx';

/** Takes an approval back: what follows is said first. */
export function RevokeDialog({
  approval,
  onClose,
}: {
  readonly approval: ListedApproval;
  onClose(done: boolean): void;
}) {
  const [comment, setComment] = useState('');
  const act = useAct();
  const revoke = async (): Promise<void> => {
    const said = comment.trim();
    const body = said === '' ? {} : { comment: said };
    const done = await act.run(
      () => ask('POST', `approvals/${approval.id}/revoke`, body),
      `approval ${approval.id} is revoked`,
    );
    if (done) onClose(true);
  };
  return (
    <Dialog title={`Revoke approval ${approval.id}?`} onClose={() => onClose(false)}>
      <p>
        The next job <Shown text={approval.job} /> with this configuration waits again, and so does one that was
        released and has not started. What runs, runs on.
      </p>
      <label for="revoke-comment">Why (is kept in the audit)</label>
      <textarea
        id="revoke-comment"
        rows={2}
        maxLength={4_000}
        value={comment}
        onInput={(event) => setComment(event.currentTarget.value)}
      />
      {act.problem !== null && <Notice tone="bad">Not revoked: {act.problem}</Notice>}
      <div class="buttons">
        <button type="button" class="danger" disabled={act.isBusy} onClick={revoke}>
          Revoke
        </button>
        <button type="button" onClick={() => onClose(false)}>
          Leave it
        </button>
      </div>
    </Dialog>
  );
}
