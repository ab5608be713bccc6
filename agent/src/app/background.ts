import type { Approval } from '../domain/approval.ts';
import type { CommitPerson, Facts } from '../domain/facts.ts';
import type { Hold } from '../domain/hold.ts';
import type { Lifetime, LifetimeLimit } from '../domain/lifetime.ts';
import { defaultLifetime, lifetimeLimit } from '../domain/policy.ts';
import { ACCESS_LEVELS } from '../domain/principal.ts';
import { openEnvironment } from './deployments/gate.ts';
import { policyFor } from './governing.ts';
import type { Caller, HubContext } from './hub-context.ts';
import { visibleHold } from './see.ts';

/** Approved configurations to choose from; an approver compares with one or two. */
const MAX_APPROVED = 20;
/** Approvals that are looked through for them: one configuration may have been approved for many refs. */
const MAX_LOOKED_THROUGH = 200;
/** Runs that are looked through for an author: enough to know the regulars of a project, bounded in time. */
const MAX_RUNS = 100;

/** What an approver may want to know beside the Hold itself. */
export interface Background {
  /** Approved configurations of the same job, one Approval each, newest first. */
  readonly approved: readonly Approval[];
  /** The last Hold of the same job that ran before this one; null when none did, or it may not be seen. */
  readonly lastRun: Hold | null;
  readonly lifetime: { readonly usual: Lifetime; readonly max: LifetimeLimit };
  /** Whether somebody who wrote it has had no job run in this project before; null: nothing ran, or nobody could tell. */
  readonly isFirstTimeAuthor: boolean | null;
}

/** The same person, as far as a commit tells: by id, else by address, else by name. */
function authorKey({ id, email, name }: CommitPerson): string {
  return id !== null ? `id ${id}` : email !== null ? `mail ${email.toLowerCase()}` : `name ${name}`;
}

function isFirstTime(people: Facts['commit']['people'], earlier: readonly Facts[]): boolean | null {
  const authors = (people ?? []).filter(({ role }) => role === 'author');
  if (authors.length === 0 || earlier.length === 0) return null;
  const known = new Set(earlier.flatMap(({ commit }) => (commit.people ?? []).map(authorKey)));
  return authors.some((author) => !known.has(authorKey(author)));
}

/** What a Hold can be compared with, and what is known of those who wrote it. Rejects with `not_found`. */
export async function background(context: HubContext, caller: Caller, id: number): Promise<Background> {
  const { store, directory } = context;
  const hold = await visibleHold(context, caller, id);
  const { instance, projectId } = hold.subject;
  const facts = await store.facts(hold.id, hold.attempts.at(-1)!.jobId);
  const policy = policyFor(await context.policy(), hold);
  const environment = await openEnvironment(store, hold);
  // Whoever only triggered it may see that one Hold, and nothing else of the project (T32).
  const here = async () => [projectId];
  const isReporter = (await directory.projectsOf(caller.person.id, ACCESS_LEVELS.reporter, here)).includes(projectId);
  const approvals = isReporter ? await store.approvalsOf(hold.subject, null, MAX_LOOKED_THROUGH) : [];
  const byDigest = new Map<string, Approval>();
  for (const approval of approvals) if (!byDigest.has(approval.digest)) byDigest.set(approval.digest, approval);
  return {
    approved: [...byDigest.values()].slice(0, MAX_APPROVED),
    lastRun: isReporter ? await store.lastRun(hold.subject, hold.id) : null,
    lifetime: {
      usual: defaultLifetime(policy, environment, context.clock.now()),
      max: lifetimeLimit(policy, environment),
    },
    isFirstTimeAuthor: isReporter
      ? isFirstTime(facts?.commit.people ?? null, await store.ranFacts(instance, projectId, hold.id, MAX_RUNS))
      : null,
  };
}
