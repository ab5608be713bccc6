import { isValid } from '../domain/approval.ts';
import { DAY_MS } from '../domain/lifetime.ts';
import { proposeForJob, type Seen, tolerateYaml } from '../domain/proposal.ts';
import type { ToleranceLine } from '../domain/proposal-lines.ts';
import { runValuesOf } from '../domain/run-values.ts';
import { placeCovered } from '../domain/scope.ts';
import type { Sighting } from '../domain/sighting.ts';
import { type Place, refClass, type Subject } from '../domain/subject.ts';
import { breathe } from './breathe.ts';
import { type Comparing, coverOf, valuesOfApproved } from './covering.ts';
import { policyFor } from './governing.ts';
import type { Caller, HubContext } from './hub-context.ts';
import { nearestDiff, readConfiguration } from './nearest.ts';
import { sightOf } from './see.ts';

/** One approval that would have let runs through, at each of the places where they were. */
export interface ProposedApproval {
  readonly subject: Subject;
  readonly projectPath: string | null;
  readonly digest: string;
  readonly places: readonly Place[];
  readonly runs: number;
  readonly triggers: Sighting['triggers'];
  readonly firstAt: number;
  readonly lastAt: number;
  /** Other digests that ran and are alike with the proposed lines. */
  readonly alike: readonly string[];
  /** How it differs from what is approved, in words. */
  readonly summary: string;
}
/** Lines of the policy that would have let runs of one job through. */
export interface ProposedTolerance {
  readonly project: number;
  readonly projectPath: string | null;
  readonly job: string;
  readonly lines: readonly ToleranceLine[];
  /** The whole `tolerate` section for the job: what holds now, and the lines. */
  readonly yaml: string;
}
/** What would have let the last days through on protected refs. */
export interface Proposal {
  /** Epoch ms. */
  readonly since: number;
  readonly approvals: readonly ProposedApproval[];
  readonly tolerate: readonly ProposedTolerance[];
  /** Runs that it would have let through, those that an approval covers by now, and those on unprotected refs, for which nothing is proposed. */
  readonly runs: { readonly proposed: number; readonly covered: number; readonly unprotected: number };
  /** True when more was seen than is looked at: the newest is. */
  readonly cut: boolean;
}

/** So much is looked at at once; what was seen earlier comes with the next proposal. */
const MAX_SIGHTINGS = 5_000;
const MAX_DAYS = 90;

/**
 * The smallest set that was found of approvals and `tolerate` lines that would have let through what ran on runners that only
 * watch in the last days, protected refs only: what any pusher can change is approved by nobody in advance. Of the projects that
 * the caller may see.
 */
export async function propose(context: HubContext, caller: Caller, days: number): Promise<Proposal> {
  const { store, clock } = context;
  const now = clock.now();
  const since = now - Math.min(days, MAX_DAYS) * DAY_MS;
  const { projects } = await sightOf(context, caller);
  const found = await store.sightings({ since, projects }, MAX_SIGHTINGS + 1);
  const comparing: Comparing = { tx: store, now, policy: await context.policy(), tag: context.tag };
  const guarded = found.slice(0, MAX_SIGHTINGS).filter(({ place }) => place.refProtected);
  const open: Sighting[] = [];
  let covered = 0;
  for (const sighting of guarded) {
    await breathe();
    if (await isCovered(comparing, sighting)) covered += sighting.runs;
    else open.push(sighting);
  }
  const approvals: ProposedApproval[] = [];
  const tolerate: ProposedTolerance[] = [];
  for (const sightings of byJob(open)) {
    await breathe();
    const { lines, approve } = proposeForJob(
      await variantsOf(comparing, sightings),
      toleranceOf(comparing, sightings[0]!),
    );
    const { subject, projectPath } = sightings[0]!;
    const yaml = tolerateYaml(lines, toleranceOf(comparing, sightings[0]!));
    if (yaml !== null) tolerate.push({ project: subject.projectId, projectPath, job: subject.job, lines, yaml });
    for (const one of approve) approvals.push(await proposed(comparing, sightings, one.digest, one.alike));
  }
  const runsOf = (list: readonly Sighting[]) => list.reduce((sum, { runs }) => sum + runs, 0);
  return {
    since,
    approvals: approvals.sort((a, b) => b.runs - a.runs),
    tolerate,
    runs: { proposed: runsOf(open), covered, unprotected: runsOf(found.filter(({ place }) => !place.refProtected)) },
    cut: found.length > MAX_SIGHTINGS,
  };
}

