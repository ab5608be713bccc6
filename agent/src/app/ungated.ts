import type { Facts } from '../domain/facts.ts';
import type { Policy } from '../domain/policy.ts';
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
): Promise<Monitored> {
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
  return named !== undefined && offered.includes(named.runner) ? named.runner : null;
}

/** Records that a job goes to an unprotected runner. */
export async function diverted(s: Settlement, digest: string, facts: Facts, runner: string): Promise<Diverted> {
  await s.audit('job_diverted', { digest }, { ...about(facts), to: runner });
  return { outcome: 'divert', hold: null, runner };
}
