import type { Group, Member, Membership, NamedPrincipals, Person, Principals, Project, Share } from './principal.ts';

/** Who belongs to what, worked out of plain lists; a roster stands for one moment and is asked many times. */
export interface Roster {
  /**
   * Everybody with access to the project, the highest of direct, inherited and invited levels counting, and whom `also`
   * names, ordered by user name. An unknown project has no members of its own: its path is never taken from the job (T20).
   */
  members(projectId: number, also?: NamedPrincipals): readonly Member[];
  /** Ids of the projects in which the person has at least this level (and some access at all). */
  projectsOf(userId: number, atLeast: number): readonly number[];
  /** The person's groups: those that list them, and those that they are in through an ancestor or an invited group. */
  groupsOf(userId: number): Member['groups'];
  /** GitLab's number of the person's access level in the group; 0 for a stranger. */
  accessInGroup(userId: number, groupId: number): number;
  /** Who may change who belongs to it: its owners, and the maintainers of a project, which invite members as well. */
  keepers(of: { readonly project: number } | { readonly group: number }): readonly Person[];
}

type Levels = ReadonlyMap<number, number>;
const MAINTAINER = 40;
const OWNER = 50;

const raise = (levels: Map<number, number>, user: number, level: number): void => {
  levels.set(user, Math.max(level, levels.get(user) ?? 0));
};

/** The roster of what a directory says. */
export function rosterOf({ users, groups, projects }: Principals): Roster {
  const byId = new Map(groups.map((group) => [group.id, group]));
  const byPath = new Map(groups.map((group) => [group.path.toLowerCase(), group]));
  const projectById = new Map(projects.map((project) => [project.id, project]));
  const active = users.filter((person) => !person.blocked).sort((a, b) => (a.username < b.username ? -1 : 1));

  /** Groups above a path: whole leading parts of it, never a mere prefix. */
  const above = (path: string): readonly Group[] => {
    const parts = path.toLowerCase().split('/');
    return parts.slice(1).flatMap((_, i) => byPath.get(parts.slice(0, i + 1).join('/')) ?? []);
  };
  const direct = remembered(({ members }: Group | Project): Levels => {
    const levels = new Map<number, number>();
    for (const { user, accessLevel } of members) raise(levels, user, accessLevel);
    return levels;
  });
  /** Levels that the entry itself gives: its members, and the people of groups that it invited. */
  const given = remembered((entry: Group | Project): Levels => {
    const levels = new Map(direct(entry));
    for (const { group: id, accessLevel: most } of entry.sharedWith ?? []) {
      const invited = byId.get(id);
      // Whom the invited group has invited itself is not carried on: an invitation reaches no further than one step.
      for (const source of invited === undefined ? [] : [invited, ...above(invited.path)])
        for (const [user, level] of direct(source)) raise(levels, user, Math.min(level, most));
    }
    return levels;
  });
  const levelsIn = remembered((entry: Group | Project): Levels => {
    const levels = new Map(given(entry));
    for (const group of above(entry.path)) for (const [user, level] of given(group)) raise(levels, user, level);
    return levels;
  });
  const memberships = remembered(({ id }: Person): Member['groups'] =>
    groups
      .filter((group) => (levelsIn(group).get(id) ?? 0) > 0)
      .map((group) => ({ id: group.id, inherited: !direct(group).has(id) })),
  );
  const none: Levels = new Map();

  return {
    members(projectId, also = { users: [], groups: [] }) {
      const project = projectById.get(projectId);
      const levels = project === undefined ? none : levelsIn(project);
      const named = also.groups.flatMap((id) => byId.get(id) ?? []).map(levelsIn);
      return active
        .filter(
          ({ id, admin }) =>
            (levels.get(id) ?? 0) > 0 ||
            also.users.includes(id) ||
            named.some((group) => (group.get(id) ?? 0) > 0) ||
            (also.admins === true && admin === true),
        )
        .map((person) => ({ person, accessLevel: levels.get(person.id) ?? 0, groups: memberships(person) }));
    },
    projectsOf(userId, atLeast) {
      if (!active.some(({ id }) => id === userId)) return [];
      const enough = (entry: Group | Project): boolean => (given(entry).get(userId) ?? 0) >= Math.max(atLeast, 1);
      // Asked at every request: the person's own groups are found once, and only their paths are compared.
      const reaching = new Set(groups.filter(enough).map(({ path }) => path.toLowerCase()));
      return projects
        .filter(
          (project) => enough(project) || above(project.path).some(({ path }) => reaching.has(path.toLowerCase())),
        )
        .map(({ id }) => id);
    },
    groupsOf(userId) {
      const person = active.find(({ id }) => id === userId);
      return person === undefined ? [] : memberships(person);
    },
    accessInGroup(userId, groupId) {
      const group = byId.get(groupId);
      const known = active.some(({ id }) => id === userId);
      return group === undefined || !known ? 0 : (levelsIn(group).get(userId) ?? 0);
    },
    keepers(of) {
      const entry = 'project' in of ? projectById.get(of.project) : byId.get(of.group);
      if (entry === undefined) return [];
      const least = 'project' in of ? MAINTAINER : OWNER;
      return active.filter(({ id, bot }) => bot !== true && (levelsIn(entry).get(id) ?? 0) >= least);
    },
  };
}

/** The lists without what has expired by `now`, and when the next of them expires (epoch ms, infinity for never). */
export function inForce(
  principals: Principals,
  now: number,
): { readonly principals: Principals; readonly until: number } {
  let until = Number.POSITIVE_INFINITY;
  const stands = ({ expiresAt = Number.POSITIVE_INFINITY }: Membership | Share): boolean => {
    if (expiresAt > now) until = Math.min(until, expiresAt);
    return expiresAt > now;
  };
  const pruned = <T extends Group | Project>(entry: T): T => ({
    ...entry,
    members: entry.members.filter(stands),
    ...(entry.sharedWith === undefined ? {} : { sharedWith: entry.sharedWith.filter(stands) }),
  });
  const current = { ...principals, groups: principals.groups.map(pruned), projects: principals.projects.map(pruned) };
  return { principals: current, until };
}

/** Everybody with access to the project, and whom `also` names. */
export function membersOf(principals: Principals, projectId: number, also?: NamedPrincipals): readonly Member[] {
  return rosterOf(principals).members(projectId, also);
}

/** GitLab's number of the person's access level in the project; 0 for a stranger, a blocked person, an unknown project. */
export function accessOf(principals: Principals, userId: number, projectId: number): number {
  return membersOf(principals, projectId).find((member) => member.person.id === userId)?.accessLevel ?? 0;
}

/** Ids of the projects in which the person has at least this level (and some access at all). */
export function projectsOf(principals: Principals, userId: number, atLeast: number): readonly number[] {
  return rosterOf(principals).projectsOf(userId, atLeast);
}

/** The answer to each question, worked out once. */
function remembered<K extends object, V>(work: (key: K) => V): (key: K) => V {
  const known = new Map<K, V>();
  return (key) => {
    const before = known.get(key);
    if (before !== undefined) return before;
    const value = work(key);
    known.set(key, value);
    return value;
  };
}
