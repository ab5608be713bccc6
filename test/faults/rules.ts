import type { Asked, AuditLine, History, Queued, Started } from './history.ts';
import { couldBeApproved, overCounted } from './oracle.ts';

/** A rule that was broken, in words with the job or the hold that broke it. */
export interface Violation {
  readonly rule: Rule;
  readonly words: string;
}
/** What must hold of every history. */
export const RULES = {
  lost: 'every job that GitLab handed out ends handed over, failed with a note, or still parked',
  unapproved: 'no job runs without an approval that counted at its hand-over',
  payload: 'every job runs exactly what was approved for it',
  twice: 'no job runs twice',
  uses: 'no approval lets more runs go than it has uses',
  rejected: 'no rejected job runs',
  vote: 'every acknowledged vote and revoke is in the audit',
  audit: 'the audit verifies',
  states: 'every Hold goes through legal states alone',
  rest: 'after the storm everything comes to rest within a minute',
  alive: 'what is approved after the storm runs',
} as const;
export type Rule = keyof typeof RULES;

/** The agents' graces while their hub is away, as the harness configures them. */
export const GRACE_MS = 6_000;
/** Longest time from the hub's word to the first line of the script when nothing is wrong; the machine may be busy. */
const CALM_MS = 4_000;
/** The same in the storm: an agent is stopped for so long at most, an answer may take so long, and the snapshot counts on. */
const STORM_MS = CALM_MS + GRACE_MS + 10_000 + 6_000;
const REST_MS = 60_000;
/** An answer of GitLab that was on its way when its wire or its reader broke is nobody's to keep. */
const ON_THE_WAY_MS = 3_000;

/** How long before its first line the approval of a job may have been seen. */
function windowOf(history: History, { agent, at }: Started): number {
  const disturbed = history.disturbed.some(
    ({ who, from, to }) => (who === agent || who === 'hub') && from <= at && to >= at - STORM_MS,
  );
  return disturbed ? STORM_MS : CALM_MS;
}

/** True where the oracle has an approval at some moment of the window; it changes only when somebody asked something. */
function wasApproved(history: History, job: Queued, start: Started, windowMs = windowOf(history, start)): boolean {
  const since = start.at - windowMs;
  const moments = history.asked
    .filter((one) => one.key === job.key)
    .flatMap((one) => [one.sent, one.back])
    .filter((at) => at > since && at <= start.at);
  return [since, start.at, ...moments].some((at) => couldBeApproved(history, job, at));
}

function* unapproved(history: History, jobs: ReadonlyMap<number, Queued>): Generator<Violation> {
  for (const start of history.started) {
    const job = jobs.get(start.job);
    if (job === undefined) yield { rule: 'payload', words: `job ${start.job} ran and was never queued` };
    else if (start.key !== job.key)
      yield { rule: 'payload', words: `job ${start.job} ran ${start.key}, and was queued as ${job.key}` };
    else if (!wasApproved(history, job, start))
      yield { rule: 'unapproved', words: `job ${start.job} (${job.key}) ran at ${start.at} on ${start.agent}` };
  }
  for (const key of new Set(history.queued.filter(({ kind }) => kind === 'counted').map((one) => one.key))) {
    const over = overCounted(history, history.started, key);
    if (over !== null) yield { rule: 'uses', words: `job ${over.job} (${key}) ran, and all uses were taken` };
  }
}

function* rejected(history: History, jobs: ReadonlyMap<number, Queued>): Generator<Violation> {
  for (const asked of history.asked) {
    if ((asked.what !== 'reject' && asked.what !== 'deny') || asked.answer !== 'taken') continue;
    for (const start of history.started) {
      const job = jobs.get(start.job);
      const same = start.job === asked.job;
      const denied = asked.what === 'deny' && job?.key === asked.key;
      if (!same && !denied) continue;
      if (same && start.at > asked.back - CALM_MS && windowOf(history, start) === CALM_MS)
        yield { rule: 'rejected', words: `job ${start.job} ran, and ${asked.person} had rejected it` };
      else if (denied && start.at > asked.back + windowOf(history, start))
        yield { rule: 'rejected', words: `job ${start.job} (${asked.key}) ran, and ${asked.person} had denied it` };
    }
  }
}

const LOST_ON_THE_WAY = "lost with GitLab's answer";
/** What was wrong with the way of an answer of GitLab to this agent, or with the agent itself. */
export const onTheWay = ({ disturbed }: Pick<History, 'disturbed'>, agent: string | undefined, at: number) =>
  disturbed.filter(
    ({ who, what, from, to }) =>
      who === agent &&
      (what === 'gitlab' || what === 'process') &&
      from <= at + ON_THE_WAY_MS &&
      to >= at - ON_THE_WAY_MS,
  );

