import { hmac } from '@noble/hashes/hmac.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex, utf8ToBytes } from '@noble/hashes/utils.js';
import type { Token } from './token.ts';

const HOUR_MS = 3_600_000;
/** A working day with its breaks; nobody stays signed in over night. */
export const SESSION_MAX_MS = 12 * HOUR_MS;
/** A page that nobody has used for so long stands on a screen that nobody sits at. */
export const SESSION_IDLE_MS = 2 * HOUR_MS;
/** Browsers of one person at once; one more ends the oldest. */
export const MAX_SESSIONS = 20;
/**
 * First characters of what a session cookie holds. No token begins with them, so that neither is ever taken for the other:
 * a cookie that was copied is no bearer token, and a token in a cookie signs nobody in (T24).
 */
export const SESSION_PREFIX = 'hps_';

/** How somebody signed in: with a token, with the one-time token of the first start, with OpenID Connect. */
export const SIGN_IN_WAYS = ['token', 'first_start', 'oidc'] as const;
/** One of the ways to sign in. */
export type SignInWay = (typeof SIGN_IN_WAYS)[number];

/** Group paths that an identity provider named at sign-in, by the access level they give; 0: a member, nothing known of the level. */
export interface Claimed {
  readonly username: string;
  readonly name: string;
  readonly groups: readonly { readonly path: string; readonly accessLevel: number }[];
}

/** What a session has beside its token: it is kept like a token, and ends like one. Epoch ms. */
export interface Session {
  /** Id of its token: the person, the scopes and the end are there. */
  readonly token: number;
  readonly way: SignInWay;
  /** The token that was pasted: when that one ends or is revoked, so does this. */
  readonly madeWith: number | null;
  /** When the identity provider saw the person sign in there; null where none did. */
  readonly authTime: number | null;
  /** What the identity provider said of groups, at that moment; counts only while the session lives. */
  readonly claimed: Claimed | null;
}

/** True for the token of a session. */
export function isSession(token: Pick<Token, 'prefix'>): boolean {
  return token.prefix.startsWith(SESSION_PREFIX);
}

/** When a session ends that nobody uses; its token may end before. */
export function idleUntil(token: Pick<Token, 'createdAt' | 'lastUsedAt'>): number {
  return (token.lastUsedAt ?? token.createdAt) + SESSION_IDLE_MS;
}

/** True when nobody has used a session for too long; no other token ends of that. */
export function isIdle(token: Pick<Token, 'prefix' | 'createdAt' | 'lastUsedAt'>, now: number): boolean {
  return isSession(token) && now >= idleUntil(token);
}

/**
 * What a request must carry beside the cookie (T23): the page reads it and sends it as a header, which no other site can.
 * It says nothing of the session's text, so the page may keep it.
 */
export function csrfOf(sessionText: string): string {
  return bytesToHex(hmac(sha256, utf8ToBytes(sessionText), utf8ToBytes('holdpoint.csrf/v1')));
}