const toleranceOf = (s: Comparing, sighting: Sighting) => policyFor(s.policy, sighting).tolerance;

async function isCovered(
  s: Comparing,
  { subject, digest, place, inputs, facts, projectPath }: Sighting,
): Promise<boolean> {
  const question = { subject, digest, place, inputs, runner: facts.runner, hold: null };
  return (await coverOf(s, { question, projectPath, facts })) !== null;
}

/** Sightings of one job at one environment: an approval is never for two. */
function byJob(sightings: readonly Sighting[]): readonly (readonly Sighting[])[] {
  const groups = new Map<string, Sighting[]>();
  for (const sighting of sightings) {
    const { instance, projectId, job } = sighting.subject;
    const key = JSON.stringify([instance, projectId, job, sighting.place.environment]);
    groups.set(key, [...(groups.get(key) ?? []), sighting]);
  }
  return [...groups.values()];
}

/** What was seen of a job, by digest, and what is approved of it where it was seen. */
async function variantsOf(s: Comparing, sightings: readonly Sighting[]): Promise<readonly Seen[]> {
  const { subject } = sightings[0]!;
  const variants = new Map<string, Seen>();
  for (const approval of await s.tx.approvalsOf(subject, null, 100)) {
    const reaches = sightings.some(({ place }) => placeCovered(approval.scope, approval.place, place));
    if (!reaches || !isValid(approval, s.now) || approval.lifetime.kind === 'run' || variants.has(approval.digest))
      continue;
    const configuration = await readConfiguration(s.tx, approval.digest);
    if (configuration === null) continue;
    const run = await valuesOfApproved(s, approval, policyFor(s.policy, sightings[0]!));
    variants.set(approval.digest, { digest: approval.digest, configuration, run, approved: true, runs: 0, lastAt: 0 });
  }
  for (const { digest, facts, runs, lastAt } of sightings) {
    const known = variants.get(digest);
    const configuration = known?.configuration ?? (await readConfiguration(s.tx, digest));
    if (configuration === null) continue;
    const tag = (name: string, text: string) => s.tag(subject.projectId, name, text);
    const run = runValuesOf(facts, policyFor(s.policy, sightings[0]!).opaque, tag);
    const [soFar, newest] = [known?.runs ?? 0, Math.max(known?.lastAt ?? 0, lastAt)];
    variants.set(digest, { digest, configuration, run, approved: false, runs: soFar + runs, lastAt: newest });
  }
  return [...variants.values()];
}

async function proposed(
  s: Comparing,
  sightings: readonly Sighting[],
  digest: string,
  alike: readonly string[],
): Promise<ProposedApproval> {
  const own = sightings.filter((sighting) => sighting.digest === digest || alike.includes(sighting.digest));
  const [first] = own;
  const places = new Map(own.map(({ place }) => [JSON.stringify([refClass(place), place.refProtected]), place]));
  const triggers = new Map(own.flatMap((one) => one.triggers).map((one) => [JSON.stringify(one), one]));
  const configuration = await readConfiguration(s.tx, digest);
  const diff = configuration && (await nearestDiff(s.tx, first!.subject, configuration, s.now));
  return {
    subject: first!.subject,
    projectPath: first!.projectPath,
    digest,
    places: [...places.values()],
    runs: own.reduce((sum, { runs }) => sum + runs, 0),
    triggers: [...triggers.values()],
    firstAt: Math.min(...own.map(({ firstAt }) => firstAt)),
    lastAt: Math.max(...own.map(({ lastAt }) => lastAt)),
    alike,
    summary: diff?.summary ?? '',
  };
}