const ENDED_WITH_RUNNER = 'ended with its runner before its first line';
/**
 * Jobs that a runner had shown that it had, and that somebody ended it with before it began: handed over they are, nobody may have them
 * a second time, and GitLab ends them by itself. What no runner has shown has to be failed by its agent.
 */
export function endedWithRunner({ unbegun, audit }: Pick<History, 'unbegun' | 'audit'>): ReadonlySet<number> {
  const confirmed = new Set(
    audit.filter(({ event }) => event === 'job_confirmed').map(({ detail }) => Number(detail.job_id)),
  );
  return new Set(unbegun.map(({ job }) => job).filter((job) => confirmed.has(job)));
}

/** How each job that GitLab handed out has ended, by word; `nowhere` breaks the rule. */
export function outcomes(history: History): ReadonlyMap<number, string> {
  const started = new Set(history.started.map(({ job }) => job));
  const canceled = new Set(history.canceled);
  const agents = new Map(history.queued.map(({ job, agent }) => [job, agent]));
  const parked = new Set(
    history.holds
      .filter(({ state, attempt }) => attempt !== null && (state === 'waiting_for_approval' || state === 'pending'))
      .map(({ attempt }) => attempt),
  );
  const withRunner = endedWithRunner(history);
  const out = new Map<number, string>();
  for (const { job, status, handedOutAt, note } of history.gitlab) {
    if (handedOutAt === null) continue;
    if (started.has(job)) out.set(job, status === 'running' ? 'handed over, runs' : `handed over, ${status}`);
    else if (canceled.has(job)) out.set(job, 'canceled in GitLab');
    else if (status === 'failed' && note) out.set(job, 'failed with a note');
    else if (status === 'running' && parked.has(job)) out.set(job, 'parked');
    else if (status === 'running' && withRunner.has(job)) out.set(job, ENDED_WITH_RUNNER);
    else if (status === 'running' && onTheWay(history, agents.get(job), handedOutAt).length > 0)
      out.set(job, LOST_ON_THE_WAY);
    else out.set(job, 'nowhere');
  }
  return out;
}

function* lost(history: History): Generator<Violation> {
  for (const [job, how] of outcomes(history)) {
    if (how !== 'nowhere') continue;
    const { status, note } = history.gitlab.find((one) => one.job === job)!;
    const said = note ? 'with a note' : 'without a note';
    yield { rule: 'lost', words: `job ${job} is ${status} in GitLab ${said}; nobody ran it, nobody has it` };
  }
}

function* twice(history: History): Generator<Violation> {
  const seen = new Map<number, Started>();
  for (const start of history.started) {
    const first = seen.get(start.job);
    if (first === undefined) seen.set(start.job, start);
    else yield { rule: 'twice', words: `job ${start.job} ran on ${first.runner} and on ${start.runner}` };
  }
}

const EVENT_OF = { approve: 'vote_approve', reject: 'vote_reject', deny: 'vote_reject', revoke: 'approval_revoked' };

function* votes({ asked, audit }: History): Generator<Violation> {
  const rows = new Set(
    audit.map(({ event, actor, hold, approval }) => `${event} ${nameOf(actor)} ${hold ?? approval}`),
  );
  const revoked = new Set(
    audit
      .filter(({ event }) => event === 'approval_revoked')
      .map(({ actor, approval }) => `${nameOf(actor)} ${approval}`),
  );
  for (const { what, person, id, answer } of asked) {
    if (answer !== 'taken') continue;
    const there = what === 'revoke' ? revoked.has(`${person} ${id}`) : rows.has(`${EVENT_OF[what]} ${person} ${id}`);
    if (!there)
      yield { rule: 'vote', words: `${person} was told that the ${what} of ${id} is taken: no audit row says so` };
  }
}

const nameOf = (actor: string): string => actor.split(' ').at(-1) ?? actor;

const LEGAL = new Set([
  'waiting_for_approval',
  'pending',
  'running',
  'success',
  'failed',
  'canceled',
  'rejected',
  'expired',
]);
/** Events that end a Hold, and those that nothing may say of one that has ended. */
const ENDS = new Set([
  'job_ended',
  'hold_rejected',
  'hold_canceled',
  'hold_expired',
  'job_unconfirmed',
  'job_canceled',
]);
const MOVES = new Set([
  'hold_released',
  'job_passed',
  'job_handed_out',
  'job_joined',
  'hold_fell_back',
  'job_undelivered',
]);

