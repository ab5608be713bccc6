import { z } from 'zod';
import { accessLevel, membersOf, type Principals, projectsOf } from '../domain/principal.ts';
import type { Directory, Named } from '../ports/directory.ts';
import type { Log } from '../ports/log.ts';
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
/** Members are named by user name or by id. */
const member = z.strictObject({ user: z.union([z.string(), id]), access_level: level });
const schema = z
  .strictObject({
    users: z.array(
      z.strictObject({
        id,
        username: z.string().min(1),
        name: z.string().optional(),
        emails: z.array(z.string().min(3).max(320)).max(100).optional(),
        blocked: z.boolean().optional(),
        bot: z.boolean().optional(),
      }),
    ),
    groups: z.array(z.strictObject({ id, path, members: z.array(member).default([]) })).default([]),
    projects: z.array(z.strictObject({ id, path, members: z.array(member).default([]) })).default([]),
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
      for (const [i, { members }] of file[list].entries()) {
        for (const [j, { user }] of members.entries()) {
          if (file.users.some((known) => known.id === user || known.username === user)) continue;
          context.addIssue({
            code: 'custom',
            path: [list, i, 'members', j, 'user'],
            message: `${user} is none of the users`,
          });
        }
      }
    }
  });

/** Reads principals.yaml. Throws `bad_config` with all problems, each with its line. */
export function readPrincipals(text: string, name: string): Principals {
  const file = readStrictYaml(text, name, schema);
  const idOf = (user: string | number): number =>
    typeof user === 'number' ? user : (file.users.find((known) => known.username === user)?.id ?? 0);
  const membered = (list: (typeof file)['groups']) =>
    list.map((entry) => ({
      id: entry.id,
      path: entry.path,
      members: entry.members.map((m) => ({ user: idOf(m.user), accessLevel: m.access_level })),
    }));
  return {
    users: file.users.map((user) => ({
      id: user.id,
      username: user.username,
      name: user.name ?? user.username,
      ...(user.emails === undefined ? {} : { emails: user.emails }),
      blocked: user.blocked ?? false,
      bot: user.bot ?? false,
    })),
    groups: membered(file.groups),
    projects: membered(file.projects),
  };
}

/** The directory that a principals file is; a changed file counts at the next question. Throws `bad_config`. */
export function openDirectory(options: { readonly path: string; readonly log: Log }): Directory {
  return directoryOf(watchedFile(options.path, options.log, readPrincipals));
}

/** The one with this id or full path; named by the last part of its path. */
function namedIn(list: readonly { readonly id: number; readonly path: string }[], wanted: number | string) {
  const found = list.find(({ id, path }) =>
    typeof wanted === 'number' ? id === wanted : path.toLowerCase() === wanted.toLowerCase(),
  );
  if (found === undefined) return null;
  const { id, path } = found;
  return { id, path, name: path.slice(path.lastIndexOf('/') + 1) } satisfies Named;
}

/** The directory of what a function says at each question. */
export function directoryOf(principals: () => Principals): Directory {
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
      const { users, groups } = principals();
      const group = groups.find(({ id }) => id === groupId);
      const person = users.find(({ id }) => id === personId);
      if (group === undefined || person === undefined || person.blocked) return 0;
      const counting = groups.filter(({ id, path }) => id === groupId || group.path.startsWith(`${path}/`));
      const levels = counting.flatMap(({ members }) => members.filter(({ user }) => user === personId));
      return Math.max(0, ...levels.map((membership) => membership.accessLevel));
    },
    async groupNamed(path) {
      return principals().groups.find((group) => group.path.toLowerCase() === path.toLowerCase())?.id ?? null;
    },
    async members(projectId, also) {
      return membersOf(principals(), projectId, also);
    },
    async projectsOf(personId, atLeast) {
      return projectsOf(principals(), personId, atLeast);
    },
  };
}
