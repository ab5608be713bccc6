import { canonicalJson } from '../domain/canonical-json.ts';
import { identified } from '../domain/commit-people.ts';
import { COVERED_FILES } from '../domain/covered-files.ts';
import { digestOfText } from '../domain/digest.ts';
import { HoldpointError } from '../domain/errors.ts';
import type { Facts } from '../domain/facts.ts';
import { frozenWords } from '../domain/freeze.ts';
import { type Attempt, type Hold, isFinal, liveAttempt } from '../domain/hold.ts';
import { PINNED_IMAGES } from '../domain/pinned-images.ts';
import { effectivePolicy, type Policy, rulesIn } from '../domain/policy.ts';
import { printable } from '../domain/printable.ts';
import { type Requirement, requirementFor } from '../domain/requirement.ts';
import { isDetached } from '../domain/retrying.ts';
import type { Denial } from '../domain/review.ts';
import { type Inputs, inputsOf } from '../domain/scope.ts';
import { type SectionsWanted, saysAll, sectionsWanted } from '../domain/sections.ts';
import { namesProblem, placeOf, type Subject, subjectOf } from '../domain/subject.ts';
import type { AdmitAnswer, AdmitRequest } from '../ports/gatekeeper.ts';
import { coverOf, stillCovers } from './covering.ts';
import { admissionGate } from './deployments/admission.ts';
import type { DeploymentGate } from './deployments/gate.ts';
import { requireSameGate } from './deployments/gate.ts';
import { keepGate } from './deployments/keep.ts';
import { deploymentWait } from './deployments/note.ts';
import { openDeployment, openingFor, opensThrough } from './deployments/open.ts';
import { freezeHold, freezeOf, hardFreeze } from './freezing.ts';
import { membersFor, policyFor, policyNow } from './governing.ts';
import { holdNote } from './hold-note.ts';
import { agentActor, type HubContext, holdUrl, retrying } from './hub-context.ts';
import { keepsOf } from './keeps.ts';
import { nearestDiff } from './nearest.ts';
import { recordOffline } from './record-offline.ts';
import { askingOf, fallBack, passedAs, releaseHold, toleratedDetail } from './release.ts';
import { cancelHold, noteUse, reviewFor, type Settlement, settle } from './settle.ts';
import { quorumView, votesFor } from './standing.ts';
import { type Diverted, diverted, divertTarget, type Monitored, monitored } from './ungated.ts';
import { keepWatched } from './watching/go-on.ts';
import { watchWait } from './watching/wait.ts';

/** Another form would give the same job another digest, and old approvals another meaning (T4). */
const FORM = 'holdpoint.configuration/v1';
/** 6 MiB: what a payload of 4 MiB can become; more is not a form of ours. */
const MAX_FORM_BYTES = 6 * 1024 * 1024;
/** 2 MiB: what files of the repository and images add to it. */
const MAX_SECTIONS_BYTES = 2 * 1024 * 1024;

type Decision =
  | { readonly outcome: 'pass' | 'hold'; readonly hold: Hold; readonly requirement: Requirement | null }
  | { readonly outcome: 'refuse'; readonly hold: Hold | null; readonly reason: string }
  | { readonly outcome: 'sections'; readonly hold: null; readonly sections: SectionsWanted }
  | Diverted
  | Monitored;

/**
 * The verdict on a job that an agent was given: pass, hold or refuse. Asking again about the same job is answered by its
 * Hold as it is now. Rejects with `digest_mismatch` when the configuration has another digest than the agent says, with
 * `forbidden` when the job is another agent's (T27).
 */
