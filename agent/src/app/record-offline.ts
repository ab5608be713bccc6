import type { Approval } from '../domain/approval.ts';
import type { Facts } from '../domain/facts.ts';
import type { Attempt, Hold } from '../domain/hold.ts';
import type { OfflineRun } from '../domain/parked-job.ts';
import { inputsOf } from '../domain/scope.ts';
import { placeOf, subjectOf } from '../domain/subject.ts';
import type { AdmitRequest } from '../ports/gatekeeper.ts';
import { coveredThen } from './covering.ts';
import { policyFor } from './governing.ts';
import { agentActor, type HubContext, retrying } from './hub-context.ts';
import { toleratedDetail } from './release.ts';
import { noteUse, reviewFor, type Settlement, settle } from './settle.ts';

/** Of the system: nobody of the house let it go, the file of a host did. */
const HOST = { id: 0, username: 'break-glass-file', name: "A host's break-glass file" } as const;

/**
 * Takes in a job that an agent let through while this hub was away: it runs, or ran, already, so nothing is decided. What was
 * approved hangs on its Approval, even one that was revoked meanwhile; what ran on a broken glass opens a record that somebody
 * has to close. The same job twice is one Hold.
 */
export async function recordOffline(
  context: HubContext,
  agent: string,
  { digest, facts }: AdmitRequest,
  canonical: string,
  run: OfflineRun,
): Promise<Hold> {
  return retrying(async () => {
    const policy = await context.policy();
    const deciding = { actor: agentActor(agent), address: null, now: context.clock.now(), policy };
    return settle(context, deciding, (s) => record(s, agent, digest, facts, canonical, run));
  });
}

async function record(
  s: Settlement,
  agent: string,
  digest: string,
  facts: Facts,
  canonical: string,
  run: OfflineRun,
): Promise<Hold> {
  const [subject, place] = [subjectOf(facts), placeOf(facts)];
  const told = await s.tx.holdOfJob(subject.instance, subject.projectId, facts.job.id);
  if (told !== null) return told;
  await s.tx.putConfiguration(digest, canonical);
  // An agent says what it did, never more than it could have seen: an Approval of something else stands for nothing.
  const named = run.approval === null ? null : await s.tx.approval(run.approval);
  const known = named !== null && couldLet(named, facts, digest, run.kind) ? named : null;
  const jobs = facts.dependencies.flatMap(({ jobId }) => (jobId === null ? [] : [jobId]));
  const inputs = inputsOf(facts.dependencies, await s.tx.admittedJobs(facts.instance, facts.project.id, jobs));
  const at = Math.min(s.now, Date.parse(run.at));
  const question = { subject, digest, place, inputs, runner: facts.runner, hold: null };
  const asking = { question, projectPath: facts.project.path, facts };
  const cover = known === null ? null : await coveredThen({ ...s, now: at }, known, asking);
  const approval = cover === null ? null : known;
  const attempt: Attempt = {
    jobId: facts.job.id,
    agent,
    runner: facts.runner,
    url: facts.job.url,
    at,
    parkedUntil: null,
    handedOutAt: at,
    endedAt: null,
    ended: null,
  };
  const isBroken = run.kind === 'break_glass' || approval === null;
  const about = { subject, place, projectPath: facts.project.path, digest, trigger: facts.trigger };
  // Whoever looks at it afterwards may as well decide how it goes on.
  const review = isBroken ? (await reviewFor(s, about, facts.commit.people)).id : approval.review;
  const hold = await s.tx.insertHold(
    {
      version: 1,
      state: 'running',
      subject,
      projectPath: facts.project.path,
      stage: facts.job.stage,
      digest,
      place,
      inputs,
      pipelineId: facts.pipeline.id,
      trigger: facts.trigger,
      review,
      approval: approval?.id ?? null,
      attempts: [attempt],
      openedAt: at,
      expiresAt: s.now + policyFor(s.policy, { subject, place, projectPath: facts.project.path }).requestTtlMs,
      endedAt: null,
      reason: isBroken ? 'it ran while the hub was away, without an approval' : 'it ran while the hub was away',
      crossing: null,
      configured: null,
      frozenUntil: null,
      timeoutS: facts.timeoutS,
    },
    facts,
  );
  const detail = {
    job_id: attempt.jobId,
    project_id: subject.projectId,
    runner: attempt.runner,
    kind: run.kind,
    at: run.at,
    snapshot: run.snapshot,
    reason: run.reason,
    // Nobody could have told the agent; whoever looks at the audit has to see it (T29).
    revoked_meanwhile: named?.revoked != null,
    // What it differed in and still was let go; where there is nothing that lets it go, what it was said to be.
    ...toleratedDetail(cover),
    ...(known !== null && cover === null ? { not_covered_by: known.id } : {}),
    trigger: facts.trigger.verified === 'unverified' ? null : facts.trigger.id,
  };
  await s.audit('job_passed_offline', { hold, approval: approval?.id ?? null }, detail);
  if (approval !== null && approval.revoked === null) await noteUse(s, approval, 1);
  if (isBroken) await openRecord(s, hold, review, run, known);
  s.changed({ type: 'hold', id: hold.id, state: hold.state, projectId: subject.projectId });
  return hold;
}

