import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex, utf8ToBytes } from '@noble/hashes/utils.js';
import { HoldpointError } from './errors.ts';

const HOUR_MS = 3_600_000;
/** A working day: a token that leaks is worth little tomorrow (T24). */
export const TOKEN_DEFAULT_MS = 8 * HOUR_MS;
/** A month: whoever needs longer is a machine, and has no token of a person. */
export const TOKEN_MAX_MS = 30 * 24 * HOUR_MS;
/** Long enough to read it off the terminal once. */
export const BOOTSTRAP_MS = 15 * 60_000;
/** Words that tell a token at a glance, so that secret scanners find one that leaked. */
export const TOKEN_PREFIX = 'hp_';

/** `read` sees, `approve` votes and revokes, `admin` makes tokens for others and reads the whole audit; none implies another. */
export const TOKEN_SCOPES = ['read', 'approve', 'admin'] as const;
/** One of the scopes. */
export type TokenScope = (typeof TOKEN_SCOPES)[number];

/** A credential of a person for the API; its text is shown once and never stored. */
export interface Token {
  readonly id: number;
  /** SHA-256 of its text, 64 hex digits. */
  readonly hash: string;
  /** First characters, to tell tokens apart. */
  readonly prefix: string;
  readonly name: string | null;
  /** The person it speaks for; null for the bootstrap token, which speaks for nobody. */
  readonly owner: { readonly id: number; readonly username: string } | null;
  readonly scopes: readonly TokenScope[];
  /** Ids of the other people through whose tokens it was made: it speaks for its owner, but they have held it (T18). */
  readonly makers: readonly number[];
  /** Epoch ms, as are all times here. */
  readonly createdAt: number;
  readonly expiresAt: number;
  readonly lastUsedAt: number | null;
  readonly lastUsedAddress: string | null;
  readonly revokedAt: number | null;
}

/** What is stored of a token: SHA-256 of its text. The text has 256 random bits, so no salt and no slow hash is needed. */
export function tokenHash(text: string): string {
  return bytesToHex(sha256(utf8ToBytes(text)));
}

/** True while it is neither revoked nor over. */
export function isUsable(token: Token, now: number): boolean {
  return token.revokedAt === null && now < token.expiresAt;
}

/** Everybody who may have held the token that `maker` makes, its owner left out. */
export function makersOf(maker: Token, owner: number): readonly number[] {
  const holders = maker.owner === null ? maker.makers : [...maker.makers, maker.owner.id];
  return [...new Set(holders)].filter((id) => id !== owner);
}

/** What somebody may ask for when they make a token. */
export interface TokenWish {
  readonly scopes: readonly TokenScope[] | null;
  readonly livesMs: number | null;
}

/**
 * Scopes and end of a new token. The bootstrap token and `admin` give what is asked; any other gives no scope that it
 * lacks and no life longer than its own, so that one stolen token is never turned into a longer one (T24).
 */
export function grantFor(
  maker: Token,
  wish: TokenWish,
  now: number,
): { scopes: readonly TokenScope[]; expiresAt: number } {
  const livesMs = wish.livesMs ?? TOKEN_DEFAULT_MS;
  if (livesMs <= 0 || livesMs > TOKEN_MAX_MS) {
    throw new HoldpointError('bad_input', `a token lives 1 s to ${TOKEN_MAX_MS / 86_400_000} days: ask for less`);
  }
  const everyday: readonly TokenScope[] = ['read', 'approve'];
  const expiresAt = now + livesMs;
  if (maker.owner === null) return { scopes: wish.scopes ?? TOKEN_SCOPES, expiresAt };
  if (maker.scopes.includes('admin')) return { scopes: wish.scopes ?? everyday, expiresAt };
  const scopes = wish.scopes ?? everyday.filter((scope) => maker.scopes.includes(scope));
  const lacking = scopes.find((scope) => !maker.scopes.includes(scope));
  if (lacking !== undefined) {
    throw new HoldpointError(
      'forbidden',
      `this token has no scope ${lacking} to pass on: ask an administrator for such a token`,
    );
  }
  if (wish.livesMs !== null && expiresAt > maker.expiresAt) {
    throw new HoldpointError(
      'forbidden',
      'a token made with this one cannot outlive it: ask an administrator for a longer one',
    );
  }
  return { scopes, expiresAt: Math.min(expiresAt, maker.expiresAt) };
}
