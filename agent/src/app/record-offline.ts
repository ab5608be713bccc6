import { HoldpointError } from '../domain/errors.ts';
import type { Facts } from '../domain/facts.ts';
import { type Attempt, type Hold, isFinal, liveAttempt, transition } from '../domain/hold.ts';
import type { JsonObject } from '../domain/json.ts';
import type { OfflineRun } from '../domain/parked-job.ts';
import { placeOf, subjectOf } from '../domain/subject.ts';
import type { AdmitRequest } from '../ports/gatekeeper.ts';
import { policyFor } from './governing.ts';
import { agentActor, type HubContext, retrying } from './hub-context.ts';
import { type Ground, groundOf, withOwn } from './offline-ground.ts';
import { openRecord } from './offline-record.ts';
import { toleratedDetail } from './release.ts';
import { closeIfEmpty, noteUse, reviewFor, type Settlement, settle } from './settle.ts';

/** What an agent tells of a job that it let through by itself. */
interface Told {
  readonly agent: string;
  /** Of what ran, as the agent says; the hub has the Configuration. */
  readonly digest: string;
  readonly facts: Facts;
  readonly run: OfflineRun;
}

/**
 * Takes in a job that an agent let through while this hub was away: it runs, or ran, already, so nothing is decided. What was
 * approved hangs on its Approval, even one that was revoked meanwhile; what ran on a broken glass opens a record that somebody
 * has to close. The same job twice is one Hold, and recorded once. Rejects with `forbidden` where the job is another agent's (T27).
 */
export async function recordOffline(
  context: HubContext,
  agent: string,
  { digest, facts }: AdmitRequest,
  canonical: string,
  run: OfflineRun,
): Promise<Hold> {
  const hold = await retrying(async () => {
    const policy = await context.policy();
    const deciding = { actor: agentActor(agent), address: null, now: context.clock.now(), policy };
    return settle(context, deciding, (s) => record(s, { agent, digest, facts, run }, canonical));
  });
  // Only now: that it was claimed stays in the audit.
  if (hold === null) throw new HoldpointError('forbidden', `job ${facts.job.id} is another agent's`);
  return hold;
}

async function record(s: Settlement, told: Told, canonical: string): Promise<Hold | null> {
  const { instance, project, job } = told.facts;
  const known = await s.tx.holdOfJob(instance, project.id, job.id);
  const attempt = known?.attempts.find(({ jobId }) => jobId === job.id);
  if (known !== null && attempt?.agent !== told.agent) return refuseClaim(s, known, told);
  if (known !== null && (await isRecorded(s, known, job.id))) return known;
  await s.tx.putConfiguration(told.digest, canonical);
  return known === null || attempt === undefined ? recordNew(s, told) : recordKnown(s, told, known, attempt);
}

/** An agent's word makes no record of another one's job (T27): that it claimed it is said once, however often it does. */
async function refuseClaim(s: Settlement, hold: Hold, { agent, facts }: Told): Promise<null> {
  const jobId = facts.job.id;
  const claim = { hold: hold.id, jobId, event: `passed_offline claimed by ${agent}`, at: '' };
  if (!(await s.tx.noteReport(claim))) return null;
  const detail = { hold: hold.id, job_id: jobId, event: 'passed_offline', reason: 'not a hold of this agent' };
  await s.audit('report_refused', {}, detail);
  return null;
}

/** The audit itself is asked: it knows what a hub of an older version has recorded, too. */
async function isRecorded(s: Settlement, hold: Hold, jobId: number): Promise<boolean> {
  const filter = { hold: hold.id, events: ['job_passed_offline'], sight: null };
  const rows = await s.tx.auditRows(filter, { after: 0, limit: hold.attempts.length });
  return rows.some(({ detail }) => detail.job_id === jobId);
}

