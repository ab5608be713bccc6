import { withdraw } from '../../agent/src/app/withdraw.ts';
import { HoldpointError } from '../../agent/src/domain/errors.ts';
import type { Policy } from '../../agent/src/domain/policy.ts';
import type { Principals } from '../../agent/src/domain/principal.ts';
import type { ApprovalRule } from '../../agent/src/domain/rule.ts';
import { PEOPLE, policyWith, type World } from './hub-world.ts';

/** Who does what to which Hold, and what becomes of it: the Hold's state, or the error's code. */
export type Step = readonly [who: string, does: string, expected: string, hold?: number];

/** "approves", "approves as qa", "approves this run", "rejects", "rejects and remembers", "withdraws". */
async function act(world: World, who: string, does: string, hold: number): Promise<string> {
  const as = /^approves as (.+)$/.exec(does)?.[1];
  try {
    if (as !== undefined) return (await world.approve(who, hold, { representedAs: as })).state;
    switch (does) {
      case 'approves':
        return (await world.approve(who, hold)).state;
      case 'approves this run':
        return (await world.approve(who, hold, { lifetime: 'run' })).state;
      case 'rejects':
        return (await world.reject(who, hold)).state;
      case 'rejects and remembers':
        return (await world.reject(who, hold, { remember: true })).state;
      case 'withdraws':
        return (await withdraw(world.context, world.caller(who), { hold, comment: null })).state;
      default:
        throw new Error(`a story knows no "${does}"`);
    }
  } catch (error) {
    if (error instanceof HoldpointError) return error.code;
    throw error;
  }
}

/** Plays a story and answers it as it went, to be compared with how it was told. */
export async function play(world: World, story: readonly Step[]): Promise<readonly Step[]> {
  const told: Step[] = [];
  for (const [who, does, , hold] of story) {
    const became = await act(world, who, does, hold ?? 1);
    told.push(hold === undefined ? [who, does, became] : [who, does, became, hold]);
  }
  return told;
}

/** A rule that asks for members of a group. */
export function groupRule(id: number, name: string, count = 1, inherited = false): ApprovalRule {
  return { name, who: { kind: 'group', id, name, inherited }, count };
}

const users = [
  [60, 'otto'],
  [61, 'oda'],
  [70, 'sam'],
  [71, 'sue'],
  [80, 'quin'],
  [90, 'robot'],
] as const;

/**
 * Segregation of duties in project 4242: zoe and alice (developers) and maria and jonas (maintainers) push; otto and oda
 * operate it with reporter access, through a group that the project invited; sam and sue are security, without any access to
 * the project; quin tests, sam does so as well; robot is a bot in all of these groups.
 */
export const DUTIES: Principals = {
  users: [
    ...PEOPLE.users,
    ...users.map(([id, username]) => ({
      id,
      username,
      name: username.toUpperCase(),
      blocked: false,
      bot: username === 'robot',
    })),
  ],
  groups: [
    ...PEOPLE.groups,
    { id: 600, path: 'operators', members: [60, 61, 90].map((user) => ({ user, accessLevel: 40 })) },
    {
      id: 700,
      path: 'security',
      members: [
        { user: 70, accessLevel: 30 },
        { user: 71, accessLevel: 50 },
        { user: 90, accessLevel: 30 },
      ],
    },
    { id: 800, path: 'acme/qa', members: [80, 70, 90].map((user) => ({ user, accessLevel: 30 })) },
  ],
  projects: PEOPLE.projects.map((project) =>
    project.id === 4242 ? { ...project, sharedWith: [{ group: 600, accessLevel: 20 }] } : project,
  ),
};

/** One operator and one of security; nobody approves their own. */
export const TWO_PAIRS: Policy = policyWith(
  { rules: [groupRule(600, 'operators'), groupRule(700, 'security')] },
  'two-pairs',
);

/** The people with somebody taken out of a group or project, blocked, or both left as they are. */
export function without(people: Principals, user: number, from: number): Principals {
  const leave = <T extends Principals['groups'][number]>(entry: T): T =>
    entry.id === from ? { ...entry, members: entry.members.filter((member) => member.user !== user) } : entry;
  return { ...people, groups: people.groups.map(leave), projects: people.projects.map(leave) };
}

/** The people with one of them blocked. */
export function blocked(people: Principals, user: number): Principals {
  return { ...people, users: people.users.map((one) => (one.id === user ? { ...one, blocked: true } : one)) };
}
