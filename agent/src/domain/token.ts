import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex, utf8ToBytes } from '@noble/hashes/utils.js';
import { HoldpointError } from './errors.ts';
import type { TokenFlag } from './token-use.ts';

const HOUR_MS = 3_600_000;
/** A working day: a token that leaks is worth little tomorrow (T24). */
export const TOKEN_DEFAULT_MS = 8 * HOUR_MS;
/** A month: whoever needs longer is a machine, and has no token of a person. */
export const TOKEN_MAX_MS = 30 * 24 * HOUR_MS;
/** Long enough to read it off the terminal once. */
export const BOOTSTRAP_MS = 15 * 60_000;
/** Words that tell a token at a glance, so that secret scanners find one that leaked. */
export const TOKEN_PREFIX = 'hp_';

/**
 * `read` sees, `approve` votes and revokes, `deploy` approves and starts deployments, `admin` makes tokens for others and
 * reads the whole audit, `audit` reads the whole audit and changes nothing, `agent` enrols an agent and does nothing else,
 * `check` asks what would wait and does nothing else, which is why a pipeline may have it; none implies another.
 */
export const TOKEN_SCOPES = ['read', 'approve', 'deploy', 'audit', 'admin', 'agent', 'check'] as const;
/** One of the scopes. */
export type TokenScope = (typeof TOKEN_SCOPES)[number];

/** True for a token that is made for pipelines: it tells who has it nothing that a merge request does not show (T24). */
export function isForPipelines({ scopes }: Pick<Token, 'scopes'>): boolean {
  return scopes.length > 0 && scopes.every((scope) => scope === 'check');
}

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
  /** What the client calls itself. */
  readonly lastUsedClient: string | null;
  /** What looked as if a job used it, newest last. */
  readonly flags: readonly TokenFlag[];
  /** The token that took its place when it was rotated. */
  readonly replacedBy: number | null;
  readonly revokedAt: number | null;
  /** Who ended it, as the audit names them; null while nobody has. */
  readonly revokedBy: string | null;
  readonly revokedReason: string | null;
}
/** Reason of tokens that were ended all together in an emergency: they keep nobody from a first token as at the first start. */
export const ALL_REVOKED = 'every token was revoked';
/** What is in a token that nobody has used, rotated or ended yet. */
export const UNUSED = {
  lastUsedAt: null,
  lastUsedAddress: null,
  lastUsedClient: null,
  flags: [],
  replacedBy: null,
  revokedAt: null,
  revokedBy: null,
  revokedReason: null,
} as const satisfies Partial<Token>;

/** What is stored of a token: SHA-256 of its text. The text has 256 random bits, so no salt and no slow hash is needed. */
export function tokenHash(text: string): string {
  return bytesToHex(sha256(utf8ToBytes(text)));
}

/** True while it is neither revoked nor over. */
export function isUsable(token: Token, now: number): boolean {
  return token.revokedAt === null && now < token.expiresAt;
}

/** Why the hub ended a token that nobody used; people give no reason of theirs. */
export const IDLE_REASON = 'unused';

/** When it ends because nobody uses it (epoch ms): what lies about unused is found by somebody else (T24). */
export function idleEndsAt(token: Token, idleMs: number): number {
  return (token.lastUsedAt ?? token.createdAt) + idleMs;
}

/** Whether a token may be used, and if not, why: the first that applies. */
export const TOKEN_STATES = ['valid', 'replaced', 'revoked', 'over', 'idle', 'owner_blocked', 'owner_gone'] as const;
/** One of the states. */
export type TokenState = (typeof TOKEN_STATES)[number];

/** Where a token stands now; `owner` is as the directory has them, null for somebody it does not know (T19). */
export function tokenState(
  token: Token,
  owner: { readonly blocked: boolean } | null,
  idleMs: number,
  now: number,
): TokenState {
  if (token.revokedAt !== null) {
    if (token.replacedBy !== null) return 'replaced';
    return token.revokedReason === IDLE_REASON ? 'idle' : 'revoked';
  }
  if (now >= token.expiresAt) return token.replacedBy === null ? 'over' : 'replaced';
  if (token.owner === null) return 'valid';
  if (now >= idleEndsAt(token, idleMs)) return 'idle';
  if (owner === null) return 'owner_gone';
  return owner.blocked ? 'owner_blocked' : 'valid';
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
  // What its owner may not do, no scope makes possible.
  const everyday: readonly TokenScope[] = ['read', 'approve', 'deploy'];
  const expiresAt = now + livesMs;
  if (maker.owner === null) return { scopes: wish.scopes ?? ['read', 'approve', 'deploy', 'admin'], expiresAt };
  if (maker.scopes.includes('admin')) return { scopes: wish.scopes ?? everyday, expiresAt };
  const scopes = wish.scopes ?? everyday.filter((scope) => maker.scopes.includes(scope));
  // Whoever may read may ask for less than that.
  const has = (scope: TokenScope) =>
    maker.scopes.includes(scope) || (scope === 'check' && maker.scopes.includes('read'));
  const lacking = scopes.find((scope) => !has(scope));
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

/** How long a rotated token may go on beside the new one, so that a script can be changed over: an hour at most. */
export const MAX_OVERLAP_MS = HOUR_MS;

/**
 * Scopes and end of the token that takes `old`'s place: the same scopes, and no later end unless an administrator says so.
 * Throws `forbidden` where `maker` could not have made such a token: rotating must not give what making does not (T24).
 */
export function rotationOf(
  maker: Token,
  old: Token,
  livesMs: number | null,
  now: number,
): { scopes: readonly TokenScope[]; expiresAt: number } {
  const isItself = maker.id === old.id;
  if (maker.scopes.includes('admin') && !isItself) {
    const wished = grantFor(maker, { scopes: old.scopes, livesMs: livesMs ?? Math.max(1, old.expiresAt - now) }, now);
    return { scopes: old.scopes, expiresAt: wished.expiresAt };
  }
  const giver = isItself ? old : { ...maker, expiresAt: Math.min(maker.expiresAt, old.expiresAt) };
  const granted = grantFor(giver, { scopes: old.scopes, livesMs: livesMs ?? giver.expiresAt - now }, now);
  return { scopes: old.scopes, expiresAt: Math.min(granted.expiresAt, old.expiresAt) };
}
