import { useState } from 'preact/hooks';
import type { DeploymentDetail } from '../../../../src/wire/deployments.ts';
import { useAct } from '../../lib/act.ts';
import { ask } from '../../lib/ask.ts';
import { signInAgain, stepUp } from '../../lib/step-up.ts';
import { CommentField } from '../../ui/field.tsx';
import { Notice } from '../../ui/notice.tsx';
import { Shown } from '../../ui/shown.tsx';

/** Approve, reject, run, mark as broken: what the reader may not is off, and says why. */
export function DeploymentActs({
  deployment,
  onChanged,
}: {
  readonly deployment: DeploymentDetail;
  onChanged(): void;
}) {
  const { id, may_approve: approve, may_reject: reject, may_run: run, broken } = deployment;
  const [comment, setComment] = useState('');
  const act = useAct();
  const said = comment.trim();
  const path = `deployments/${id}`;
  const send = async (work: () => Promise<unknown>, done: string): Promise<void> => {
    if (await act.run(work, done)) {
      setComment('');
      onChanged();
    }
  };
  const body = said === '' ? {} : { comment: said };
  const isMarked = broken !== null && broken.lifted_at === null;
  const over = deployment.state === 'success' || deployment.state === 'failed';
  // A comment is asked for where it is all that lacks, and of buttons that are there.
  const commented = [...(reject.allowed ? ['Reject'] : []), ...(over && !isMarked ? ['Mark as broken'] : [])];
  const why = [
    approve.allowed ? null : approve.reason && `Approve is off: ${approve.reason}.`,
    run.allowed ? null : run.reason && `Run is off: ${run.reason}.`,
    reject.allowed ? null : reject.reason && `Reject is off: ${reject.reason}.`,
    said === '' && commented.length > 0
      ? `${commented.join(' and ')} ${commented.length === 1 ? 'needs' : 'need'} a comment that says why.`
      : null,
  ].filter((words) => words !== null && words !== '');
  return (
    <section class="decide" aria-labelledby="deployment-acts">
      <h3 id="deployment-acts">Decide</h3>
      <CommentField id="deployment-comment" label="Comment" value={comment} onChange={setComment} />
      {act.problem !== null && (
        <Notice tone="bad">
          Not taken: {act.problem}
          {act.problem.includes('fresh sign-in') && (
            <button type="button" onClick={() => signInAgain()}>
              Sign in again
            </button>
          )}
        </Notice>
      )}
      <div class="buttons">
        <button
          type="button"
          class="primary"
          disabled={!approve.allowed || act.isBusy}
          aria-describedby="deployment-why"
          onClick={() =>
            send(async () => {
              const more = await stepUp(path, body);
              await ask('POST', `${path}/approve`, { ...body, ...more });
            }, 'your approve is recorded')
          }
        >
          Approve this deployment
        </button>
        <button
          type="button"
          disabled={!run.allowed || act.isBusy}
          aria-describedby="deployment-why"
          onClick={() => send(() => ask('POST', `${path}/run`, {}), 'the deployment is started')}
        >
          Run it
        </button>
        <button
          type="button"
          class="danger"
          disabled={!reject.allowed || said === '' || act.isBusy}
          aria-describedby="deployment-why"
          onClick={() => send(() => ask('POST', `${path}/reject`, body), 'your reject is recorded')}
        >
          Reject
        </button>
        {isMarked ? (
          <button
            type="button"
            disabled={act.isBusy}
            onClick={() =>
              send(() => ask('POST', `${path}/lift-broken`, said === '' ? {} : { reason: said }), 'the mark is lifted')
            }
          >
            Lift the mark
          </button>
        ) : (
          over && (
            <button
              type="button"
              class="danger"
              disabled={said === '' || act.isBusy}
              aria-describedby="deployment-why"
              onClick={() =>
                send(() => ask('POST', `${path}/mark-broken`, { reason: said }), 'the commit is marked as broken')
              }
            >
              Mark as broken
            </button>
          )
        )}
      </div>
      <p id="deployment-why" class="quiet">
        <Shown text={why.join(' ')} />
      </p>
    </section>
  );
}
