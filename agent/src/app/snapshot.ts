import { type Approval, isInForce } from '../domain/approval.ts';
import { digestOfText } from '../domain/digest.ts';
import { isRunOnly } from '../domain/run-only.ts';
import { approvalForAgents, policyForAgents, type SnapshotApproval, type SnapshotBody } from '../domain/snapshot.ts';
import { relax, tolerates } from '../domain/tolerate.ts';
import { breathe } from './breathe.ts';
import { type Comparing, looksAtRuns, runValues, valuesOfApproved } from './covering.ts';
import { policyFor } from './governing.ts';
import type { HubContext } from './hub-context.ts';
import { readConfiguration } from './nearest.ts';

/** Approvals (of each project the newest first) and denials that an agent gets at most: a frame has 10 MiB. What is left out waits for the hub. */
const MAX_APPROVALS = 5_000;
const MAX_DENIALS = 5_000;
const PAGE = 100;

/** Digests of relaxed configurations, by approval and policy: what they are made of never changes. */
export type RelaxedCache = Map<string, string | null>;
const MAX_CACHED = 20_000;

/**
 * What each of these agents may decide by while this hub is away: the Approvals of people, and the denials, of the projects whose
 * jobs it has brought here and of no other (T32); nothing that would take a use or is of one run alone. What is decided in a project,
 * and that nothing at all is, is looked up once for all of them; agents with the same projects have the same object.
 */
export async function snapshotBodies(
  context: HubContext,
  agents: readonly string[],
  cache: RelaxedCache,
): Promise<(agent: string) => Promise<SnapshotBody>> {
  const { store, clock } = context;
  const policy = await context.policy();
  const now = clock.now();
  const s: Comparing = { now, policy, tag: context.tag, tx: store };
  const brought = await store.projectsOfAgents(agents);
  const decided = await store.decidedProjects([...new Set([...brought.values()].flat())], now);
  const told = policyForAgents(policy);
  const nothing: SnapshotBody = { policy: told, approvals: [], denials: [] };
  const grounds = new Map<number, Promise<Grounds>>();
  const bodies = new Map<string, Promise<SnapshotBody>>();
  const bodyOf = async (projects: readonly number[]): Promise<SnapshotBody> => {
    const approvals: SnapshotApproval[] = [];
    const denials: Grounds['denials'][number][] = [];
    for (const project of projects) {
      // Of further ones nothing would be told: an agent of a thousand projects must not have all of their approvals read.
      if (approvals.length >= MAX_APPROVALS) break;
      const found = grounds.get(project) ?? groundsOf(s, project, cache);
      grounds.set(project, found);
      const { approvals: approved, denials: denied } = await found;
      // Without all that is denied there nothing of a project may run.
      if (denials.length + denied.length > MAX_DENIALS) continue;
      approvals.push(...approved.slice(0, MAX_APPROVALS - approvals.length));
      denials.push(...denied);
    }
    return { policy: told, approvals, denials };
  };
  return async (agent) => {
    const projects = (brought.get(agent) ?? []).filter((project) => decided.has(project));
    if (projects.length === 0) return nothing;
    const key = projects.join(' ');
    const body = bodies.get(key) ?? bodyOf(projects);
    bodies.set(key, body);
    return body;
  };
}

/** What agents may decide by in one project. */
type Grounds = Pick<SnapshotBody, 'approvals' | 'denials'>;

/** The newest Approvals of a project that still count, and its denials. */
async function groundsOf(s: Comparing, project: number, cache: RelaxedCache): Promise<Grounds> {
  const { now, tx: store } = s;
  const approvals: SnapshotApproval[] = [];
  const denials: Grounds['denials'][number][] = [];
  for (let after = 0; approvals.length < MAX_APPROVALS; ) {
    const filter = { project, revoked: false as const, endsAfter: now, sight: null };
    const page = await store.approvals(filter, { after, limit: PAGE, newest: true });
    for (const approval of page.filter((one) => counts(one, now)))
      approvals.push({ approval: approvalForAgents(approval), relaxed: await relaxedOf(s, approval, cache) });
    await breathe();
    if (page.length < PAGE) break;
    after = page.at(-1)!.id;
  }
  for (let after = 0; denials.length <= MAX_DENIALS; ) {
    const page = await store.denials({ project, sight: null }, { after, limit: PAGE });
    for (const { subject, digest, until, lifted } of page)
      if (lifted === null && now < until) denials.push({ subject, digest, until });
    await breathe();
    if (page.length < PAGE) break;
    after = page.at(-1)!.id;
  }
  return { approvals, denials };
}

/** Of people, for more than one run, and with no use to be taken. */
function counts(approval: Approval, now: number): boolean {
  const { lifetime, votes, breakGlass } = approval;
  const lasts = lifetime.kind === 'standing' || lifetime.kind === 'until';
  return lasts && votes.length > 0 && breakGlass !== true && isInForce(approval, now);
}

async function relaxedOf(s: Comparing, approval: Approval, cache: RelaxedCache): Promise<string | null> {
  const key = `${approval.id} ${s.policy.version}`;
  const known = cache.get(key);
  if (known !== undefined) return known;
  const [oldest] = cache.size >= MAX_CACHED ? cache.keys() : [];
  if (oldest !== undefined) cache.delete(oldest);
  const policy = policyFor(s.policy, approval);
  const configuration = tolerates(policy.tolerance) ? await readConfiguration(s.tx, approval.digest) : null;
  let relaxed: string | null = null;
  if (configuration !== null && !isRunOnly(configuration)) {
    const values = looksAtRuns(policy)
      ? await valuesOfApproved(s, approval, policy)
      : runValues(s, null, policy, approval.subject.projectId);
    relaxed = digestOfText(relax(configuration, policy.tolerance, values).text);
  }
  cache.set(key, relaxed);
  return relaxed;
}
