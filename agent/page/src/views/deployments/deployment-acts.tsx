import { useState } from 'preact/hooks';
import { nothingLeft } from '../../../../src/domain/may-deploy.ts';
import type { DeploymentDetail } from '../../../../src/wire/deployments.ts';
import { useAct } from '../../lib/act.ts';
import { ask } from '../../lib/ask.ts';
import { signInAgain, stepUp } from '../../lib/step-up.ts';
import { CommentField } from '../../ui/field.tsx';
import { Notice } from '../../ui/notice.tsx';
import { Shown } from '../../ui/shown.tsx';

/** Approve, reject and run while somebody decides; of what is over its mark alone. What the reader may not is off, and says why. */
export function DeploymentActs({
  deployment,
  onChanged,
}: {
  readonly deployment: DeploymentDetail;
  onChanged(): void;
}) {
  const { id, may_approve: approve, may_reject: reject, may_run: run, may_mark: mark, broken } = deployment;
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
  const left = nothingLeft(deployment.state);
  const over = deployment.state === 'success' || deployment.state === 'failed';
  const mayMark = mark?.allowed !== false && (isMarked || over);
  // A comment is asked for where it is all that lacks, and of buttons that are there.
  const commented = [
    ...(left === null && reject.allowed ? ['Reject'] : []),
    ...(mayMark && !isMarked ? ['Mark as broken'] : []),
  ];
  const why = [
    left !== null || approve.allowed ? null : approve.reason && `Approve is off: ${approve.reason}.`,
    left !== null || run.allowed ? null : run.reason && `Run is off: ${run.reason}.`,
    left !== null || reject.allowed ? null : reject.reason && `Reject is off: ${reject.reason}.`,
    said === '' && commented.length > 0
      ? `${commented.join(' and ')} ${commented.length === 1 ? 'needs' : 'need'} a comment that says why.`
      : null,
  ].filter((words) => words !== null && words !== '');
  // Nobody decides on what is over or runs, and four dead buttons would say so four times.
  if (left !== null && !mayMark) return null;
  return (
    <section class="decide" aria-labelledby="deployment-acts">
      <h3 id="deployment-acts">{left === null ? 'Decide' : isMarked ? 'Marked as broken' : 'Is it broken?'}</h3>
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
        {left === null && (
          <>
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
          </>
        )}
        {mayMark &&
          (isMarked ? (
            <button
              type="button"
              disabled={act.isBusy}
              onClick={() =>
                send(
                  () => ask('POST', `${path}/lift-broken`, said === '' ? {} : { reason: said }),
                  'the mark is lifted',
                )
              }
            >
              Lift the mark
            </button>
          ) : (
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
          ))}
      </div>
      <p id="deployment-why" class="quiet">
        <Shown text={why.join(' ')} />
      </p>
    </section>
  );
}
