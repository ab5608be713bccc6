import { type Approval, isValid } from '../domain/approval.ts';
import { summarizeChanges } from '../domain/change-summary.ts';
import { type Change, diffConfigurations } from '../domain/configuration-diff.ts';
import { COVERED_FILES } from '../domain/covered-files.ts';
import type { DeclaredJob } from '../domain/declared-job.ts';
import { HoldpointError } from '../domain/errors.ts';
import { hideTagsOfChange } from '../domain/hidden-values.ts';
import type { JsonObject } from '../domain/json.ts';
import { PINNED_IMAGES } from '../domain/pinned-images.ts';
import { type EffectivePolicy, type Policy, rulesIn } from '../domain/policy.ts';
import { explainPolicy } from '../domain/policy-explain.ts';
import { predictConfiguration } from '../domain/predict.ts';
import { environmentName } from '../domain/predict-variables.ts';
import type { Member } from '../domain/principal.ts';
import { namedIn } from '../domain/rule.ts';
import { runValuesOf } from '../domain/run-values.ts';
import { placeCovered } from '../domain/scope.ts';
import type { Place, Subject } from '../domain/subject.ts';
import { relax } from '../domain/tolerate.ts';
import { policyFor } from './governing.ts';
import type { Caller, HubContext } from './hub-context.ts';
import { readConfiguration } from './nearest.ts';
import { sightOf } from './see.ts';

/** What is asked: jobs as their YAML says them, of one project, on one ref. */
export interface AskedJobs {
  readonly project: number | string;
  /** Origin of the CI server; null where nobody said: that of the newest job of the project. */
  readonly instance: string | null;
  readonly ref: string;
  readonly refProtected: boolean;
  readonly jobs: readonly DeclaredJob[];
}
/**
 * What is expected of a job: `passes` (an approval covers what its YAML says, for all that can be known), `waits`,
 * `refused` (a remembered reject), or `unseen`: no protected runner ever got a job of this name.
 */
export type Expectation = 'passes' | 'waits' | 'refused' | 'unseen';
/** One job, looked at. */
export interface CheckedJob {
  readonly job: string;
  readonly environment: string | null;
  readonly expect: Expectation;
  /** Why, in words. */
  readonly why: string;
  /** The approval whose configuration it is compared with. */
  readonly approval: number | null;
  readonly changes: readonly Change[];
  /** Who could approve it, rule by rule; empty for one that passes. */
  readonly approvers: readonly { readonly words: string; readonly people: readonly string[] | null }[];
  readonly unknown: readonly string[];
}

/** So many approvals of one job are looked at, and so many configurations compared. */
const MAX_APPROVALS = 1_000;
const MAX_COMPARED = 10;

/** Where a job stands among what is approved. */
interface Standing {
  readonly approval: Approval;
  readonly predicted: JsonObject;
  readonly changes: readonly Change[];
  readonly unknown: readonly string[];
  readonly tolerated: boolean;
}

/**
 * Predicts which jobs of a YAML file would wait, of a project that the caller may see. It is a prediction: the digest needs
 * the payload. Nothing is stored, and no HMAC of a hidden value is in the answer (T32). Rejects with `not_found`.
 */
export async function checkJobs(
  context: HubContext,
  caller: Caller,
  asked: AskedJobs,
): Promise<{
  readonly project: { readonly id: number; readonly path: string | null };
  readonly jobs: readonly CheckedJob[];
}> {
  const { directory, store } = context;
  const project = await directory.project(asked.project);
  const sight = await sightOf(context, caller, project === null ? [] : [project.id]);
  if (project === null || !sight.projects.includes(project.id)) {
    throw new HoldpointError(
      'not_found',
      `there is no project ${asked.project} that you may see: name it by id or full path`,
    );
  }
  const policy = await context.policy();
  const members = await directory.members(project.id, namedIn(rulesIn(policy)));
  const [newest] = await store.holds({ project: project.id, sight: null }, { after: 0, limit: 1 });
  const instance = asked.instance ?? newest?.subject.instance ?? '';
  const jobs: CheckedJob[] = [];
  for (const job of asked.jobs) {
    const subject = { instance, projectId: project.id, job: job.name };
    jobs.push(await checkOne({ context, policy, members, projectPath: project.path, asked, subject }, job));
  }
  return { project: { id: project.id, path: project.path }, jobs };
}

interface Checking {
  readonly context: HubContext;
  readonly policy: Policy;
  readonly members: readonly Member[];
  readonly projectPath: string | null;
  readonly asked: AskedJobs;
  readonly subject: Subject;
}

