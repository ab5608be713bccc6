import type { RefObject } from 'preact';
import { useRef, useState } from 'preact/hooks';
import type { HoldDetail, HoldView } from '../../../../src/wire/api.ts';
import type { BackgroundView } from '../../../../src/wire/inbox.ts';
import { ask } from '../../lib/ask.ts';
import { useKeys } from '../../lib/keys.ts';
import { wordsOf } from '../../lib/problem.ts';
import { say } from '../../lib/say.ts';
import { FreshSignIn, signInAgain, stepUp } from '../../lib/step-up.ts';
import { now } from '../../lib/times.ts';
import { Notice } from '../../ui/notice.tsx';
import { Shown } from '../../ui/shown.tsx';
import { allowedWords, isTooNarrow, usualAllowance, wireOf } from './allow.ts';
import { AllowancePicker } from './allowance-picker.tsx';
import type { Seen } from './seen.tsx';
import { shortReason } from './why-not.ts';

/** What stands in the way of a decision, and of an approve alone. */
export interface Standing {
  /** Why nothing may be decided at all; null: nothing is in the way. */
  readonly stopped: string | null;
  /** The digest that was computed here; null: there is none, and nothing may be approved. */
  readonly digest: string | null;
  readonly seen: Seen;
}

/** Why an approve is not to be had; null where it is. */
function approveBlockedBy(hold: HoldDetail, { stopped, digest, seen }: Standing, isNarrow: boolean): string | null {
  const blind = hold.hidden.filter(({ state }) => state === 'blind').length;
  if (stopped !== null) return stopped;
  if (!hold.may_vote.allowed) return shortReason(hold.may_vote.reason) ?? 'the rules do not let you';
  if (digest === null) return 'the digest cannot be computed from what is shown to you';
  if (blind > 0)
    return `${blind === 1 ? 'a hidden value has' : `${blind} hidden values have`} not been seen: reveal first`;
  if (seen.unseen > 0) return `${seen.unseen} of ${seen.total} parts of the difference have not been on your screen`;
  if (isNarrow) return 'what is chosen does not reach the artifacts that this job takes in';
  return null;
}

type Decision = 'approve' | 'reject' | 'remember';

