import { type Approval, matches, type Question } from '../domain/approval.ts';
import type { Facts } from '../domain/facts.ts';
import { freezeAt } from '../domain/freeze.ts';
import { type EffectivePolicy, timeoutProblem } from '../domain/policy.ts';
import { isRunOnly } from '../domain/run-only.ts';
import { type RunValues, runValuesOf } from '../domain/run-values.ts';
import { missingSections, sectionsWanted } from '../domain/sections.ts';
import { type Relaxed, relax, toleratedBetween, tolerates } from '../domain/tolerate.ts';
import type { StoreReader } from '../ports/store.ts';
import { policyFor, targetOf } from './governing.ts';
import { parsedConfiguration, readConfiguration } from './nearest.ts';
import type { Settlement } from './settle.ts';

/** What comparing needs: within a decision, or for a look at what one would be. */
export type Comparing = Pick<Settlement, 'now' | 'policy' | 'tag'> & { readonly tx: StoreReader };
/** What of a difference the policy tolerated, by place. */
export type ToleratedPart = { readonly path: string; readonly why: string };
/** An Approval that lets a job run: of its very digest (`tolerated` is null), or of one that is alike for the policy. */
export interface Cover {
  readonly approval: Approval;
  readonly tolerated: readonly ToleratedPart[] | null;
}
/** What is asked: the job's question, its project's path for the policy, and what is known of its run. */
export interface Asking {
  readonly question: Question;
  readonly projectPath: string | null;
  readonly facts: Facts;
}

/** So many approvals of one digest; people do not make more. */
const MAX_EXACT = 1_000;
/** So many configurations are compared where none has the digest: a verdict stays quick, and the newest are what is meant. */
const MAX_COMPARED = 20;
const MAX_COMPARED_CHARS = 8 * 1024 * 1024;
/** Of those that are read in one question each has no more: together they have less than is compared. */
const MAX_READ_CHARS = Math.floor(MAX_COMPARED_CHARS / MAX_COMPARED);

/**
 * What beyond scope and lifetime an Approval has to be to count for this run at this moment. A job with a time-out out of
 * bounds goes on an approval of that very run alone; while a window asks for more people, only what was approved since it
 * began, under the policy in force, has met its rules. A broken glass stands above both: it is for one run, and reviewed.
 */
export function countsNow(s: Comparing, { question, projectPath, facts }: Asking): (approval: Approval) => boolean {
  const of = { subject: question.subject, projectPath, place: question.place };
  const { timeout } = policyFor(s.policy, of);
  const onlyRun = timeoutProblem(timeout, facts.timeoutS) !== null;
  const { extra } = freezeAt(s.policy.freezes, targetOf(of), s.now);
  return (approval) =>
    approval.breakGlass === true ||
    ((!onlyRun || approval.lifetime.kind === 'run') &&
      (extra === null || (approval.createdAt >= extra.since && approval.policy === s.policy.version)));
}

/** The Approval that covers the job at this moment, if any: one of its digest first, then one that is alike (T10, T12, T51, T56). */
export async function coverOf(s: Comparing, asking: Asking): Promise<Cover | null> {
  const { question } = asking;
  if (await isDenied(s, question)) return null;
  if (!(await saysEnough(s, asking))) return brokenCover(s, question);
  const counts = countsNow(s, asking);
  const matching = (await s.tx.approvalsOf(question.subject, question.digest, MAX_EXACT)).filter(
    (approval) => matches(approval, question, s.now) && counts(approval),
  );
  // Where uses are counted one is taken only if nothing else covers the job.
  const exact = matching.find(({ lifetime }) => lifetime.kind !== 'uses') ?? matching[0];
  if (exact !== undefined) return { approval: exact, tolerated: null };
  const broken = await brokenCover(s, question);
  if (broken !== null) return broken;
  return alike(s, asking, await s.tx.approvalsOf(question.subject, null, MAX_EXACT));
}

/** What somebody has said no to waits, whatever was approved before or is approved elsewhere: no decision overtakes a denial (T15). */
async function isDenied(s: Comparing, { subject, digest }: Question): Promise<boolean> {
  return (await s.tx.denial(subject, digest, s.now)) !== null;
}

/**
 * Whether the Configuration says all that the policy of this moment wants said of the job's files and images: one from
 * before the policy asked was approved without them.
 */
async function saysEnough(s: Comparing, { question, projectPath }: Asking): Promise<boolean> {
  const wanted = sectionsWanted(policyFor(s.policy, { ...question, projectPath }));
  if (wanted.files.length === 0 && wanted.images !== 'enforce') return true;
  const configuration = await readConfiguration(s.tx, question.digest);
  return configuration !== null && missingSections(configuration, wanted) === null;
}

async function brokenCover(s: Comparing, question: Question): Promise<Cover | null> {
  const approval = await brokenGlass(s, question);
  return approval && { approval, tolerated: null };
}

/** What lets this very run go although nobody approved it, while its time lasts. */
async function brokenGlass(s: Comparing, question: Question): Promise<Approval | null> {
  const glass = question.hold === null ? undefined : (await s.tx.breakGlassOf(question.hold)).at(-1);
  if (glass === undefined || glass.until <= s.now) return null;
  const approval = await s.tx.approval(glass.approval);
  return approval !== null && matches(approval, question, s.now) ? approval : null;
}

