import { z } from 'zod';
import type { ClaimedPerson } from '../domain/claims.ts';
import { inForce, type Roster, rosterOf } from '../domain/membership.ts';
import { WISHES } from '../domain/notify/delivery.ts';
import { accessLevel, type Principals } from '../domain/principal.ts';
import type { Clock } from '../ports/clock.ts';
import type { Directory, Named } from '../ports/directory.ts';
import type { Log } from '../ports/log.ts';
import { claimedDirectory } from './claimed-directory.ts';
import { readStrictYaml } from './strict-yaml.ts';
import { watchedFile } from './watched-file.ts';

const id = z.number().int().positive();
const path = z
  .string()
  .regex(/^[A-Za-z0-9_.-]+(\/[A-Za-z0-9_.-]+)*$/, 'a path is like "acme/payments", without a slash at either end');
const level = z.union([z.string(), z.number()]).transform((value, context) => {
  const number = accessLevel(value);
  if (number !== null) return number;
  context.addIssue(
    `${value} is no access level: guest 10, planner 15, reporter 20, developer 30, maintainer 40, owner 50, admin 60`,
  );
  return z.NEVER;
});
/** As GitLab has it: a membership counts until that day begins, in UTC. */
const expires = z.iso.date('a day is like 2026-12-31').transform((day) => Date.parse(`${day}T00:00:00Z`));
/** Members are named by user name or by id. */
const member = z.strictObject({ user: z.union([z.string(), id]), access_level: level, expires_at: expires.optional() });
/** Groups are named by path or by id. */
const share = z.strictObject({ group: z.union([path, id]), access_level: level, expires_at: expires.optional() });
const entry = z.strictObject({
  id,
  path,
  members: z.array(member).max(100_000).default([]),
  shared_with: z.array(share).max(1_000).default([]),
});
const schema = z
  .strictObject({
    users: z.array(
      z.strictObject({
        id,
        username: z.string().min(1),
        name: z.string().optional(),
        emails: z.array(z.string().min(3).max(320)).max(100).optional(),
        notify: z.enum(WISHES).optional(),
        blocked: z.boolean().optional(),
        /** GitLab's word for the same: whoever is not `active` may do nothing. */
        state: z.string().min(1).max(50).optional(),
        bot: z.boolean().optional(),
        admin: z.boolean().optional(),
      }),
    ),
    groups: z.array(entry).default([]),
    projects: z.array(entry).default([]),
  })
  .superRefine((file, context) => {
    const twice = (list: 'users' | 'groups' | 'projects', key: 'id' | 'username' | 'path') => {
      const seen = new Set<unknown>();
      for (const [i, item] of (file[list] as readonly Record<string, unknown>[]).entries()) {
        const value = typeof item[key] === 'string' ? item[key].toLowerCase() : item[key];
        // One name for two people, or two for one, would make it a guess who votes (T17, T22).
        if (seen.has(value))
          context.addIssue({ code: 'custom', path: [list, i, key], message: `${String(item[key])} stands twice` });
        seen.add(value);
      }
    };
    twice('users', 'id');
    twice('users', 'username');
    for (const list of ['groups', 'projects'] as const) {
      twice(list, 'id');
      twice(list, 'path');
      const unknown = (list: 'groups' | 'projects', i: number, part: string, j: number, key: string, what: string) =>
        context.addIssue({ code: 'custom', path: [list, i, part, j, key], message: what });
      for (const [i, { members, shared_with }] of file[list].entries()) {
        for (const [j, { user }] of members.entries())
          if (userOf(file.users, user) === undefined)
            unknown(list, i, 'members', j, 'user', `${user} is none of the users`);
        for (const [j, { group }] of shared_with.entries())
          if (groupOf(file.groups, group) === undefined)
            unknown(list, i, 'shared_with', j, 'group', `${group} is none of the groups`);
      }
    }
  });

const userOf = <T extends { readonly id: number; readonly username: string }>(
  users: readonly T[],
  by: string | number,
) => users.find((user) => user.id === by || user.username === by);
const groupOf = <T extends { readonly id: number; readonly path: string }>(groups: readonly T[], by: string | number) =>
  groups.find((group) => group.id === by || (typeof by === 'string' && group.path.toLowerCase() === by.toLowerCase()));

