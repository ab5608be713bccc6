import type { Approval } from '../domain/approval.ts';
import { HoldpointError } from '../domain/errors.ts';
import type { Hold } from '../domain/hold.ts';
import type { Policy } from '../domain/policy.ts';
import { ACCESS_LEVELS } from '../domain/principal.ts';
import { type ApprovalRule, namedIn } from '../domain/rule.ts';
import type { ChangedEvent } from '../ports/push.ts';
import type { NamedRow, Sight, StoreWriter } from '../ports/store.ts';
import { policyFor } from './governing.ts';
import type { Caller, HubContext } from './hub-context.ts';

/**
 * What a person may see: projects with at least reporter access, Holds that they triggered, and whatever rules ask of them
 * by name or by a group of theirs, though they have no access to its project. `projects`: only these are of interest.
 */
export async function sightOf(
  context: Pick<HubContext, 'directory' | 'store'>,
  { person }: Pick<Caller, 'person'>,
  projects?: readonly number[],
): Promise<Sight> {
  const { directory, store } = context;
  const known = projects === undefined ? () => store.knownProjects() : async () => projects;
  const groups = await store.namedGroups();
  return {
    projects: await directory.projectsOf(person.id, ACCESS_LEVELS.reporter, known),
    trigger: person.id,
    named: {
      user: person.id,
      // A bot decides nothing as a member of a group, and so has nothing to see there.
      groups: groups.length === 0 || person.bot === true ? [] : await directory.groupsOf(person.id, groups),
      admin: person.admin === true && person.bot !== true,
    },
  };
}

/** The Hold if the caller may see it. Throws `not_found` alike for one that is not there and one that may not be seen. */
export async function visibleHold(context: HubContext, caller: Caller, id: number): Promise<Hold> {
  const there = await context.store.hold(id);
  if (there === null) throw notFound('hold', id);
  const sight = await sightOf(context, caller, [there.subject.projectId]);
  // Whoever sees the whole project sees it: most of the time nobody else has to be looked for.
  if (sight.projects.includes(there.subject.projectId)) return there;
  const [hold] = await context.store.holds({ id, sight }, { after: 0, limit: 1 });
  if (hold === undefined) throw notFound('hold', id);
  return hold;
}

/** The Approval if the caller may see it. Throws `not_found` alike for one that is not there and one that may not be seen. */
export async function visibleApproval(context: HubContext, caller: Caller, id: number): Promise<Approval> {
  const there = await context.store.approval(id);
  if (there === null) throw notFound('approval', id);
  const sight = await sightOf(context, caller, [there.subject.projectId]);
  if (sight.projects.includes(there.subject.projectId)) return there;
  const [approval] = await context.store.approvals({ id, sight }, { after: 0, limit: 1 });
  if (approval === undefined) throw notFound('approval', id);
  return approval;
}

/** The `not_found` error. */
export function notFound(what: string, id: number): HoldpointError {
  return new HoldpointError(
    'not_found',
    `there is no ${what} ${id} that you may see: list what there is with "holdpoint ${what}s"`,
  );
}

/**
 * Notes whom rules name by person or group, in the transaction that freezes the rules into a Review or puts them on a Hold:
 * those people see it from then on, as long as they belong to the group.
 */
export async function nameForSight(
  tx: StoreWriter,
  about: { readonly review: number } | { readonly hold: number },
  rules: readonly ApprovalRule[],
): Promise<void> {
  const { users, admins } = namedIn(rules);
  const groups = rules.flatMap(({ who }): readonly NamedRow[] =>
    who.kind === 'group' && who.id !== null
      ? [{ kind: who.inherited ? 'group_inherited' : 'group', principal: who.id }]
      : [],
  );
  const rows: readonly NamedRow[] = [
    ...users.map((principal) => ({ kind: 'user' as const, principal })),
    ...groups,
    ...(admins === true ? [{ kind: 'admin' as const, principal: 0 }] : []),
  ];
  if ('review' in about) await tx.putNamed('review', about.review, rows);
  else await tx.putNamed('hold', about.hold, rows);
}

/** Reviews that are looked at in one go. */
const REVIEWS_AT_ONCE = 500;

/**
 * Another policy is in force: whom its rules name for an open Review sees it from now on, beside those whom the rules of its
 * opening name, and whom neither names any more does not.
 */
export async function nameOpenReviews(tx: StoreWriter, policy: Policy): Promise<void> {
  for (let after = 0; ; ) {
    const reviews = await tx.reviews({ states: ['open'], sight: null }, { after, limit: REVIEWS_AT_ONCE });
    if (reviews.length === 0) return;
    after = reviews.at(-1)!.id;
    for (const review of reviews) {
      await tx.dropNamed('review', review.id);
      const rules = [...review.requirement.rules, ...policyFor(policy, review).rules];
      await nameForSight(tx, { review: review.id }, rules);
    }
  }
}

/** Ids of everybody who may see what an event is about. */
export async function seersOf(context: HubContext, event: ChangedEvent): Promise<ReadonlySet<number>> {
  const { type, id, projectId } = event;
  const about = type === 'deployment' ? ((await context.store.deployment(id))?.hold ?? null) : null;
  const hold = type === 'hold' ? await context.store.hold(id) : about === null ? null : await context.store.hold(about);
  const review =
    type === 'review' ? id : type === 'approval' ? ((await context.store.approval(id))?.review ?? null) : null;
  const rows = await context.store.namedFor({ hold: hold?.id ?? null, review: hold?.review ?? review });
  const of = (kind: NamedRow['kind']) => rows.flatMap((row) => (row.kind === kind ? [row.principal] : []));
  const groups = [...of('group'), ...of('group_inherited')];
  const also = { users: of('user'), groups, admins: of('admin').length > 0 };
  const members = projectId === null ? [] : await context.directory.members(projectId, also);
  const seeing = members.filter(
    ({ person, accessLevel, groups: own }) =>
      accessLevel >= ACCESS_LEVELS.reporter ||
      also.users.includes(person.id) ||
      (person.bot !== true && own.some((one) => (one.inherited ? of('group_inherited') : groups).includes(one.id))) ||
      (also.admins && person.admin === true && person.bot !== true),
  );
  const seers = new Set(seeing.map(({ person }) => person.id));
  if (hold?.trigger.id != null && hold.trigger.verified !== 'unverified') seers.add(hold.trigger.id);
  return seers;
}
