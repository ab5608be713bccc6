import type { ComponentChildren } from 'preact';
import { useRef, useState } from 'preact/hooks';
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
import { WatchBox } from './watch-box.tsx';

/** A Hold: who wants what, the decision while it waits, and what has happened to it. */
export function HoldPage({ id, children }: { readonly id: number; readonly children?: ComponentChildren }) {
  const found = useHold(id);
  const [isVoted, setVoted] = useState(false);
  const reviewKey = useRef<{ readonly digest: string; readonly key: string } | null>(null);
  const logOf = useRef<number | null>(null);
  const hold = found.value?.hold ?? null;
  // What is being read again is not news, and not to be decided on.
  const hasChanged = found.changes.length > 0 && !found.isLoading;
  useTitle(hold === null ? `Hold ${id}` : `${hold.job} · hold ${id}`);
  if (found.value === null || hold === null) return <Pending what={`hold ${id}`} {...found} />;
  const { background } = found.value;
  const decided = (after: HoldView | null): void => {
    setVoted(after?.state === 'waiting_for_approval');
    if (after === null) return;
    found.decided();
    found.again();
  };
  const isOpen = hold.state === 'waiting_for_approval';
  // What is decided on begins anew with every change; what is only read on stays where it is.
  if ((isOpen && !found.isDecided) || reviewKey.current?.digest !== hold.digest)
    reviewKey.current = { digest: hold.digest, key: `${hold.digest} ${hold.version}` };
  if (hold.state === 'pending' || hold.state === 'running') logOf.current = hold.job_id;
  return (
    <>
      <Head hold={hold} />
      <BrokenGlass hold={hold} />
      <Outcome hold={hold} />
      {isVoted && isOpen && hold.may_vote.voted !== null && (
        <Notice tone="good">Your vote is recorded. It still waits: the rules below say for whom.</Notice>
      )}
      {hasChanged && (
        <Notice tone="warn">
          <p>
            <strong>This has changed while you looked at it.</strong> The buttons are off until you have seen it as it
            is now.
          </p>
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
        key={reviewKey.current.key}
        hold={hold}
        background={background}
        stopped={
          found.isLoading ? 'it is being read again' : hasChanged ? 'this has changed while you looked at it' : null
        }
        onChanged={found.again}
        onDecided={decided}
      />
      {logOf.current === hold.job_id && <LiveLog key={hold.job_id} hold={hold} />}
      <WatchBox hold={hold} onWatching={() => decided(hold)} />
      <OwnActions hold={hold} />
      <Happened hold={hold} />
    </>
  );
}