/** Whether a snapshot could have had this Approval as the ground of this run; revoked since or not. */
function couldLet(approval: Approval, facts: Facts, digest: string, kind: OfflineRun['kind']): boolean {
  const { subject, lifetime } = approval;
  const own = subjectOf(facts);
  const isOfJob = subject.instance === own.instance && subject.projectId === own.projectId && subject.job === own.job;
  const isInSnapshots = lifetime.kind === 'standing' || lifetime.kind === 'until';
  return isOfJob && isInSnapshots && (kind === 'tolerated' || approval.digest === digest);
}

/** A record that is open until somebody who may approve the job has looked at it. */
async function openRecord(
  s: Settlement,
  hold: Hold,
  review: number,
  run: OfflineRun,
  named: Approval | null,
): Promise<void> {
  const { breakGlass } = policyFor(s.policy, hold);
  const reason =
    run.reason ??
    (named === null
      ? 'an agent let it run on an approval that this hub does not have'
      : `an agent let it run as ${run.kind} by approval ${named.id}, and compared here that approval does not cover it: the policy has changed since, or the agent is not to be trusted`);
  const scope = { ref: { kind: 'exact' }, inputs: hold.inputs, runners: null } as const;
  // What stands for it is an Approval of this one run that nobody of the house voted for: it lets nothing else go.
  const approval = await s.tx.insertApproval({
    version: 1,
    review,
    subject: hold.subject,
    projectPath: hold.projectPath,
    digest: hold.digest,
    place: hold.place,
    scope,
    lifetime: { kind: 'run' },
    hold: hold.id,
    votes: [
      {
        review,
        person: HOST,
        decision: 'approve',
        hold: hold.id,
        lifetime: { kind: 'run' },
        scope,
        representedAs: null,
        comment: reason,
        at: s.now,
      },
    ],
    policy: s.policy.version,
    createdAt: s.now,
    lastUsedAt: null,
    timesUsed: 0,
    revoked: null,
    breakGlass: true,
  });
  const glass = await s.tx.insertBreakGlass({
    version: 1,
    hold: hold.id,
    approval: approval.id,
    subject: hold.subject,
    projectPath: hold.projectPath,
    digest: hold.digest,
    place: hold.place,
    person: HOST,
    rule: 'break-glass file',
    reason,
    policy: s.policy.version,
    at: s.now,
    until: s.now,
    reviewBy: s.now + breakGlass.reviewWithinMs,
    frozen: false,
    overdueNoted: false,
    closed: null,
  });
  await s.audit(
    'break_glass_used',
    { hold, approval: approval.id },
    { break_glass: glass.id, rule: glass.rule, reason, review_by: new Date(glass.reviewBy).toISOString() },
  );
  s.changed({ type: 'break_glass', id: glass.id, state: 'open', projectId: hold.subject.projectId });
}