export async function admit(context: HubContext, agent: string, request: AdmitRequest): Promise<AdmitAnswer> {
  const canonical = canonicalJson(request.configuration);
  const hasAny = COVERED_FILES in request.configuration || PINNED_IMAGES in request.configuration;
  const most = MAX_FORM_BYTES + (hasAny ? MAX_SECTIONS_BYTES : 0);
  if (new TextEncoder().encode(canonical).length > most) {
    throw new HoldpointError(
      'too_large',
      `configuration of job ${request.facts.job.id} is larger than ${most} bytes: make its script or variables shorter`,
    );
  }
  const names = namesProblem(request.facts);
  if (names !== null) throw new HoldpointError('bad_input', `job ${request.facts.job.id}: ${names}: shorten them`);
  if (request.configuration.form !== FORM) {
    throw new HoldpointError(
      'bad_input',
      `job ${request.facts.job.id}: its configuration is not of the form ${FORM}: are agent and hub of the same version?`,
    );
  }
  const digest = digestOfText(canonical);
  if (digest !== request.digest) {
    throw new HoldpointError(
      'digest_mismatch',
      `job ${request.facts.job.id}: its configuration has digest ${digest}, the agent says ${request.digest}: are agent and hub of the same version?`,
    );
  }
  const named = await withPeople(context, await withPath(context, request));
  if (request.offline !== undefined) {
    const hold = await recordOffline(context, agent, named, canonical, request.offline);
    const url = holdUrl(context, hold.id);
    const none = { expires: null, reason: hold.reason, note: null };
    return { ...none, outcome: 'pass', hold: hold.id, approval: hold.approval, url };
  }
  const decision = await retrying(async () => {
    const policy = await context.policy();
    const deciding = { actor: agentActor(agent), address: null, now: context.clock.now(), policy };
    // Before anything is read or written of it: without its sections it is another Configuration.
    const wanted = wantedOf(policy, named.facts);
    if (named.covers === true && !saysAll(named, wanted))
      return { outcome: 'sections', hold: null, sections: wanted } as const;
    const gate = await admissionGate(context, policy, named);
    return settle(context, deciding, (s) => decide(s, agent, named, canonical, gate));
  });
  return answer(context, named, decision);
}

/** What the policy wants covered of the job beside its payload. */
function wantedOf(policy: Policy, facts: Facts): SectionsWanted {
  const target = {
    ...placeOf(facts),
    projectId: facts.project.id,
    projectPath: facts.project.path,
    job: facts.job.name,
  };
  return sectionsWanted(effectivePolicy(policy, target));
}

/** The request with the path of its project: an older server does not send it, and rules that go by it must not be missed (T20). */
async function withPath({ directory }: HubContext, request: AdmitRequest): Promise<AdmitRequest> {
  const { project } = request.facts;
  const path = project.path ?? (await directory.project(project.id))?.path ?? null;
  return { ...request, facts: { ...request.facts, project: { ...project, path } } };
}

/** The request with whom the directory knows of those in the commit: they may not approve what they wrote (T18). */
async function withPeople(context: HubContext, request: AdmitRequest): Promise<AdmitRequest> {
  const { facts } = request;
  if (facts.commit.people === null) return request;
  // Whoever a rule names may approve without any access to the project, and may have written the commit all the same.
  const rules = rulesIn(await context.policy());
  const members = await membersFor(context.directory, facts.project.id, [{ rules }]);
  const people = identified(
    facts.commit.people,
    members.map((member) => member.person),
  );
  return { ...request, facts: { ...facts, commit: { ...facts.commit, people } } };
}

/** Where the artifacts come from that the job takes in; that they ran under an Approval is known here alone (T48). */
async function inputsFor(s: Settlement, facts: Facts): Promise<Inputs> {
  const jobs = facts.dependencies.flatMap(({ jobId }) => (jobId === null ? [] : [jobId]));
  return inputsOf(facts.dependencies, await s.tx.admittedJobs(facts.instance, facts.project.id, jobs));
}

