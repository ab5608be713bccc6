import type { Member, NamedPrincipals, Person } from '../domain/principal.ts';

/**
 * Where people, groups and access levels come from. Asked at every decision: membership is live (T19). Where the source
 * cannot be asked, nobody gains a right: answers are null and empty then.
 */
export interface Directory {
  person(id: number): Promise<Person | null>;
  personNamed(username: string): Promise<Person | null>;
  /** Id of the group with this full path. */
  groupNamed(path: string): Promise<number | null>;
  /** Everybody with access to the project, inherited access included, and whom `also` names; nobody else for an unknown project. */
  members(projectId: number, also?: NamedPrincipals): Promise<readonly Member[]>;
  /** Ids of the projects in which the person has at least this access level. */
  projectsOf(personId: number, atLeast: number): Promise<readonly number[]>;
}
