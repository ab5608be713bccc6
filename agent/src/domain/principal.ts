import type { Wish } from './notify/delivery.ts';

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

/** What a member is, as it stands after "you are": `a developer of this project`. */
export function roleWords(level: number): string {
  const word = accessWord(level);
  return /^\d/.test(word)
    ? `at access level ${word} in this project`
    : `${/^[aeiou]/.test(word) ? 'an' : 'a'} ${word} of this project`;
}

/** A person as the directory knows them; `id` never changes, names may (T17). */
export interface Person {
  readonly id: number;
  readonly username: string;
  readonly name: string;
  /** Addresses that their commits carry, to know what they wrote (T18). */
  readonly emails?: readonly string[];
  /** What they want to be told; absent: everything. */
  readonly notify?: Wish;
  /** A blocked person may do nothing, whatever their membership says. */
  readonly blocked: boolean;
  /** No human: approves nothing unless a rule names it. */
  readonly bot?: boolean;
  /** Administers the whole CI server. That gives no access by itself: it satisfies rules that ask for an administrator alone. */
  readonly admin?: boolean;
}
/** A person's access level in one group or project. */
export interface Membership {
  readonly user: number;
  readonly accessLevel: number;
  /** Epoch ms from which on it counts no more. */
  readonly expiresAt?: number;
}
/** A group that was invited: its people have their own level there, at most this one. */
export interface Share {
  readonly group: number;
  readonly accessLevel: number;
  /** Epoch ms from which on it counts no more. */
  readonly expiresAt?: number;
}
/** A group; its members are members of every project below its path. */
export interface Group {
  readonly id: number;
  /** Full path, e.g. `acme/payments`. */
  readonly path: string;
  readonly members: readonly Membership[];
  readonly sharedWith?: readonly Share[];
}
/** A project and its direct members. */
export interface Project {
  readonly id: number;
  /** Full path, e.g. `acme/payments/api`. */
  readonly path: string;
  readonly members: readonly Membership[];
  readonly sharedWith?: readonly Share[];
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
  /** Groups that the person belongs to; `inherited`: through one of its ancestors, or through a group that it invited. */
  readonly groups: readonly { readonly id: number; readonly inherited: boolean }[];
}

/** People and groups that rules name, whose members have to be asked for beside those of the project. */
export interface NamedPrincipals {
  readonly users: readonly number[];
  readonly groups: readonly number[];
  /** True: everybody who administers the CI server. */
  readonly admins?: boolean;
}
