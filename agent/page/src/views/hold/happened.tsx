import { Link } from 'wouter-preact';
import { eventWords } from '../../../../src/domain/audit-events.ts';
import type { HoldDetail } from '../../../../src/wire/api.ts';
import type { AuditRow } from '../../../../src/wire/audit.ts';
import { pathOf } from '../../lib/paths.ts';
import { Away } from '../../ui/away.tsx';
import { Chip } from '../../ui/chip.tsx';
import { actorText } from '../../ui/people.tsx';
import { Shown } from '../../ui/shown.tsx';
import { Time } from '../../ui/time.tsx';

/** So many events come with a Hold. */
const MAX_TOLD = 500;

type Attempt = HoldDetail['attempts'][number];

/** A gate that a Hold passes, and whether it has. */
function gateOf(hold: HoldDetail): readonly ['go' | 'wait' | 'stop' | 'plain', string] {
  if (hold.break_glass.length > 0) return ['stop', 'passed without an approval: the glass was broken'];
  if (hold.approval !== null) return ['go', `passed with approval ${hold.approval}`];
  if (hold.state === 'waiting_for_approval') return ['wait', 'waits for people'];
  if (hold.state === 'rejected') return ['stop', 'rejected'];
  return ['plain', 'not passed'];
}

function AttemptRow({
  attempt,
  isNewest,
  isParked,
  url,
}: {
  readonly attempt: Attempt;
  readonly isNewest: boolean;
  /** It has not gone to its runner. */
  readonly isParked: boolean;
  readonly url: string | null;
}) {
  return (
    <li>
      {isNewest ? <Away url={url}>job {attempt.job_id}</Away> : `job ${attempt.job_id}`} at{' '}
      <Shown text={attempt.agent} />, runner <Shown text={attempt.runner} />, <Time at={attempt.at} />
      {isParked && attempt.parked_until !== null && attempt.ended_at === null && (
        <>
          ; kept running in GitLab, which ends <Time at={attempt.parked_until} isDue />
        </>
      )}
      {attempt.ended_at !== null && (
        <>
          ; ended <Time at={attempt.ended_at} />
          {attempt.ended !== null && (
            <>
              : <Shown text={attempt.ended} />
            </>
          )}
        </>
      )}
    </li>
  );
}

/** What somebody or something said with an event, where that is for people. */
function detailOf({ detail }: AuditRow): string {
  const texts = ['comment', 'reason', 'words', 'names']
    .map((key) => detail[key])
    .map((value) => (Array.isArray(value) ? value.join(', ') : value))
    .filter((value): value is string => typeof value === 'string' && value !== '');
  return texts.join('; ');
}

/** The way of one run through the gates: its jobs, and everything that happened to it, with the names of who did it. */
export function Happened({ hold }: { readonly hold: HoldDetail }) {
  const [tone, words] = gateOf(hold);
  return (
    <section aria-labelledby="happened-title" class="box">
      <h2 id="happened-title">What has happened</h2>
      <p>
        Configuration gate: <Chip tone={tone}>{words}</Chip>
      </p>
      <h3>Jobs in GitLab</h3>
      <ul class="plain-list">
        {hold.attempts.map((attempt, index) => (
          <AttemptRow
            key={attempt.job_id}
            attempt={attempt}
            isParked={hold.state === 'waiting_for_approval' || hold.state === 'pending'}
            isNewest={index === hold.attempts.length - 1}
            url={hold.job_url}
          />
        ))}
      </ul>
      <h3>Timeline</h3>
      {hold.history.length >= MAX_TOLD && (
        <p class="quiet">
          The first {MAX_TOLD} events; all of them are in the{' '}
          <Link href={`${pathOf('audit')}?hold=${hold.id}`}>audit</Link>.
        </p>
      )}
      <ol class="timeline">
        {hold.history.map((row) => {
          const detail = detailOf(row);
          return (
            <li key={row.seq}>
              <Time at={row.at} />{' '}
              <strong>
                <Shown text={actorText(row.actor, hold.people)} />
              </strong>{' '}
              <Shown text={eventWords(row.event)} />
              {detail !== '' && (
                <>
                  : <Shown text={detail} />
                </>
              )}
            </li>
          );
        })}
      </ol>
    </section>
  );
}
