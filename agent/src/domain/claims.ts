import { ACCESS_LEVELS, type Principals } from './principal.ts';
import type { Claimed } from './session.ts';

/** Claims as an identity provider's token has them, nothing of them believed yet. */
export type Claims = Readonly<Record<string, unknown>>;

/** Claims by which GitLab lists the groups that somebody has this level in, as a direct member. */
const ROLE_CLAIMS: readonly (readonly [claim: string, level: number])[] = [
  ['https://gitlab.org/claims/groups/owner', ACCESS_LEVELS.owner],
  ['https://gitlab.org/claims/groups/maintainer', ACCESS_LEVELS.maintainer],
  ['https://gitlab.org/claims/groups/developer', ACCESS_LEVELS.developer],
];
/** Somebody in more groups is in every group; what is left out gives no right. */
const MAX_GROUPS = 2_000;
/** GitLab's own limit of a full path. */
const MAX_PATH_CHARS = 1_024;
/** Segments with more in them than dots. */
const PATH = /^(?!(?:.*\/)?\.+(?:\/|$))[A-Za-z0-9_.-]+(\/[A-Za-z0-9_.-]+)*$/;
const MAX_NAME_CHARS = 255;

function paths(value: unknown): readonly string[] {
  if (!Array.isArray(value)) return [];
  return value.filter((path) => typeof path === 'string' && path.length <= MAX_PATH_CHARS && PATH.test(path));
}

function text(value: unknown): string | null {
  return typeof value === 'string' && value !== '' && value.length <= MAX_NAME_CHARS ? value : null;
}

/**
 * The id that the GitLab whose jobs are held knows this person by, null when the claim has none. A number, never a name or
 * an address: those are given away and taken again (T17).
 */
export function claimedUser(claims: Claims, claim: string): number | null {
  const value = Object.hasOwn(claims, claim) ? claims[claim] : null;
  const number = typeof value === 'string' && /^[1-9]\d{0,14}$/.test(value) ? Number(value) : value;
  return typeof number === 'number' && Number.isSafeInteger(number) && number > 0 ? number : null;
}

/** What a provider is asked for of groups. */
export interface ClaimNames {
  readonly groupsClaim: string;
  /** GitLab's claims of roles are taken: the provider is that very GitLab. */
  readonly roles: boolean;
}

/**
 * Names and groups as the provider gives them. A group that is listed without a role makes a guest of its members, the least
 * that anybody in a group is.
 */
export function claimedOf(claims: Claims, user: number, { groupsClaim, roles }: ClaimNames): Claimed {
  const levels = new Map<string, number>();
  const listed = [
    ...paths(claims[groupsClaim]).map((path) => [path, ACCESS_LEVELS.guest] as const),
    ...(roles ? ROLE_CLAIMS : []).flatMap(([claim, level]) =>
      paths(claims[claim]).map((path) => [path, level] as const),
    ),
  ];
  for (const [path, level] of listed) {
    const key = path.toLowerCase();
    if (levels.size < MAX_GROUPS || levels.has(key)) levels.set(key, Math.max(level, levels.get(key) ?? 0));
  }
  const username = text(claims.preferred_username) ?? text(claims.nickname) ?? `user-${user}`;
  return {
    username,
    name: text(claims.name) ?? username,
    groups: [...levels].map(([path, accessLevel]) => ({ path, accessLevel })),
  };
}

/** Somebody who is signed in at this moment, with what the provider said of them then. */
export interface ClaimedPerson extends Claimed {
  readonly id: number;
}

/**
 * The directory's people and memberships with those of people who are signed in and whom it does not name. Whoever it does
 * name has exactly what it says: a claim gives nobody more than the directory's own word (T19). Only groups that it knows
 * by path count, so nobody becomes a member of something by calling it so (T20).
 */
export function joinClaims(principals: Principals, signedIn: readonly ClaimedPerson[]): Principals {
  const names = new Set(principals.users.map((user) => user.username.toLowerCase()));
  const ids = new Set(principals.users.map((user) => user.id));
  const joining = new Map<number, ClaimedPerson>();
  for (const person of signedIn) if (!ids.has(person.id)) joining.set(person.id, person);
  if (joining.size === 0) return principals;
  const users = [...joining.values()].map(({ id, username, name }) => {
    // A name that is somebody else's here would be read as theirs: the id stands beside it (T17).
    const shown = names.has(username.toLowerCase()) ? `${username}#${id}` : username;
    names.add(shown.toLowerCase());
    return { id, username: shown, name, blocked: false };
  });
  return {
    ...principals,
    users: [...principals.users, ...users],
    groups: principals.groups.map((group) => {
      const path = group.path.toLowerCase();
      const members = [...joining.values()].flatMap((person) => {
        const claimed = person.groups.find((one) => one.path === path);
        return claimed === undefined ? [] : [{ user: person.id, accessLevel: claimed.accessLevel }];
      });
      return members.length === 0 ? group : { ...group, members: [...group.members, ...members] };
    }),
  };
}
