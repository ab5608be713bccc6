import type { Facts } from '../domain/facts.ts';
import type { Policy } from '../domain/policy.ts';
import { demandedMode } from '../domain/policy-demands.ts';
import type { Inputs } from '../domain/scope.ts';
import { placeOf, subjectOf } from '../domain/subject.ts';
import type { Settlement } from './settle.ts';

/** What would have become of a job that runs already, on a runner in `mode: monitor`. */
export interface Monitored {
  readonly outcome: 'monitored';
  readonly hold: null;
  readonly would: 'pass' | 'hold' | 'refuse';
  readonly reason: string | null;
}
/** A job that an unprotected runner gets instead of a Hold. */
export interface Diverted {
  readonly outcome: 'divert';
  readonly hold: null;
  readonly runner: string;
}

const about = (facts: Facts) => ({
  job_id: facts.job.id,
  job: facts.job.name,
  project_id: facts.project.id,
  project: facts.project.path,
  ref: facts.ref.full,
  environment: facts.environment?.name ?? null,
  pipeline_id: facts.pipeline.id,
  runner: facts.runner,
  trigger: facts.trigger.username,
});

/** Records a job that nothing gates: no Hold, no Review, no use of an Approval, nobody is asked. */
export async function monitored(
  s: Settlement,
  digest: string,
  facts: Facts,
  would: Monitored['would'],
  reason: string | null,
  inputs: Inputs = 'any',
): Promise<Monitored> {
  if (would === 'hold') {
    await s.tx.dropSightings(s.now - s.policy.retention.sightingsMs);
    await s.tx.putSighting({
      subject: subjectOf(facts),
      projectPath: facts.project.path,
      digest,
      place: placeOf(facts),
      inputs,
      runs: 1,
      triggers: [{ id: facts.trigger.id, username: facts.trigger.username }],
      facts,
      firstAt: s.now,
      lastAt: s.now,
    });
  }
  await s.audit('job_monitored', { digest }, { ...about(facts), would, reason });
  return { outcome: 'monitored', hold: null, would, reason };
}

/**
 * The unprotected runner that the policy names for the job's project, if its agent offers that one; null otherwise. Of a
 * protected ref and of an environment nothing is diverted, whatever the agent says (T55).
 */
export function divertTarget(policy: Policy, facts: Facts, offered: readonly string[]): string | null {
  if (facts.ref.protected || facts.environment !== null) return null;
  const named = policy.divert?.find(({ project }) => project === facts.project.id || project === facts.project.path);
  if (named === undefined || !offered.includes(named.runner)) return null;
  // One that the policy wants gated is no place for what nobody approved.
  return demandedMode(policy.runners, named.runner) === 'enforce' ? null : named.runner;
}

/** Records that a job goes to an unprotected runner. */
export async function diverted(s: Settlement, digest: string, facts: Facts, runner: string): Promise<Diverted> {
  await s.audit('job_diverted', { digest }, { ...about(facts), to: runner });
  return { outcome: 'divert', hold: null, runner };
}
