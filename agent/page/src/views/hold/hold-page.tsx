import type { ComponentChildren } from 'preact';
import { useState } from 'preact/hooks';
import type { HoldView } from '../../../../src/wire/api.ts';
import { useTitle } from '../../lib/title.ts';
import { Notice, Pending } from '../../ui/notice.tsx';
import { Shown } from '../../ui/shown.tsx';
import { Review } from '../review/review.tsx';
import { Happened } from './happened.tsx';
import { Head } from './head.tsx';
import { LiveLog } from './live-log.tsx';
import { BrokenGlass, Outcome } from './outcome.tsx';
import { OwnActions } from './own-actions.tsx';
import { useHold } from './use-hold.ts';

/** What to say after a decision. */
function outcomeOf(after: HoldView): string {
  switch (after.state) {
    case 'waiting_for_approval':
      return 'Your vote is recorded. It still waits: the rules below say for whom.';
    case 'pending':
      return 'Approved. The job goes to its runner with the next poll.';
    case 'rejected':
      return 'Rejected. The job is ended in GitLab.';
    default:
      return `It is ${after.state.replaceAll('_', ' ')} now.`;
  }
}

/** A Hold: who wants what, the decision while it waits, and what has happened to it. */
export function HoldPage({ id, children }: { readonly id: number; readonly children?: ComponentChildren }) {
  const found = useHold(id);
  const [outcome, setOutcome] = useState<string | null>(null);
  const hold = found.value?.hold ?? null;
  // What is being read again is not news, and not to be decided on.
  const hasChanged = found.changes.length > 0 && !found.isLoading;
  // Where nothing is left to decide, a change takes nobody by surprise: one's own approve goes on, too.
  const isOver = hold !== null && hold.state !== 'waiting_for_approval';
  useTitle(hold === null ? `Hold ${id}` : `${hold.job} · hold ${id}`);
  if (found.value === null || hold === null) return <Pending what={`hold ${id}`} {...found} />;
  const { background } = found.value;
  const decided = (after: HoldView | null): void => {
    setOutcome(after === null ? null : outcomeOf(after));
    if (after !== null) found.again();
  };
  return (
    <>
      <Head hold={hold} />
      <BrokenGlass hold={hold} />
      <Outcome hold={hold} />
      {outcome !== null && <Notice tone="good">{outcome}</Notice>}
      {hasChanged && (
        <Notice tone={isOver ? 'news' : 'warn'}>
          {isOver ? (
            <p>It has gone on meanwhile:</p>
          ) : (
            <p>
              <strong>This has changed while you looked at it.</strong> The buttons are off until you have seen it as it
              is now.
            </p>
          )}
          <ul>
            {found.changes.map((words) => (
              <li key={words}>
                <Shown text={words} />
              </li>
            ))}
          </ul>
          <button type="button" onClick={found.again}>
            Show it as it is now
          </button>
        </Notice>
      )}
      {children}
      <Review
        key={`${hold.digest} ${hold.version}`}
        hold={hold}
        background={background}
        stopped={
          found.isLoading ? 'it is being read again' : hasChanged ? 'this has changed while you looked at it' : null
        }
        onChanged={found.again}
        onDecided={decided}
      />
      {(hold.state === 'pending' || hold.state === 'running') && <LiveLog key={hold.job_id} hold={hold} />}
      <OwnActions hold={hold} />
      <Happened hold={hold} />
    </>
  );
}