async function decide(
  s: Settlement,
  agent: string,
  { digest, facts, monitor = false, divert = [], watches = true }: AdmitRequest,
  canonical: string,
  gate: DeploymentGate | null,
): Promise<Decision> {
  if (gate !== null) await requireSameGate(s, gate);
  const subject = subjectOf(facts);
  const place = placeOf(facts);
  const known = await s.tx.holdOfJob(subject.instance, subject.projectId, facts.job.id);
  if (known !== null) return presentVerdict(s, known, agent, digest, facts.job.id, gate);

  const denial = await s.tx.denial(subject, digest, s.now);
  if (denial !== null) {
    if (monitor) return monitored(s, digest, facts, 'refuse', deniedWords(denial));
    await s.audit(
      'job_refused',
      { digest, review: denial.review },
      { job_id: facts.job.id, project_id: subject.projectId, denial: denial.id },
    );
    return { outcome: 'refuse', hold: null, reason: deniedWords(denial) };
  }
  await s.tx.putConfiguration(digest, canonical);
  const inputs = await inputsFor(s, facts);
  const attempt: Attempt = {
    jobId: facts.job.id,
    agent,
    runner: facts.runner,
    url: facts.job.url,
    at: s.now,
    parkedUntil: null,
    handedOutAt: null,
    endedAt: null,
    ended: null,
  };
  // A job that runs already takes nobody's place.
  const open = monitor
    ? null
    : await s.tx.openHold({ subject, pipelineId: facts.pipeline.id, jobId: facts.job.id, digest });
  if (open !== null) {
    const joined = await join(s, open, attempt, inputs, facts, gate);
    if (joined !== null) return joined;
  }
  const about = { subject, place, projectPath: facts.project.path };
  // What only watches moves nothing.
  if (!monitor) await supersede(s, subject, facts, digest);
  const trigger = await triggerOf(s, facts);
  const question = { subject, digest, place, inputs, runner: facts.runner, hold: null };
  const cover = await coverOf(s, { question, projectPath: facts.project.path, facts });
  const freeze = cover === null ? null : hardFreeze(s, about);
  const approval = freeze === null ? cover?.approval : undefined;
  const kept = freeze && frozenWords(freeze);
  const opening = await openingFor(s, gate, facts, digest, trigger);
  if (opening !== null && 'refuse' in opening) {
    if (monitor) return monitored(s, digest, facts, 'refuse', opening.refuse);
    const environment = place.environment;
    const detail = { job_id: facts.job.id, project_id: subject.projectId, environment, reason: opening.refuse };
    await s.audit('job_refused', { digest }, detail);
    return { outcome: 'refuse', hold: null, reason: opening.refuse };
  }
  // Whom nobody knows yet nobody watches: it waits for whoever comes to look.
  const isLive = policyFor(s.policy, about).fourEyesLive === 'required';
  if (!watches && (isLive || policyFor(s.policy, about).recording === 'required') && !monitor) {
    const reason = `the policy asks that this job is recorded or watched live, and agent ${agent} is too old for it: upgrade it`;
    await s.audit('job_refused', { digest }, { job_id: facts.job.id, project_id: subject.projectId, reason });
    return { outcome: 'refuse', hold: null, reason };
  }
  const passes = approval !== undefined && !isLive && (opening === null || opensThrough(opening));
  if (monitor) return monitored(s, digest, facts, passes ? 'pass' : 'hold', kept, inputs);
  const to = cover === null ? divertTarget(s.policy, facts, divert) : null;
  if (to !== null) return diverted(s, digest, facts, to);
  const review = approval === undefined ? await reviewFor(s, { ...about, digest, trigger }, facts.commit.people) : null;
  const hold = await s.tx.insertHold(
    {
      version: 1,
      state: passes ? 'pending' : 'waiting_for_approval',
      subject,
      projectPath: facts.project.path,
      stage: facts.job.stage,
      digest,
      place,
      inputs,
      pipelineId: facts.pipeline.id,
      trigger,
      review: review?.id ?? (passes ? null : (approval?.review ?? null)),
      approval: passes ? approval.id : null,
      attempts: [attempt],
      openedAt: s.now,
      expiresAt: s.now + policyFor(s.policy, about).requestTtlMs,
      endedAt: null,
      reason: kept,
      crossing: null,
      configured: passes ? null : (approval?.id ?? null),
      frozenUntil: freeze?.until ?? null,
      timeoutS: facts.timeoutS,
    },
    facts,
  );
  if (passes) await noteUse(s, approval, 1);
  await s.audit(
    passes && cover !== null ? passedAs(cover) : 'hold_opened',
    { hold },
    {
      job_id: attempt.jobId,
      project_id: subject.projectId,
      runner: attempt.runner,
      inputs,
      // What a variable alone claims is nobody's deed (T17).
      trigger: trigger.verified === 'unverified' ? null : trigger.id,
      ...toleratedDetail(cover),
      ...(freeze && { frozen_until: new Date(freeze.until).toISOString(), windows: [...freeze.names] }),
    },
  );
  s.changed({ type: 'hold', id: hold.id, state: hold.state, projectId: subject.projectId });
  if (opening !== null) await openDeployment(s, hold, facts, opening);
  return { outcome: passes ? 'pass' : 'hold', hold, requirement: review?.requirement ?? null };
}

/** A job that was retried into another configuration leaves no job for the Hold that waited for it: it cannot come back. */
async function supersede(s: Settlement, subject: Subject, facts: Facts, digest: string): Promise<void> {
  if (facts.pipeline.id === null) return;
  for (const hold of await s.tx.holdsOfPipeline(subject.instance, subject.projectId, facts.pipeline.id)) {
    if (hold.subject.job === subject.job && hold.digest !== digest && isDetached(hold))
      await cancelHold(s, hold, 'superseded');
  }
}

