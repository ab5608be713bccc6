import type { Member, NamedPrincipals, Person } from '../domain/principal.ts';

/** A project or group as it is named. */
export interface Named {
  readonly id: number;
  /** Full path. */
  readonly path: string;
  readonly name: string;
}

/**
 * Where people, groups and access levels come from. Asked at every decision: membership is live (T19). Where the source
 * cannot be asked, nobody gains a right: answers are null and empty then, and `problem` says so.
 */
export interface Directory {
  person(id: number): Promise<Person | null>;
  personNamed(username: string): Promise<Person | null>;
  /** The project of this id or full path; letter case does not count, as in GitLab. */
  project(idOrPath: number | string): Promise<Named | null>;
  /** The group of this id or full path. */
  group(idOrPath: number | string): Promise<Named | null>;
  /** GitLab's number of the person's access level in the group, membership of the groups above it included; 0 for a stranger. */
  accessInGroup(personId: number, groupId: number): Promise<number>;
  /** Id of the group with this full path. */
  groupNamed(path: string): Promise<number | null>;
  /**
   * Everybody with access to the project, inherited access included, and whom `also` names; nobody else for an unknown
   * project. With `notBefore` (epoch ms) an answer that was fetched earlier does not count: for what completes a decision.
   */
  members(projectId: number, also?: NamedPrincipals, notBefore?: number): Promise<readonly Member[]>;
  /**
   * Ids of the projects in which the person has at least this access level. `known`: those that the hub has anything of,
   * for a source that cannot list a person's projects.
   */
  projectsOf(personId: number, atLeast: number, known?: () => Promise<readonly number[]>): Promise<readonly number[]>;
  /** Which of these groups the person belongs to. */
  groupsOf(personId: number, among: readonly number[]): Promise<Member['groups']>;
  /** Who may change who belongs to a project or group, and where that is done, in words. */
  keepers(of: { readonly project: number } | { readonly group: number }): Promise<Keepers>;
  /** What keeps people from being known at present, in words with the way out; null when all is well. */
  problem(): string | null;
}

/** Who may change a membership. */
export interface Keepers {
  /** By name, where the source knows them. */
  readonly people: readonly Person[];
  /** As in `principals.yaml on the hub`. */
  readonly where: string;
}
