import { type Approval, isInForce } from '../domain/approval.ts';
import type { Facts } from '../domain/facts.ts';
import type { Attempt, Hold } from '../domain/hold.ts';
import type { OfflineRun } from '../domain/parked-job.ts';
import { type Inputs, inputsOf } from '../domain/scope.ts';
import type { Place, Subject } from '../domain/subject.ts';
import { type Cover, coveredThen } from './covering.ts';
import type { Settlement } from './settle.ts';

/** What is said to have run without the hub, as the hub knows it. */
export interface Run {
  readonly subject: Subject;
  readonly place: Place;
  readonly projectPath: string | null;
  readonly digest: string;
  readonly facts: Facts;
}
/** By what a run went that an agent let go by itself, as the hub reckons it afterwards. */
export interface Ground {
  /** When it went, never later than now. */
  readonly at: number;
  readonly inputs: Inputs;
  /** What the agent names, if the hub has it at all. */
  readonly named: Approval | null;
  /** The Approval that it went by, revoked since or not; null where nothing covers it. */
  readonly approval: Approval | null;
  /** How the named one covers it; null where it does not. */
  readonly cover: Cover | null;
  /** The named one, where a snapshot could have had it and it does not cover the run. */
  readonly notCoveredBy: number | null;
  /** Somebody has to look at it. */
  readonly isBroken: boolean;
  /** Why somebody has to. */
  readonly reason: string;
}

/**
 * By what it went; `other` is the digest of what ran where that is not what the hub knows of the job: nothing covers that. An agent
 * says what it did, never more than it could have seen: an Approval of something else stands for nothing.
 */
export async function groundOf(s: Settlement, of: Run, run: OfflineRun, other: string | null = null): Promise<Ground> {
  const { subject, place, projectPath, digest, facts } = of;
  const at = Math.min(s.now, Date.parse(run.at));
  const jobs = facts.dependencies.flatMap(({ jobId }) => (jobId === null ? [] : [jobId]));
  const inputs = inputsOf(facts.dependencies, await s.tx.admittedJobs(facts.instance, facts.project.id, jobs));
  const named = run.approval === null ? null : await s.tx.approval(run.approval);
  const known = named !== null && couldLet(named, subject, digest, run.kind) ? named : null;
  const asking = { question: { subject, digest, place, inputs, runner: facts.runner, hold: null }, projectPath, facts };
  const cover = known === null || other !== null ? null : await coveredThen({ ...s, now: at }, known, asking);
  const approval = cover === null ? null : known;
  return {
    at,
    inputs,
    named,
    approval,
    cover,
    notCoveredBy: cover === null ? (known?.id ?? null) : null,
    isBroken: run.kind === 'break_glass' || approval === null,
    reason: run.reason ?? reasonOf(run, known, other),
  };
}

function reasonOf(run: OfflineRun, known: Approval | null, other: string | null): string {
  if (other !== null)
    return `an agent let it run with another configuration (${other}) than it had asked this hub about`;
  return known === null
    ? 'an agent let it run on an approval that this hub does not have'
    : `an agent let it run as ${run.kind} by approval ${known.id}, and compared here that approval does not cover it: the policy has changed since, or the agent is not to be trusted`;
}

/**
 * The ground of a job that the hub had let go itself, and whose agent was never told: what nothing else covers went by that, if it
 * was there by then. A glass that was broken on the host is looked at all the same, unless the Hold goes by a broken one itself.
 */
export async function withOwn(
  s: Settlement,
  ground: Ground,
  hold: Hold,
  attempt: Attempt,
  run: OfflineRun,
): Promise<Ground> {
  const own = hold.approval === null ? null : await s.tx.approval(hold.approval);
  const { at, approval } = ground;
  const wasOver = attempt.endedAt !== null && attempt.endedAt < at;
  if (own === null || wasOver || own.createdAt > at || !isInForce({ ...own, revoked: null }, at)) return ground;
  if (run.kind === 'break_glass') return { ...ground, isBroken: own.breakGlass !== true };
  return { ...ground, approval: approval ?? own, isBroken: false };
}

/** Whether a snapshot could have had this Approval as the ground of this run; revoked since or not. */
function couldLet(approval: Approval, own: Subject, digest: string, kind: OfflineRun['kind']): boolean {
  const { subject, lifetime } = approval;
  const isOfJob = subject.instance === own.instance && subject.projectId === own.projectId && subject.job === own.job;
  const isInSnapshots = lifetime.kind === 'standing' || lifetime.kind === 'until';
  return isOfJob && isInSnapshots && (kind === 'tolerated' || approval.digest === digest);
}
