import { useState } from 'preact/hooks';
import type { HoldView, Problem } from '../../../../src/wire/api.ts';
import { ask } from '../../lib/ask.ts';
import { wordsOf } from '../../lib/problem.ts';
import { say } from '../../lib/say.ts';
import { Notice } from '../../ui/notice.tsx';
import { Shown } from '../../ui/shown.tsx';
import type { Seen } from '../review/seen.tsx';
import type { Member } from './members.ts';

/** What the hub takes in one list. */
const MAX_AT_ONCE = 200;

interface Outcome {
  readonly taken: number;
  readonly refused: readonly { readonly hold: number; readonly words: string }[];
}

interface Answer {
  readonly items: readonly {
    readonly hold: number;
    readonly after: HoldView | null;
    readonly problem: Problem | null;
  }[];
}

/** One answer to all that are chosen: a decision for each, with its own digest, by its own rules. */
export function ChangeDecide({
  chosen,
  seen,
  onDone,
}: {
  readonly chosen: readonly Member[];
  readonly seen: Seen;
  onDone(): void;
}) {
  const [comment, setComment] = useState('');
  const [isBusy, setBusy] = useState(false);
  const [problem, setProblem] = useState<string | null>(null);
  const [outcome, setOutcome] = useState<Outcome | null>(null);
  const some = chosen.slice(0, MAX_AT_ONCE);
  const said = comment.trim();
  const blocked =
    some.length === 0
      ? 'nothing is chosen that could be answered here'
      : seen.unseen > 0
        ? `${seen.unseen} of ${seen.total} parts of the difference have not been on your screen`
        : null;
  const send = async (decision: 'approve' | 'reject'): Promise<void> => {
    setBusy(true);
    setProblem(null);
    try {
      const decisions = some.flatMap(({ hold, digest }) =>
        hold === null || digest === null
          ? []
          : [{ hold: hold.id, digest, decision, ...(said === '' ? {} : { comment: said }) }],
      );
      const { items } = await ask<Answer>('POST', 'reviews/decide', { decisions });
      const refused = items.flatMap((one) =>
        one.problem === null ? [] : [{ hold: one.hold, words: one.problem.detail }],
      );
      setOutcome({ taken: items.length - refused.length, refused });
      say(`${items.length - refused.length} of ${items.length} votes are recorded`);
    } catch (error) {
      setProblem(wordsOf(error));
    } finally {
      setBusy(false);
    }
  };
  if (outcome !== null) {
    return (
      <Notice tone={outcome.refused.length === 0 ? 'good' : 'warn'}>
        <p>
          {outcome.taken} {outcome.taken === 1 ? 'vote is' : 'votes are'} recorded.
        </p>
        {outcome.refused.length > 0 && (
          <ul>
            {outcome.refused.map(({ hold, words }) => (
              <li key={hold}>
                <Shown text={words} />
              </li>
            ))}
          </ul>
        )}
        <button type="button" onClick={onDone}>
          Show what is left
        </button>
      </Notice>
    );
  }
  return (
    <section aria-labelledby="decide-title" class="box decide">
      <h2 id="decide-title">Decide on {some.length} at once</h2>
      <p>
        Each gets your vote with its own digest, computed in this browser, and each is approved only as far as its own
        rules are met: for its own ref and environment, for as long as the policy gives without a wish.
      </p>
      <label for="change-comment">Comment</label>
      <textarea
        id="change-comment"
        rows={2}
        maxLength={4_000}
        value={comment}
        onInput={(event) => setComment(event.currentTarget.value)}
      />
      {problem !== null && <Notice tone="bad">Not taken: {problem}</Notice>}
      <div class="buttons">
        <button
          type="button"
          class="primary"
          disabled={blocked !== null || isBusy}
          aria-describedby="change-blocked"
          onClick={() => send('approve')}
        >
          Approve all {some.length}
        </button>
        <button
          type="button"
          class="danger"
          disabled={some.length === 0 || said === '' || isBusy}
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
            {seen.unseen > 0 && (
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
