import type { Member, Person } from '../domain/principal.ts';

/** Where people, groups and access levels come from. Asked at every decision: membership is live (T19). */
export interface Directory {
  person(id: number): Promise<Person | null>;
  personNamed(username: string): Promise<Person | null>;
  /** Everybody with access to the project, inherited access included; nobody for an unknown project. */
  members(projectId: number): Promise<readonly Member[]>;
  /** Ids of the projects in which the person has at least this access level. */
  projectsOf(personId: number, atLeast: number): Promise<readonly number[]>;
}
