import { HoldpointError } from '../domain/errors.ts';
import { isSession } from '../domain/session.ts';
import {
  ALL_REVOKED,
  BOOTSTRAP_MS,
  grantFor,
  isUsable,
  makersOf,
  TOKEN_PREFIX,
  type Token,
  type TokenScope,
  tokenHash,
  UNUSED,
} from '../domain/token.ts';
import type { TokenUse } from '../domain/token-use.ts';
import type { StoreReader } from '../ports/store.ts';
import { type HubContext, userActor } from './hub-context.ts';
import { settle } from './settle.ts';

const RANDOM_BYTES = 32;
/** How many characters of a token are kept in the clear, prefix included: 5 that are random tell two apart and help nobody guess. */
const SHOWN_CHARS = 8;
/** Nobody uses so many at once; a script that makes one per run meets a wall instead of filling the store. */
const MAX_USABLE_TOKENS = 100;

/** A text that nobody can guess, after a word that says what it is. */
export function randomText(context: Pick<HubContext, 'random'>, prefix: string): string {
  const bytes = context.random(RANDOM_BYTES);
  return `${prefix}${btoa(String.fromCharCode(...bytes))
    .replaceAll('+', '-')
    .replaceAll('/', '_')
    .replaceAll('=', '')}`;
}

/** The text of a new token, and what is kept of it: a verifier and its first characters (T24). */
export function newTokenText(context: Pick<HubContext, 'random'>): {
  readonly text: string;
  readonly hash: string;
  readonly prefix: string;
} {
  const text = randomText(context, TOKEN_PREFIX);
  return { text, hash: tokenHash(text), prefix: text.slice(0, SHOWN_CHARS) };
}

/** What somebody asks for; `user` null is themselves. */
export interface TokenRequest {
  readonly user: string | null;
  readonly scopes: readonly TokenScope[] | null;
  readonly livesMs: number | null;
  readonly name: string | null;
}

/** The text of a token, which is in no other answer and in no store, and what is kept of it. */
export interface IssuedToken {
  readonly text: string;
  readonly token: Token;
}

/** Where a request comes from, and from which program. */
export type From = Pick<TokenUse, 'address' | 'client'>;

/** Makes a token for the maker, or for somebody else if the maker may. Rejects with `forbidden`, `not_found`, `bad_input`. */
export async function issueToken(
  context: HubContext,
  maker: Token,
  from: From,
  wish: TokenRequest,
): Promise<IssuedToken> {
  const now = context.clock.now();
  const owner = await ownerFor(context, maker, wish.user);
  const { scopes, expiresAt } = grantFor(maker, { scopes: wish.scopes, livesMs: wish.livesMs }, now);
  const { text, hash, prefix } = newTokenText(context);
  const actor = maker.owner === null ? 'token:bootstrap' : userActor(maker.owner);
  const { address, client } = from;
  const token = await settle(context, { actor, address, client, now, policy: await context.policy() }, async (s) => {
    const usable = await s.tx.token(maker.id);
    // The bootstrap token serves once; of two requests at the same moment only one may find it unused.
    if (usable === null || !isUsable(usable, now))
      throw new HoldpointError('unauthenticated', 'this token was used up, revoked or is over: sign in with another');
    if ((await s.tx.usableTokens(owner.id, now)) >= MAX_USABLE_TOKENS) {
      throw new HoldpointError(
        'wrong_state',
        `${owner.username} has ${MAX_USABLE_TOKENS} tokens: revoke some with "holdpoint token revoke ID" first`,
      );
    }
    if (maker.owner === null)
      await s.tx.updateToken({ ...usable, revokedAt: now, revokedBy: actor, revokedReason: 'used up' });
    const made = await s.tx.insertToken({
      ...UNUSED,
      hash,
      prefix,
      name: wish.name,
      owner,
      scopes,
      makers: makersOf(maker, owner.id),
      createdAt: now,
      expiresAt,
    });
    await s.audit(
      'token_created',
      {},
      {
        token: made.id,
        owner: owner.id,
        username: owner.username,
        scopes,
        expires_at: new Date(expiresAt).toISOString(),
        made_with: maker.id,
      },
    );
    return made;
  });
  return { text, token };
}