/** Reads principals.yaml. Throws `bad_config` with all problems, each with its line. */
export function readPrincipals(text: string, name: string): Principals {
  const file = readStrictYaml(text, name, schema);
  const until = (expiresAt: number | undefined) => (expiresAt === undefined ? {} : { expiresAt });
  const membered = (list: (typeof file)['groups']) =>
    list.map(({ id, path, members, shared_with }) => ({
      id,
      path,
      members: members.map((m) => ({
        user: userOf(file.users, m.user)?.id ?? 0,
        accessLevel: m.access_level,
        ...until(m.expires_at),
      })),
      sharedWith: shared_with.map((s) => ({
        group: groupOf(file.groups, s.group)?.id ?? 0,
        accessLevel: s.access_level,
        ...until(s.expires_at),
      })),
    }));
  return {
    users: file.users.map((user) => ({
      id: user.id,
      username: user.username,
      name: user.name ?? user.username,
      ...(user.emails === undefined ? {} : { emails: user.emails }),
      ...(user.notify === undefined ? {} : { notify: user.notify }),
      blocked: user.blocked === true || (user.state !== undefined && user.state !== 'active'),
      bot: user.bot ?? false,
      admin: user.admin ?? false,
    })),
    groups: membered(file.groups),
    projects: membered(file.projects),
  };
}

/** The directory that a principals file is; a changed file counts at the next question. Throws `bad_config`. */
export function openDirectory(options: {
  readonly path: string;
  readonly log: Log;
  readonly clock: Clock;
  /** People who are signed in, with what was claimed of their groups; absent: no claim counts. */
  readonly claimed?: () => Promise<readonly ClaimedPerson[]>;
}): Directory {
  const file = watchedFile(options.path, options.log, readPrincipals);
  const problem = (): string | null => {
    const why = file.problem();
    return why === null ? null : `principals.yaml has changed and is not used; what it said before still holds: ${why}`;
  };
  const words = { now: () => options.clock.now(), problem, where: 'principals.yaml on the hub' };
  if (options.claimed === undefined) return directoryOf(file, words);
  return claimedDirectory(file, (principals) => directoryOf(principals, words), options.claimed);
}

/** The one with this id or full path; named by the last part of its path. */
function namedIn(list: readonly { readonly id: number; readonly path: string }[], wanted: number | string) {
  const found = groupOf(list, wanted);
  if (found === undefined) return null;
  const { id, path } = found;
  return { id, path, name: path.slice(path.lastIndexOf('/') + 1) } satisfies Named;
}

/** The directory of what a function says at each question. */
export function directoryOf(
  principals: () => Principals,
  { now = Date.now, problem = () => null, where = 'the list of people' }: DirectoryWords = {},
): Directory {
  let made: { readonly of: Principals; readonly roster: Roster; readonly until: number } | null = null;
  const roster = (): Roster => {
    const of = principals();
    const at = now();
    if (made === null || made.of !== of || made.until <= at) {
      const { principals: current, until } = inForce(of, at);
      made = { of, roster: rosterOf(current), until };
    }
    return made.roster;
  };
  return {
    async person(wanted) {
      return principals().users.find((user) => user.id === wanted) ?? null;
    },
    async personNamed(username) {
      return principals().users.find((user) => user.username === username) ?? null;
    },
    async project(idOrPath) {
      return namedIn(principals().projects, idOrPath);
    },
    async group(idOrPath) {
      return namedIn(principals().groups, idOrPath);
    },
    async accessInGroup(personId, groupId) {
      return roster().accessInGroup(personId, groupId);
    },
    async groupNamed(path) {
      return groupOf(principals().groups, path)?.id ?? null;
    },
    async members(projectId, also) {
      return roster().members(projectId, also);
    },
    async projectsOf(personId, atLeast) {
      return roster().projectsOf(personId, atLeast);
    },
    async groupsOf(personId, among) {
      return roster()
        .groupsOf(personId)
        .filter(({ id }) => among.includes(id));
    },
    async keepers(of) {
      return { people: roster().keepers(of), where };
    },
    problem,
  };
}

/** What a directory of plain lists is told beside them. */
export interface DirectoryWords {
  /** Epoch ms, for memberships that expire. */
  readonly now?: () => number;
  readonly problem?: () => string | null;
  /** Where the lists are changed. */
  readonly where?: string;
}