/**
 * Who a job is for. One that runs in the name of a bot that retried here is for whoever triggered what the bot retried in
 * this pipeline: the bot satisfies nothing, and must not be what stands between a trigger and their own vote (T18, T52).
 */
async function triggerOf(s: Settlement, facts: Facts): Promise<Facts['trigger']> {
  const { instance, project, pipeline, trigger } = facts;
  if (trigger.id === null || pipeline.id === null || !(await s.tx.isRetryBot(trigger.id))) return trigger;
  for (const hold of await s.tx.holdsOfPipeline(instance, project.id, pipeline.id)) {
    const byBot = (await s.tx.retriesOf(hold.id)).some((retry) => retry.credential === 'bot');
    if (byBot) return hold.trigger;
  }
  return trigger;
}

/**
 * A new GitLab job takes its place in the open Hold of its key (T44): the older one is over. Null when it cannot be the
 * same: the older Hold is closed then, and the job is looked at as a new one.
 */
async function join(
  s: Settlement,
  open: Hold,
  attempt: Attempt,
  inputs: Inputs,
  facts: Facts,
  gate: DeploymentGate | null,
): Promise<Decision | null> {
  const place = placeOf(facts);
  if (open.state === 'running') {
    // GitLab makes a second job of the same name only after the first has ended: the report of that end is late or lost.
    const reason = `job ${attempt.jobId} took its place before its end was reported`;
    const live = liveAttempt(open)?.jobId ?? 0;
    await s.move(open, { type: 'finish', jobId: live, status: 'failed', reason }, 'hold_ended', { reason });
    return null;
  }
  const { ref, refProtected, environment } = open.place;
  if (ref !== place.ref || refProtected !== place.refProtected || environment !== place.environment) {
    // Somebody changed the ref's protection, or this is no retry at all: what was approved there is not approved here (T11, T51).
    await cancelHold(s, open, 'superseded');
    return null;
  }
  const older = liveAttempt(open);
  const joined = await s.move(
    open,
    { type: 'attach', attempt, inputs, timeoutS: facts.timeoutS },
    'job_joined',
    { job_id: attempt.jobId, runner: attempt.runner, inputs },
    facts,
  );
  if (older !== null) await s.tell('cancel', joined, older, `job ${attempt.jobId} has taken its place`);
  return verdictOnOpen(s, joined, gate);
}

/** A waiting Hold waits, unless an Approval covers it; a pending one passes while its Approval counts. */
async function verdictOnOpen(s: Settlement, open: Hold, gate: DeploymentGate | null): Promise<Decision> {
  const hold = open.state === 'waiting_for_approval' ? await keepGate(s, open, gate) : open;
  if (isFinal(hold.state))
    return { outcome: 'refuse', hold, reason: `hold ${hold.id} is ${hold.state}: ${hold.reason}` };
  if (open.state !== hold.state) return { outcome: 'pass', hold, requirement: null };
  const asking = await askingOf(s, hold);
  if (hold.state === 'pending') {
    const approval = hold.approval === null ? null : await s.tx.approval(hold.approval);
    const still = approval !== null && (await stillCovers(s, approval, asking));
    const freeze = still ? freezeOf(s, hold, approval) : null;
    if (freeze !== null) return verdictOnOpen(s, await freezeHold(s, hold, freeze), gate);
    const now = still ? hold : await fallBack(s, hold, 'its approval is over');
    const goes = await keepWatched(s, await keepGate(s, now, gate));
    if (goes.state === 'pending') return { outcome: 'pass', hold: goes, requirement: null };
    return verdictOnOpen(s, goes, gate);
  }
  const cover = await coverOf(s, asking);
  const freeze = cover === null ? null : freezeOf(s, hold, cover.approval);
  const waits = freeze === null ? hold : await freezeHold(s, hold, freeze);
  if (cover !== null && freeze === null) {
    const now = await releaseHold(s, hold, cover);
    if (now.state === 'pending') await noteUse(s, cover.approval, 1);
    return { outcome: now.state === 'pending' ? 'pass' : 'hold', hold: now, requirement: null };
  }
  const review = waits.review === null ? null : await s.tx.review(waits.review);
  return { outcome: 'hold', hold: waits, requirement: review?.requirement ?? null };
}

