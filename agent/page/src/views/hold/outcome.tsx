import { Link } from 'wouter-preact';
import type { HoldDetail } from '../../../../src/wire/api.ts';
import { pathOf } from '../../lib/paths.ts';
import { session } from '../../lib/who.ts';
import { Notice } from '../../ui/notice.tsx';
import { PeopleNames, PersonName } from '../../ui/people.tsx';
import { Shown } from '../../ui/shown.tsx';
import { Time } from '../../ui/time.tsx';

/** What became of a job that nobody has to decide on any more. */
const BECAME: Readonly<Record<Exclude<HoldDetail['state'], 'waiting_for_approval'>, string>> = {
  pending: 'Its runner gets it when it asks next.',
  running: 'It runs.',
  success: 'It has run, with success.',
  failed: 'It has failed.',
  canceled: 'It was canceled.',
  rejected: 'It was rejected, and never ran.',
  expired: 'Nobody decided in time; it never ran.',
};

/** Who decided, and what became of it: what a reader of a Hold looks for once it waits no more. */
export function Outcome({ hold }: { readonly hold: HoldDetail }) {
  if (hold.state === 'waiting_for_approval') return null;
  const who = hold.votes
    .filter(({ decision }) => decision === (hold.state === 'rejected' ? 'reject' : 'approve'))
    .map(({ person }) => person);
  const isVoted = who.length > 0 && (hold.approval !== null || hold.state === 'rejected');
  return (
    <section class="box" aria-labelledby="outcome-title">
      <h2 id="outcome-title">What became of it</h2>
      <p>
        {isVoted ? (
          <>
            {hold.state === 'rejected' ? 'Rejected by ' : 'Approved by '}
            <PeopleNames people={who} />
            {'. '}
          </>
        ) : (
          hold.approval !== null &&
          hold.break_glass.length === 0 && <>It passed with approval {hold.approval}, which was there already. </>
        )}
        {BECAME[hold.state]}
        {hold.ended_at !== null && (
          <>
            {' '}
            It ended <Time at={hold.ended_at} />.
          </>
        )}
      </p>
      <p>
        <Link href={pathOf('inbox')}>What else waits for you</Link>
        {hold.approval !== null && hold.break_glass.length === 0 && (
          <>
            {' · '}
            <Link href={pathOf('approvals')}>Approved configurations</Link>
          </>
        )}
      </p>
    </section>
  );
}

/** Loud, and before anything else: nobody approved what ran here (T34). */
export function BrokenGlass({ hold }: { readonly hold: HoldDetail }) {
  const me = session.value?.person?.id ?? null;
  return (
    <>
      {hold.break_glass.map(({ id, person, rule, reason, at, frozen, review_by, state, closed }) => (
        <Notice key={id} tone={closed === null ? 'bad' : 'warn'}>
          <p>
            <strong>Nobody approved this run: the glass was broken for it.</strong> <PersonName person={person} /> did
            so <Time at={at} /> (<Shown text={rule} />
            {frozen && ', during a freeze'}): <Shown text={reason} />
          </p>
          {closed === null ? (
            <p>
              {state === 'overdue' && <strong>Overdue. </strong>}
              Somebody else {me === person.id && '(not you) '}has to look at it by <Time at={review_by} isDue />:{' '}
              <code>holdpoint break-glass close {id}</code>
            </p>
          ) : (
            <p>
              <PersonName person={closed.by} /> looked at it <Time at={closed.at} /> and found it{' '}
              {closed.finding.replace('_', ' ')}: <Shown text={closed.comment} />
            </p>
          )}
        </Notice>
      ))}
    </>
  );
}