/** What the Holds of a new Approval, of its digest or not, are asked: whether this very one covers them. */
export async function coveredBy(s: Comparing, approval: Approval, asking: Asking): Promise<Cover | null> {
  if (await isDenied(s, asking.question)) return null;
  if (approval.breakGlass === true) {
    const still = (await brokenGlass(s, asking.question))?.id === approval.id;
    return still ? { approval, tolerated: null } : null;
  }
  if (!(await saysEnough(s, asking))) return null;
  if (approval.digest !== asking.question.digest) return alike(s, asking, [approval]);
  const counts = matches(approval, asking.question, s.now) && countsNow(s, asking)(approval);
  return counts ? { approval, tolerated: null } : null;
}

/**
 * Whether this Approval covered a run that an agent let go by itself, as it stood before anybody revoked it and as the policy is
 * now: an agent's word for it is not taken (T27).
 */
export async function coveredThen(s: Comparing, approval: Approval, asking: Asking): Promise<Cover | null> {
  const before = { ...approval, revoked: null };
  if (!(await saysEnough(s, asking))) return null;
  if (approval.digest !== asking.question.digest) return alike(s, asking, [before]);
  return matches(before, asking.question, s.now) && countsNow(s, asking)(before) ? { approval, tolerated: null } : null;
}

/** True while this Approval still covers the job, as the policy is now. */
export async function stillCovers(s: Comparing, approval: Approval, asking: Asking): Promise<boolean> {
  return (await coveredBy(s, approval, asking)) !== null;
}

/**
 * Only what people have approved is compared with, never what passed by tolerance itself: it writes no Approval, so steps do
 * not add up (T56). What was approved for one run, or for so many uses, is of that configuration alone.
 */
async function alike(s: Comparing, asking: Asking, approvals: readonly Approval[]): Promise<Cover | null> {
  const { question, projectPath, facts } = asking;
  const policy = policyFor(s.policy, { ...question, projectPath });
  if (!tolerates(policy.tolerance)) return null;
  const counts = countsNow(s, asking);
  const candidates = approvals.filter(
    (approval) =>
      (approval.lifetime.kind === 'standing' || approval.lifetime.kind === 'until') &&
      approval.votes.length > 0 &&
      approval.breakGlass !== true &&
      counts(approval) &&
      matches({ ...approval, digest: question.digest }, question, s.now),
  );
  const configuration = candidates.length === 0 ? null : await readConfiguration(s.tx, question.digest);
  if (configuration === null || isRunOnly(configuration)) return null;
  const wanted = relax(configuration, policy.tolerance, runValues(s, facts, policy));
  const compared = new Map<string, Relaxed | null>();
  const digests = [...new Set(candidates.map(({ digest }) => digest))].slice(0, MAX_COMPARED);
  let read: ReadonlyMap<string, string> = new Map();
  let characters = 0;
  for (const approval of candidates) {
    if (compared.size >= MAX_COMPARED || characters > MAX_COMPARED_CHARS) break;
    if (compared.has(approval.digest)) continue;
    // Most of the time it is the newest that is alike; where it is not, the others are asked for in one question.
    if (compared.size === 1) read = await s.tx.configurationsOf(digests.slice(1), MAX_READ_CHARS);
    const text = read.get(approval.digest);
    const baseline = text === undefined ? await readConfiguration(s.tx, approval.digest) : parsedConfiguration(text);
    const values = looksAtRuns(policy) ? await valuesOfApproved(s, approval, policy) : runValues(s, null, policy);
    const relaxed = baseline && relax(baseline, policy.tolerance, values);
    compared.set(approval.digest, relaxed);
    characters += relaxed?.text.length ?? 0;
    if (relaxed?.text === wanted.text) return { approval, tolerated: toleratedBetween(relaxed, wanted) };
  }
  return null;
}

/** False where nothing that is tolerated depends on what a run brought: then it is not read. */
export function looksAtRuns({ tolerance: { variables } }: EffectivePolicy): boolean {
  return Object.keys(variables.shapes).length + Object.keys(variables.templates).length > 0;
}

/** What is known of the run whose configuration was approved; of one of which nothing is known, nothing hidden is alike. */
export async function valuesOfApproved(s: Comparing, approval: Approval, policy: EffectivePolicy): Promise<RunValues> {
  const [first] = await s.tx.holdIdsOf(approval.review);
  const hold = first === undefined ? null : await s.tx.hold(first);
  const [attempt] = hold?.attempts ?? [];
  const facts = hold === null || attempt === undefined ? null : await s.tx.facts(hold.id, attempt.jobId);
  return runValues(s, facts, policy, approval.subject.projectId);
}

/** What is known of a run, as two are compared by it. */
export function runValues(
  s: Comparing,
  facts: Facts | null,
  policy: EffectivePolicy,
  projectId = facts?.project.id,
): RunValues {
  return runValuesOf(facts, policy.opaque, (name, text) =>
    projectId === undefined ? null : s.tag(projectId, name, text),
  );
}
