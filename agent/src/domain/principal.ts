/** Access levels by GitLab's number. */
export const ACCESS_LEVELS = {
  none: 0,
  guest: 10,
  planner: 15,
  reporter: 20,
  developer: 30,
  maintainer: 40,
  owner: 50,
  admin: 60,
} as const;
/** GitLab's word for an access level. */
export type AccessWord = keyof typeof ACCESS_LEVELS;

/** GitLab's number of an access level given as a number or a word; null for anything else. */
export function accessLevel(text: string | number): number | null {
  if (typeof text === 'string') {
    if (Object.hasOwn(ACCESS_LEVELS, text)) return ACCESS_LEVELS[text as AccessWord];
    if (!/^\d{1,2}$/.test(text)) return null;
  }
  const level = Number(text);
  return Object.values<number>(ACCESS_LEVELS).includes(level) ? level : null;
}

/** The word for an access level; the number itself where GitLab has no word. */
export function accessWord(level: number): string {
  return Object.entries(ACCESS_LEVELS).find(([, number]) => number === level)?.[0] ?? String(level);
}

/** A person as the directory knows them; `id` never changes, names may (T17). */
export interface Person {
  readonly id: number;
  readonly username: string;
  readonly name: string;
  /** Addresses that their commits carry, to know what they wrote (T18). */
  readonly emails?: readonly string[];
  /** A blocked person may do nothing, whatever their membership says. */
  readonly blocked: boolean;
  /** No human: approves nothing unless a rule names it. */
  readonly bot?: boolean;
}
/** A person's access level in one group or project. */
export interface Membership {
  readonly user: number;
  readonly accessLevel: number;
}
/** A group; its members are members of every project below its path. */
export interface Group {
  readonly id: number;
  /** Full path, e.g. `acme/payments`. */
  readonly path: string;
  readonly members: readonly Membership[];
}
/** A project and its direct members. */
export interface Project {
  readonly id: number;
  /** Full path, e.g. `acme/payments/api`. */
  readonly path: string;
  readonly members: readonly Membership[];
}
/** Everything a directory says at one moment. */
export interface Principals {
  readonly users: readonly Person[];
  readonly groups: readonly Group[];
  readonly projects: readonly Project[];
}

/** A person with their access level in one project. */
export interface Member {
  readonly person: Person;
  /** GitLab's number; 0 for somebody without access who is here because a rule names them or a group of theirs. */
  readonly accessLevel: number;
  /** Groups that the person belongs to; `inherited`: as a member of one of its ancestors. */
  readonly groups: readonly { readonly id: number; readonly inherited: boolean }[];
}

/** True when the group holds the project: its path is a whole leading part of the project's, never a mere prefix. */
function contains(group: Group, project: Project): boolean {
  return project.path.startsWith(`${group.path}/`);
}

/** People and groups that rules name, whose members have to be asked for beside those of the project. */
export interface NamedPrincipals {
  readonly users: readonly number[];
  readonly groups: readonly number[];
}

/** The groups of a person: those that list them, and by inheritance every group below one of these. */
export function groupsOf(principals: Principals, userId: number): Member['groups'] {
  const own = principals.groups.filter((group) => group.members.some(({ user }) => user === userId));
  const below = principals.groups.filter(
    (group) => !own.includes(group) && own.some((above) => group.path.startsWith(`${above.path}/`)),
  );
  return [...own.map(({ id }) => ({ id, inherited: false })), ...below.map(({ id }) => ({ id, inherited: true }))];
}

/**
 * Everybody with access to the project, the highest of direct and inherited levels counting, and whom `also` names, ordered
 * by user name. An unknown project has no members of its own: its path is never taken from the job (T20).
 */
export function membersOf(
  principals: Principals,
  projectId: number,
  also: NamedPrincipals = { users: [], groups: [] },
): readonly Member[] {
  const project = principals.projects.find((p) => p.id === projectId);
  const levels = new Map<number, number>();
  const sources =
    project === undefined ? [] : [project, ...principals.groups.filter((group) => contains(group, project))];
  for (const { user, accessLevel: level } of sources.flatMap((source) => source.members)) {
    levels.set(user, Math.max(level, levels.get(user) ?? 0));
  }
  return principals.users
    .filter((person) => !person.blocked)
    .map((person) => ({
      person,
      accessLevel: levels.get(person.id) ?? 0,
      groups: groupsOf(principals, person.id),
    }))
    .filter(
      ({ person, groups }) =>
        levels.has(person.id) ||
        also.users.includes(person.id) ||
        groups.some((group) => also.groups.includes(group.id)),
    )
    .sort((a, b) => (a.person.username < b.person.username ? -1 : 1));
}

/** GitLab's number of the person's access level in the project; 0 for a stranger, a blocked person, an unknown project. */
export function accessOf(principals: Principals, userId: number, projectId: number): number {
  return membersOf(principals, projectId).find((member) => member.person.id === userId)?.accessLevel ?? 0;
}

/** Ids of the projects in which the person has at least this level (and some access at all). */
export function projectsOf(principals: Principals, userId: number, atLeast: number): readonly number[] {
  const person = principals.users.find((user) => user.id === userId);
  if (person === undefined || person.blocked) return [];
  const levelIn = (source: Group | Project): number =>
    source.members.reduce((level, member) => (member.user === userId ? Math.max(level, member.accessLevel) : level), 0);
  const enough = (source: Group | Project): boolean => levelIn(source) >= Math.max(atLeast, 1);
  // Asked at every request: only the person's own groups are compared with paths.
  const groups = principals.groups.filter(enough);
  return principals.projects
    .filter((project) => enough(project) || groups.some((group) => contains(group, project)))
    .map((project) => project.id);
}