async function recordNew(s: Settlement, told: Told): Promise<Hold> {
  const { agent, digest, facts, run } = told;
  const about = { subject: subjectOf(facts), place: placeOf(facts), projectPath: facts.project.path, digest };
  const ground = await groundOf(s, { ...about, facts }, run);
  const { at, approval, isBroken } = ground;
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
  // Whoever looks at it afterwards may as well decide how it goes on.
  const asked = isBroken ? await reviewFor(s, { ...about, trigger: facts.trigger }, facts.commit.people) : null;
  const hold = await s.tx.insertHold(
    {
      version: 1,
      state: 'running',
      ...about,
      stage: facts.job.stage,
      inputs: ground.inputs,
      pipelineId: facts.pipeline.id,
      trigger: facts.trigger,
      review: asked?.id ?? approval?.review ?? null,
      approval: approval?.id ?? null,
      attempts: [attempt],
      openedAt: at,
      expiresAt: s.now + policyFor(s.policy, about).requestTtlMs,
      endedAt: null,
      reason: isBroken ? 'it ran while the hub was away, without an approval' : 'it ran while the hub was away',
      crossing: null,
      configured: null,
      frozenUntil: null,
      timeoutS: facts.timeoutS,
    },
    facts,
  );
  await note(s, hold, told, ground, {});
  if (approval !== null && approval.revoked === null) await noteUse(s, approval, 1);
  if (isBroken) await openRecord(s, hold, hold.review ?? 0, ground.reason);
  return hold;
}

/**
 * The hub was asked for it before it went away, and its answer was lost. How the Hold stands stays as it is, whatever became of it
 * meanwhile: what the agent reports of the job moves it, where it waits, too, or an approval of later would have the job run once
 * more (T41). What is compared is what the hub was asked about, not what it is told now.
 */
async function recordKnown(s: Settlement, told: Told, known: Hold, attempt: Attempt): Promise<Hold> {
  const hold = await mayCross(s, known, attempt.jobId);
  const facts = (await s.tx.facts(hold.id, attempt.jobId)) ?? told.facts;
  const ran = told.digest === hold.digest ? null : told.digest;
  const found = await groundOf(s, { ...hold, facts }, told.run, ran);
  const ground = ran === null ? await withOwn(s, found, hold, attempt, told.run) : found;
  const { approval, isBroken } = ground;
  await note(s, hold, told, ground, { state: hold.state });
  // What the Hold had passed with is counted already.
  if (approval !== null && approval.revoked === null && approval.id !== hold.approval) await noteUse(s, approval, 1);
  if (!isBroken) return hold;
  const asked = hold.review === null ? await withReview(s, hold, facts) : hold;
  await openRecord(s, asked, asked.review ?? 0, ground.reason);
  if (isFinal(asked.state)) await closeIfEmpty(s, asked.review, 'canceled');
  return asked;
}

async function mayCross(s: Settlement, hold: Hold, jobId: number): Promise<Hold> {
  if (hold.state !== 'waiting_for_approval' || liveAttempt(hold)?.jobId !== jobId) return hold;
  const crossing = transition(hold, { type: 'cross', jobId }, s.now);
  await s.tx.updateHold(crossing);
  return crossing;
}

/** It passed at once, and nobody was asked: the record hangs on a Review. */
async function withReview(s: Settlement, hold: Hold, facts: Facts): Promise<Hold> {
  const { id: review } = await reviewFor(s, hold, facts.commit.people);
  const asked = { ...hold, version: hold.version + 1, review };
  await s.tx.updateHold(asked);
  return asked;
}

async function note(s: Settlement, hold: Hold, told: Told, ground: Ground, more: JsonObject): Promise<void> {
  const { digest, facts, run } = told;
  const { named, approval, cover } = ground;
  const detail = {
    job_id: facts.job.id,
    project_id: hold.subject.projectId,
    runner: facts.runner,
    kind: run.kind,
    at: run.at,
    snapshot: run.snapshot,
    reason: run.reason,
    // Nobody could have told the agent; whoever looks at the audit has to see it (T29).
    revoked_meanwhile: (approval ?? named)?.revoked != null,
    // What it differed in and still was let go; where there is nothing that lets it go, what it was said to be.
    ...toleratedDetail(cover),
    ...(ground.notCoveredBy === null ? {} : { not_covered_by: ground.notCoveredBy }),
    trigger: hold.trigger.verified === 'unverified' ? null : hold.trigger.id,
    ...more,
  };
  // By what it went, which is not always what the Hold has by now.
  const about = { hold: { ...hold, approval: null }, approval: approval?.id ?? null, digest };
  await s.audit('job_passed_offline', about, detail);
  s.changed({ type: 'hold', id: hold.id, state: hold.state, projectId: hold.subject.projectId });
}
