import type { RefObject } from 'preact';
import { useState } from 'preact/hooks';
import { ask } from '../../lib/ask.ts';
import { wordsOf } from '../../lib/problem.ts';
import { say } from '../../lib/say.ts';
import { Notice } from '../../ui/notice.tsx';
import { Shown } from '../../ui/shown.tsx';
import type { Seen } from '../review/seen.tsx';
import { type AnsweredItem, type Became, becameInWords, becameOf } from './answer.ts';
import type { Member } from './members.ts';

/** What the hub takes in one list. */
const MAX_AT_ONCE = 200;

/** Why an approve of all of them is not to be had; null where it is. */
function blockedBy(some: readonly Member[], unchecked: number, seen: Seen): string | null {
  if (unchecked > 0)
    return `${unchecked} of them ${unchecked === 1 ? 'is' : 'are'} still being checked in this browser`;
  if (some.length === 0) return 'nothing is chosen that could be answered here';
  return seen.unseen > 0
    ? `${seen.unseen} of ${seen.total} parts of the difference have not been on your screen`
    : null;
}

/**
 * One answer to all that are chosen: a decision for each, with its own digest, by its own rules. It stands in a bar at the
 * foot of the screen, however many rows there are.
 */
export function ChangeDecide({
  chosen,
  unchecked,
  seen,
  bar,
  onAnswered,
}: {
  readonly chosen: readonly Member[];
  /** How many have not been looked at yet. */
  readonly unchecked: number;
  readonly seen: Seen;
  readonly bar: RefObject<HTMLElement>;
  /** What became of each, by Hold. */
  onAnswered(became: ReadonlyMap<number, Became>): void;
}) {
  const [comment, setComment] = useState('');
  const [isBusy, setBusy] = useState(false);
  const [problem, setProblem] = useState<string | null>(null);
  const some = chosen.slice(0, MAX_AT_ONCE);
  const said = comment.trim();
  const blocked = blockedBy(some, unchecked, seen);
  const send = async (decision: 'approve' | 'reject'): Promise<void> => {
    setBusy(true);
    setProblem(null);
    try {
      const decisions = some.flatMap(({ hold, digest }) =>
        hold === null || digest === null
          ? []
          : [{ hold: hold.id, digest, decision, ...(said === '' ? {} : { comment: said }) }],
      );
      const { items } = await ask<{ readonly items: readonly AnsweredItem[] }>('POST', 'reviews/decide', { decisions });
      const became = new Map(items.map((item) => [item.hold, becameOf(item)]));
      say(becameInWords([...became.values()]));
      onAnswered(became);
    } catch (error) {
      setProblem(wordsOf(error));
      say('Your decisions were not taken');
    } finally {
      setBusy(false);
    }
  };
  return (
    <section ref={bar} aria-labelledby="decide-title" class="act-bar">
      <h2 id="decide-title">Decide on {some.length} at once</h2>
      {problem !== null && <Notice tone="bad">Not taken: {problem}</Notice>}
      <div class="act-row">
        <label for="change-comment">Comment</label>
        <textarea
          id="change-comment"
          rows={1}
          maxLength={4_000}
          value={comment}
          onInput={(event) => setComment(event.currentTarget.value)}
        />
        <button
          type="button"
          class="primary"
          disabled={blocked !== null || isBusy}
          aria-describedby="change-blocked"
          onClick={() => send('approve')}
        >
          {isBusy ? 'Sending …' : `Approve all ${some.length}`}
        </button>
        <button
          type="button"
          class="danger"
          disabled={some.length === 0 || unchecked > 0 || said === '' || isBusy}
          aria-describedby="change-blocked"
          onClick={() => send('reject')}
        >
          Reject all {some.length}
        </button>
      </div>
      <p id="change-blocked" class="quiet" role="status">
        {blocked !== null && (
          <>
            Approve is off: <Shown text={blocked} />.{' '}
            {unchecked === 0 && seen.unseen > 0 && (
              <button type="button" class="plain" onClick={seen.showNext}>
                Show what was not seen
              </button>
            )}
          </>
        )}
        {said === '' && ' A reject needs a comment that says why.'}
      </p>
    </section>
  );
}
