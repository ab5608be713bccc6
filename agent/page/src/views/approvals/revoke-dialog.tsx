import { useState } from 'preact/hooks';
import type { ApprovalView, ListedApproval } from '../../../../src/wire/approvals.ts';
import { useAct } from '../../lib/act.ts';
import { ask } from '../../lib/ask.ts';
import { Dialog } from '../../ui/dialog.tsx';
import { CommentField } from '../../ui/field.tsx';
import { Notice } from '../../ui/notice.tsx';
import { Shown } from '../../ui/shown.tsx';
import { Time } from '../../ui/time.tsx';
import { ApprovedBy, Brief } from './brief.tsx';

/** Takes an approval back: what follows is said first. */
export function RevokeDialog({
  approval,
  onClose,
}: {
  readonly approval: ListedApproval;
  /** With the approval as it is then, null where it was left. */
  onClose(after: ApprovalView | null): void;
}) {
  const [comment, setComment] = useState('');
  const act = useAct();
  const revoke = async (): Promise<void> => {
    const said = comment.trim();
    const body = said === '' ? {} : { comment: said };
    const sent = { after: null as ApprovalView | null };
    const done = await act.run(async () => {
      sent.after = await ask<ApprovalView>('POST', `approvals/${approval.id}/revoke`, body);
    }, `approval ${approval.id} is revoked`);
    if (done) onClose(sent.after);
  };
  return (
    <Dialog title={`Revoke approval ${approval.id}?`} onClose={() => onClose(null)}>
      <dl>
        <dt class="quiet">What it lets run</dt>
        <dd>
          <Shown text={approval.job} /> in <Shown text={approval.project_path ?? `project ${approval.project_id}`} />
          <Brief of={approval.summary} />
          <code class="quiet">{approval.digest.slice(0, 19)}…</code>
        </dd>
        <dt class="quiet">Where</dt>
        <dd>
          <Shown text={approval.scope_words.join(', ')} />
        </dd>
        <dt class="quiet">Approved by</dt>
        <dd>
          <ApprovedBy approval={approval} />, <Time at={approval.created_at} />
        </dd>
      </dl>
      <p>
        The next job <Shown text={approval.job} /> with this configuration waits again, and so does one that was
        released and has not started. What runs, runs on.
      </p>
      <CommentField id="revoke-comment" label="Why (is kept in the audit)" value={comment} onChange={setComment} />
      {act.problem !== null && <Notice tone="bad">Not revoked: {act.problem}</Notice>}
      <div class="buttons">
        <button type="button" class="danger" disabled={act.isBusy} onClick={revoke}>
          Revoke
        </button>
        <button type="button" onClick={() => onClose(null)}>
          Leave it
        </button>
      </div>
    </Dialog>
  );
}