/** The verdict on a job that the hub knows: once only may it be handed out (T41), and only by the agent that has it (T27). */
async function presentVerdict(
  s: Settlement,
  hold: Hold,
  agent: string,
  digest: string,
  jobId: number,
  gate: DeploymentGate | null,
): Promise<Decision> {
  const attempt = hold.attempts.find((a) => a.jobId === jobId);
  if (attempt?.agent !== agent) {
    throw new HoldpointError('forbidden', `job ${jobId} was given to another agent: this one cannot ask for it`);
  }
  if (hold.digest !== digest) {
    throw new HoldpointError(
      'digest_mismatch',
      `job ${jobId} belongs to hold ${hold.id} with digest ${hold.digest}, not ${digest}`,
    );
  }
  if (liveAttempt(hold)?.jobId !== jobId && (hold.state === 'waiting_for_approval' || hold.state === 'pending')) {
    return {
      outcome: 'refuse',
      hold,
      reason: `job ${jobId} of hold ${hold.id} is over (${attempt.ended}): run it again in GitLab`,
    };
  }
  switch (hold.state) {
    case 'waiting_for_approval':
    case 'pending':
      return verdictOnOpen(s, hold, gate);
    case 'running':
      return { outcome: 'refuse', hold, reason: `job ${jobId} was handed out already: no job is handed out twice` };
    case 'success':
    case 'failed':
    case 'canceled':
    case 'rejected':
    case 'expired':
      return {
        outcome: 'refuse',
        hold,
        reason: `hold ${hold.id} is ${hold.state}${hold.reason === null ? '' : `: ${hold.reason}`}`,
      };
    default:
      return hold.state satisfies never;
  }
}

/** Why a denied job is refused, and the way out. */
export function deniedWords(denial: Denial): string {
  const until = `${new Date(denial.until).toISOString().slice(0, 16)}Z`;
  return `${denial.by} rejected this configuration: ${denial.reason} (remembered until ${until}): change the job, or ask a maintainer`;
}

async function answer(
  context: HubContext,
  { configuration, facts }: AdmitRequest,
  decision: Decision,
): Promise<AdmitAnswer> {
  const url = decision.hold === null ? null : holdUrl(context, decision.hold.id);
  if (decision.outcome === 'refuse') {
    const note = [
      `Holdpoint: this job is refused.`,
      `Why: ${decision.reason}`,
      ...(url === null ? [] : [`More: ${url}`]),
    ];
    return {
      outcome: 'refuse',
      hold: null,
      approval: null,
      expires: null,
      reason: printable(decision.reason),
      note: note.map(printable).join('\n'),
      url,
    };
  }
  const none = { hold: null, approval: null, expires: null, note: null, url: null };
  if (decision.outcome === 'monitored') {
    return { ...none, outcome: decision.would, reason: decision.reason && printable(decision.reason) };
  }
  if (decision.outcome === 'sections')
    return { ...none, outcome: 'sections', reason: null, sections: decision.sections };
  if (decision.outcome === 'divert') return { ...none, outcome: 'divert', reason: null, runner: decision.runner };
  const { hold } = decision;
  const common = { hold: hold.id, approval: hold.approval, url, reason: hold.reason };
  const whole = await context.policy();
  if (decision.outcome === 'pass') {
    const { recording } = policyFor(whole, hold);
    return { ...common, outcome: 'pass', expires: null, note: null, ...(recording !== 'off' && { recording }) };
  }
  const policy = policyNow(whole, hold, context.clock.now());
  const opener = { trigger: hold.trigger, people: facts.commit.people };
  const requirement = decision.requirement ?? requirementFor(policy, opener);
  const current = requirementFor(policy, requirement);
  const votes = hold.review === null ? [] : votesFor(hold.id, await context.store.votes(hold.review));
  const voters = votes.map(({ person }) => person.id);
  const projectId = facts.project.id;
  const members = await membersFor(context.directory, projectId, [requirement, current], voters);
  const quorum = await quorumView(context.directory, { projectId, frozen: requirement, current, votes, members });
  const diff = await nearestDiff(context.store, hold.subject, configuration, context.clock.now());
  const keeps = keepsOf(whole, hold, context.clock.now(), configuration);
  const watch = await watchWait(context, hold, url ?? '');
  const all = watch.keep === null ? keeps : [...keeps, watch.keep];
  const note = watch.note ?? holdNote(hold, requirement, members, diff, url ?? '', quorum, all);
  const wait = await deploymentWait(context, hold, note, url ?? '');
  return { ...common, outcome: 'hold', expires: new Date(hold.expiresAt).toISOString(), ...wait };
}