/** What is allowed for how long, a comment, and the three answers. */
export function Decide({
  hold,
  background,
  standing,
  bar,
  onDecided,
}: {
  readonly hold: HoldDetail;
  readonly background: BackgroundView | null;
  readonly standing: Standing;
  /** What lies beneath it has not been seen. */
  readonly bar: RefObject<HTMLElement>;
  /** The hub has taken the decision, or has said that something is another thing now. */
  onDecided(after: HoldView | null): void;
}) {
  const [allowance, setAllowance] = useState(() => usualAllowance(hold, background, now.peek()));
  const [comment, setComment] = useState('');
  const [as, setAs] = useState('');
  const [busy, setBusy] = useState<Decision | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  const [isStale, setStale] = useState(false);
  const own = hold.may_vote;
  const approve = useRef<HTMLButtonElement>(null);
  const field = useRef<HTMLTextAreaElement>(null);
  const blocked = approveBlockedBy(hold, standing, isTooNarrow(allowance, hold));
  const rejectBlocked =
    standing.stopped ??
    (hold.may_vote.reject ? null : (shortReason(hold.may_vote.reject_reason) ?? 'the rules do not let you')) ??
    (comment.trim() === '' ? 'a reject needs a comment that says why' : null);
  // Whoever can neither approve nor reject is told why once.
  const isBothOff = blocked !== null && standing.stopped === null && !own.allowed && !own.reject;
  useKeys([
    {
      key: 'a',
      does: 'go to Approve',
      act: () => (approve.current?.disabled ? field.current : approve.current)?.focus(),
    },
    { key: 'r', does: 'go to the comment of a reject', act: () => field.current?.focus() },
    { key: 'n', does: 'go to what has not been on the screen', act: standing.seen.showNext },
  ]);

  const represented = as === '' ? {} : { represented_as: as };
  async function approveWith(body: object): Promise<HoldView> {
    const more = hold.step_up === 'none' ? {} : await stepUp(`holds/${hold.id}`, body);
    return ask<HoldView>('POST', `holds/${hold.id}/approve`, { ...body, ...more });
  }
  async function withdraw(): Promise<void> {
    setProblem(null);
    try {
      const after = await ask<HoldView>('POST', `holds/${hold.id}/withdraw`);
      say('Your vote is taken back');
      onDecided(after);
    } catch (error) {
      setProblem(wordsOf(error));
    }
  }

  async function send(decision: Decision): Promise<void> {
    const digest = standing.digest ?? hold.digest;
    const said = comment.trim() === '' ? {} : { comment: comment.trim() };
    setBusy(decision);
    setProblem(null);
    try {
      const after =
        decision === 'approve'
          ? await approveWith({ digest, ...said, ...wireOf(allowance, hold), ...represented })
          : await ask<HoldView>('POST', `holds/${hold.id}/reject`, {
              digest,
              ...said,
              remember: decision === 'remember',
            });
      say(decision === 'approve' ? 'Your approve is recorded' : 'Your reject is recorded');
      onDecided(after);
    } catch (error) {
      setProblem(wordsOf(error));
      setStale(error instanceof FreshSignIn);
      say('Your decision was not taken');
      onDecided(null);
    } finally {
      setBusy(null);
    }
  }

  return (
    <>
      {own.allowed && (
        <section aria-labelledby="covers-title" class="box decide">
          <h2 id="covers-title">What your approve covers</h2>
          <div class="allowed" aria-live="polite">
            <p>
              If you approve, job <Shown text={hold.job} /> of{' '}
              <Shown text={hold.project_path ?? String(hold.project_id)} /> may run with exactly this configuration:
            </p>
            <ul>
              {allowedWords(allowance, hold).map((words) => (
                <li key={words}>
                  <Shown text={words} />
                </li>
              ))}
            </ul>
          </div>
          <details>
            <summary>Change what your approve covers</summary>
            <AllowancePicker hold={hold} background={background} allowance={allowance} onChange={setAllowance} />
          </details>
          {hold.may_vote.rules.length > 1 && (
            <div class="choice">
              <label for="represented">Your approve counts for</label>
              <select id="represented" value={as} onChange={(event) => setAs(event.currentTarget.value)}>
                <option value="">whichever rule needs it</option>
                {hold.may_vote.rules.map((rule) => (
                  <option key={rule} value={rule}>
                    {rule}
                  </option>
                ))}
              </select>
            </div>
          )}
          {hold.step_up !== 'none' && (
            <p class="quiet">
              {hold.step_up === 'passkey'
                ? 'An approve asks for your passkey.'
                : 'An approve needs a sign-in of the last minutes.'}
            </p>
          )}
        </section>
      )}
      {/* At the foot of the screen, however long the difference is and wherever the reader is in it. */}
      <section ref={bar} aria-labelledby="decide-title" class="act-bar act-bar-fixed" id="decide">
        <h2 id="decide-title" class="unseen">
          Decide
        </h2>
        {problem !== null && (
          <Notice tone="bad">
            <p>Not taken: {problem}</p>
            {isStale && (
              <button type="button" onClick={() => signInAgain().catch((error) => setProblem(wordsOf(error)))}>
                Sign in again
              </button>
            )}
          </Notice>
        )}
        <div class="act-row">
          {(own.allowed || own.reject) && (
            <>
              <label for="comment">Comment</label>
              <textarea
                id="comment"
                ref={field}
                rows={1}
                maxLength={4_000}
                value={comment}
                onInput={(event) => setComment(event.currentTarget.value)}
              />
            </>
          )}
          <button
            type="button"
            class="primary"
            ref={approve}
            disabled={blocked !== null || busy !== null}
            aria-describedby="approve-blocked"
            onClick={() => send('approve')}
          >
            {busy === 'approve' ? 'Sending …' : 'Approve'}
          </button>
          <button
            type="button"
            class="danger"
            disabled={rejectBlocked !== null || busy !== null}
            aria-describedby={isBothOff ? 'approve-blocked' : 'reject-blocked'}
            onClick={() => send('reject')}
          >
            Reject
          </button>
          <button
            type="button"
            class="danger"
            disabled={rejectBlocked !== null || busy !== null}
            aria-describedby={isBothOff ? 'approve-blocked' : 'reject-blocked'}
            onClick={() => send('remember')}
            title="Later jobs with this configuration are refused at once"
          >
            Reject and remember
          </button>
        </div>
        {hold.may_vote.voted !== null && (
          <p>
            You have {hold.may_vote.voted === 'approve' ? 'approved' : 'rejected'} it; voting again replaces that.{' '}
            <button type="button" class="plain" disabled={busy !== null} onClick={withdraw}>
              Take my vote back
            </button>
          </p>
        )}
        <p id="approve-blocked" class="quiet" role="status">
          {blocked !== null && (
            <>
              {isBothOff ? 'Approve and reject are off' : 'Approve is off'}: <Shown text={blocked} />.{' '}
              {own.allowed && standing.stopped === null && standing.seen.unseen > 0 && (
                <button type="button" class="plain" onClick={standing.seen.showNext}>
                  Show what was not seen
                </button>
              )}
            </>
          )}
        </p>
        <p id="reject-blocked" class="quiet">
          {rejectBlocked !== null && !isBothOff && (
            <>
              Reject is off: <Shown text={rejectBlocked} />.
            </>
          )}
        </p>
      </section>
    </>
  );
}