async function ownerFor(
  context: HubContext,
  maker: Token,
  user: string | null,
): Promise<{ id: number; username: string }> {
  if (user === null && maker.owner === null) {
    throw new HoldpointError('bad_input', 'the bootstrap token speaks for nobody: name the user that the token is for');
  }
  if (user === null || user === maker.owner?.username) return maker.owner!;
  if (maker.owner !== null && !maker.scopes.includes('admin')) {
    throw new HoldpointError(
      'forbidden',
      'only a token with scope admin makes tokens for others: ask an administrator',
    );
  }
  const person = await context.directory.personNamed(user);
  if (person === null || person.blocked) {
    throw new HoldpointError(
      'not_found',
      `user ${user} is not known to the directory or is blocked: look at the principals file`,
    );
  }
  return { id: person.id, username: person.username };
}

/** A page of the list; all of it fits in memory many times over. */
const TOKENS_AT_ONCE = 1_000;

/** Every token there ever was: one that is looked past would have each start give out another first one (T24). */
async function allTokens(store: Pick<StoreReader, 'tokens'>): Promise<readonly Token[]> {
  const all: Token[] = [];
  for (;;) {
    const part = await store.tokens(null, { after: all.at(-1)?.id ?? 0, limit: TOKENS_AT_ONCE });
    all.push(...part);
    if (part.length < TOKENS_AT_ONCE) return all;
  }
}

/** The first token of an empty store, once: `admin`, only good to make another, 15 minutes. Null when there is a token already. */
export async function issueBootstrapToken(context: HubContext): Promise<IssuedToken | null> {
  const now = context.clock.now();
  const { text, hash, prefix } = newTokenText(context);
  const token = await settle(
    context,
    { actor: 'system', address: null, now, policy: await context.policy() },
    async (s) => {
      const others = await allTokens(s.tx);
      // Somebody who signed in on the page as anybody else does not keep the first administrator out.
      const isKept = (other: Token) =>
        other.owner !== null &&
        other.revokedReason !== ALL_REVOKED &&
        (!isSession(other) || other.scopes.includes('admin'));
      if (others.some(isKept)) return null;
      // Only bootstrap tokens of earlier starts: whoever missed one starts again, and the older text is void.
      for (const older of others.filter((other) => other.owner === null && isUsable(other, now)))
        await s.tx.updateToken({ ...older, revokedAt: now, revokedBy: 'system', revokedReason: 'a newer start' });
      const made = await s.tx.insertToken({
        ...UNUSED,
        hash,
        prefix,
        name: 'bootstrap',
        owner: null,
        scopes: ['admin'],
        makers: [],
        createdAt: now,
        expiresAt: now + BOOTSTRAP_MS,
      });
      await s.audit(
        'bootstrap_token_created',
        {},
        { token: made.id, expires_at: new Date(made.expiresAt).toISOString() },
      );
      return made;
    },
  );
  return token === null ? null : { text, token };
}

/** Ends a token: one's own, or anybody's with scope admin. Rejects with `not_found`, `wrong_state`. */
export async function revokeToken(context: HubContext, by: Token, from: From, id: number): Promise<Token> {
  const now = context.clock.now();
  const actor = by.owner === null ? 'token:bootstrap' : userActor(by.owner);
  const { address, client } = from;
  return settle(context, { actor, address, client, now, policy: await context.policy() }, async (s) => {
    const token = await s.tx.token(id);
    const may = token !== null && (by.scopes.includes('admin') || token.owner?.id === by.owner?.id);
    if (token === null || !may)
      throw new HoldpointError('not_found', `there is no token ${id} of yours: list them with "holdpoint token list"`);
    if (token.revokedAt !== null) throw new HoldpointError('wrong_state', `token ${id} was revoked already`);
    const revoked = { ...token, revokedAt: now, revokedBy: actor, revokedReason: null };
    await s.tx.updateToken(revoked);
    await s.audit('token_revoked', {}, { token: id, owner: token.owner?.id ?? null });
    return revoked;
  });
}