async function checkOne(of: Checking, job: DeclaredJob): Promise<CheckedJob> {
  const { context, asked, subject, policy, members, projectPath } = of;
  const { store } = context;
  const now = context.clock.now();
  const unknown: string[] = [];
  const environment = job.environment === null ? null : environmentName(job.environment.name, job.variables, asked.ref);
  if (job.environment !== null && environment === null)
    unknown.push(`the name of its environment, ${job.environment.name}, is known in the run only`);
  const place: Place = { ref: asked.ref, refProtected: asked.refProtected, environment };
  const here = policyFor(policy, { subject, projectPath, place });
  const said = (expect: Expectation, why: string, found: Standing | null): CheckedJob => ({
    job: job.name,
    environment,
    expect,
    why,
    approval: found?.approval.id ?? null,
    changes: (found?.changes ?? []).map(hideTagsOfChange),
    approvers: expect === 'waits' ? approversOf(policy, { subject, projectPath, place }, members, now) : [],
    unknown: [...new Set([...unknown, ...(found?.unknown ?? [])])],
  });

  const approvals = await store.approvalsOf(subject, null, MAX_APPROVALS);
  const valid = approvals.filter(
    (approval) => isValid(approval, now) && approval.lifetime.kind !== 'run' && approval.breakGlass !== true,
  );
  const covers = (approval: Approval): boolean =>
    placeCovered(
      approval.scope,
      approval.place,
      job.environment !== null && environment === null ? { ...place, environment: approval.place.environment } : place,
    );
  const inPlace = await nearest(of, here, job, place, valid.filter(covers));
  if (inPlace !== null && inPlace.changes.length === 0) {
    if ((await store.denial(subject, inPlace.approval.digest, now)) !== null)
      return said('refused', 'somebody rejected this configuration, and that is remembered', inPlace);
    const { runners } = inPlace.approval.scope;
    if (runners !== null) unknown.push(`its approval is for runners ${runners.join(', ')} only`);
    const how = inPlace.tolerated ? 'alike for the policy to what was approved' : 'what was approved';
    return said('passes', `${how}, as far as the YAML says it`, inPlace);
  }
  if (inPlace !== null) return said('waits', wordsOf(inPlace), inPlace);
  const elsewhere = await nearest(of, here, job, place, valid);
  if (elsewhere !== null) {
    const { ref, environment: other } = elsewhere.approval.place;
    const where = `${ref}${other === null ? '' : `, environment ${other}`}`;
    return said('waits', `nothing is approved for this place; nearest is what was approved for ${where}`, elsewhere);
  }
  const former = await nearest(of, here, job, place, approvals);
  if (former !== null)
    return said('waits', 'what was approved is over or was for one run; nearest is what it was', former);
  const [held] = await store.holds({ project: subject.projectId, job: subject.job, sight: null }, FIRST);
  if (held !== undefined)
    return said('waits', 'it has been on a protected runner, and nothing was ever approved', null);
  return said('unseen', 'no protected runner ever got a job of this name: new, or it runs elsewhere', null);
}

const FIRST = { after: 0, limit: 1 };

function wordsOf({ changes, predicted }: Standing): string {
  return summarizeChanges(changes, predicted, predicted);
}

/** The approved configuration that the job's own is nearest to, the newest among equals. */
async function nearest(
  { context }: Checking,
  policy: EffectivePolicy,
  job: DeclaredJob,
  place: Place,
  approvals: readonly Approval[],
): Promise<Standing | null> {
  let best: Standing | null = null;
  const seen = new Set<string>();
  for (const approval of approvals) {
    if (seen.has(approval.digest)) continue;
    if (seen.size >= MAX_COMPARED) break;
    seen.add(approval.digest);
    const baseline = await readConfiguration(context.store, approval.digest);
    if (baseline === null) continue;
    const { configuration: predicted, unknown: unsaid } = predictConfiguration(baseline, job, place);
    // Of these the YAML says nothing: the prediction has them as they were approved.
    const unknown = [
      ...unsaid,
      ...(COVERED_FILES in baseline ? ['whether files that the policy covers have changed'] : []),
      ...(PINNED_IMAGES in baseline ? ['whether images have moved'] : []),
    ];
    const changes = diffConfigurations(baseline, predicted);
    const lasting = approval.lifetime.kind === 'standing' || approval.lifetime.kind === 'until';
    const tolerated = changes.length > 0 && lasting && approval.votes.length > 0 && alike(policy, baseline, predicted);
    const found = { approval, predicted, changes: tolerated ? [] : changes, unknown, tolerated };
    if (best === null || found.changes.length < best.changes.length) best = found;
    if (best.changes.length === 0) break;
  }
  return best;
}

/** Of a job that has not run nothing is known beside its YAML: only what needs no values of a run is tolerated. */
function alike({ tolerance, opaque }: EffectivePolicy, baseline: JsonObject, predicted: JsonObject): boolean {
  const values = runValuesOf(null, opaque, () => null);
  return relax(baseline, tolerance, values).text === relax(predicted, tolerance, values).text;
}

function approversOf(
  policy: Policy,
  { subject, projectPath, place }: { subject: Subject; projectPath: string | null; place: Place },
  members: readonly Member[],
  now: number,
) {
  const { ref, refProtected, environment } = place;
  const target = { projectId: subject.projectId, projectPath, job: subject.job, ref, refProtected, environment };
  return explainPolicy(policy, target, { now, members, tier: null }).rules;
}