function* states({ holds, audit, started }: History): Generator<Violation> {
  for (const { id, state } of holds)
    if (!LEGAL.has(state)) yield { rule: 'states', words: `hold ${id} is ${state}, which is no state` };
  const byHold = new Map<number, AuditLine[]>();
  for (const row of audit) if (row.hold !== null) byHold.set(row.hold, [...(byHold.get(row.hold) ?? []), row]);
  const ran = new Set(started.map(({ job }) => job));
  for (const [hold, rows] of byHold) {
    let ended: AuditLine | null = null;
    let may: 'no' | 'released' | 'passed' = 'no';
    /** Jobs that an agent let go by itself although the hub had been asked: that lets go nothing else of their Hold. */
    const offline = new Set<number>();
    for (const [n, row] of rows.entries()) {
      const job = Number(row.detail.job_id);
      if (ended !== null && MOVES.has(row.event))
        yield { rule: 'states', words: `hold ${hold}: ${row.event} (row ${row.seq}) after ${ended.event}` };
      if (row.event === 'hold_released') may = 'released';
      const wasKnown = row.event === 'job_passed_offline' && row.detail.state !== undefined;
      if (wasKnown) offline.add(job);
      if (row.event === 'job_passed' || row.event === 'job_tolerated') may = 'passed';
      if (row.event === 'job_passed_offline' && !wasKnown) may = 'passed';
      if (row.event === 'hold_fell_back' && may === 'released') may = 'no';
      if (row.event === 'job_handed_out') {
        // Asked before its first byte: the agent was told no, and has to say that it took the job back.
        const takenBack = rows
          .slice(n + 1)
          .some((later) => later.event === 'job_undelivered' && later.detail.job_id === job);
        if (may === 'no' && !offline.has(job) && !takenBack && ran.has(job))
          yield {
            rule: 'states',
            words: `hold ${hold}: job ${job} was handed out (row ${row.seq}) and nothing let it go`,
          };
      }
      if (ENDS.has(row.event)) ended = row;
    }
  }
}

function* rest({ restMs, restless }: History): Generator<Violation> {
  if (restMs !== null && restMs <= REST_MS) return;
  yield {
    rule: 'rest',
    words: `${restMs === null ? 'it never' : `only after ${restMs} ms it`} came to rest: ${restless.slice(0, 6).join('; ')}`,
  };
}

/** How much of a history each rule was held against. */
export function looked(history: History): Readonly<Record<Rule, number>> {
  const { started, asked, audit, holds, queued } = history;
  const said = (...whats: readonly Asked['what'][]): number =>
    asked.filter(({ what, answer }) => answer === 'taken' && whats.includes(what)).length;
  const counted = new Set(queued.filter(({ kind }) => kind === 'counted').map(({ job }) => job));
  return {
    lost: outcomes(history).size,
    unapproved: started.length,
    payload: started.length,
    twice: started.length,
    uses: started.filter(({ job }) => counted.has(job)).length,
    rejected: said('reject', 'deny'),
    vote: said('approve', 'reject', 'deny', 'revoke'),
    audit: audit.length,
    states: holds.length,
    rest: 1,
    alive: started.length,
  };
}

/** What would have broken a rule and was excused, with the reason, and how often. */
export function excused(history: History): Readonly<Record<string, number>> {
  const out: Record<string, number> = {};
  const excuse = (why: string): void => {
    out[why] = (out[why] ?? 0) + 1;
  };
  const jobs = new Map(history.queued.map((one) => [one.job, one]));
  for (const { job, handedOutAt } of history.gitlab) {
    if (outcomes(history).get(job) !== LOST_ON_THE_WAY || handedOutAt === null) continue;
    const broke = onTheWay(history, jobs.get(job)?.agent, handedOutAt).some(({ what }) => what === 'gitlab');
    excuse(
      broke
        ? 'job nobody ever had: the wire from GitLab, or GitLab, broke within 3 s of its answer'
        : 'job nobody ever had: its agent was killed or stood within 3 s of the answer',
    );
  }
  for (const how of outcomes(history).values())
    if (how === ENDED_WITH_RUNNER)
      excuse('job that its runner had shown to have, and was killed with before the first line');
  for (const start of history.started) {
    const job = jobs.get(start.job);
    if (job === undefined || !wasApproved(history, job, start) || wasApproved(history, job, start, CALM_MS)) continue;
    excuse(`run of an approval that was taken back more than ${CALM_MS / 1_000} s before, in the storm's window`);
  }
  for (const { what, answer } of history.asked)
    if (answer === 'unknown') excuse(`${what} whose answer was lost: it may count or not`);
  return out;
}

/** Everything in a history that must not be. */
export function violations(history: History): readonly Violation[] {
  const jobs = new Map(history.queued.map((one) => [one.job, one]));
  const audit: Violation[] = history.auditProblem === null ? [] : [{ rule: 'audit', words: history.auditProblem }];
  return [
    ...lost(history),
    ...unapproved(history, jobs),
    ...twice(history),
    ...rejected(history, jobs),
    ...votes(history),
    ...audit,
    ...states(history),
    ...rest(history),
  ];
}
