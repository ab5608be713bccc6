import { HoldpointError } from '../domain/errors.ts';
import type { Person } from '../domain/principal.ts';
import {
  idleUntil,
  isIdle,
  isSession,
  MAX_SESSIONS,
  SESSION_MAX_MS,
  SESSION_PREFIX,
  type Session,
} from '../domain/session.ts';
import { isUsable, type Token, type TokenScope, tokenHash, UNUSED } from '../domain/token.ts';
import type { TokenUse } from '../domain/token-use.ts';
import { authenticate, noteTokenUse } from './authenticate.ts';
import { type HubContext, userActor } from './hub-context.ts';
import { randomText } from './issue-token.ts';
import { type Settlement, settle } from './settle.ts';

/** A text of ours has 47 characters. */
const MAX_TEXT = 100;
/** As many characters of it as are kept of a token: 4 random ones tell two apart. */
const SHOWN_CHARS = 8;

/** What it is called in the list of its person's tokens. */
const NAMES: Readonly<Record<Session['way'], string>> = {
  token: 'page, signed in with a token',
  first_start: 'page, signed in with the first link',
  oidc: 'page, signed in with OpenID Connect',
};

/** A session that was just begun; `text` goes into the cookie and nowhere else. */
export interface BegunSession {
  readonly text: string;
  readonly token: Token;
  readonly session: Session;
  readonly person: Person;
}
/** Whom a session is for, and what it rests on. */
export interface SessionWish extends Omit<Session, 'token'> {
  readonly person: Person;
  readonly scopes: readonly TokenScope[];
  /** Who else may have held what it was made with. */
  readonly makers: readonly number[];
  readonly expiresAt: number;
  /** Checked and changed in the same transaction, so that what serves once serves once. */
  readonly before?: (s: Settlement) => Promise<void>;
}

/**
 * Begins a session. Its text is always a new one, whatever cookie the browser had: nobody is signed in under a text that
 * somebody else has chosen (T24).
 */
export async function beginSession(context: HubContext, use: TokenUse, wish: SessionWish): Promise<BegunSession> {
  const { person, way, madeWith, authTime, claimed } = wish;
  const now = context.clock.now();
  const text = randomText(context, SESSION_PREFIX);
  const deciding = {
    actor: userActor(person),
    address: use.address,
    client: use.client,
    now,
    policy: await context.policy(),
  };
  return settle(context, deciding, async (s) => {
    await wish.before?.(s);
    for (const older of (await s.tx.liveSessions(person.id, now)).slice(MAX_SESSIONS - 1))
      await s.tx.updateToken({
        ...older,
        revokedAt: now,
        revokedBy: deciding.actor,
        revokedReason: 'too many sessions',
      });
    const token = await s.tx.insertToken({
      hash: tokenHash(text),
      prefix: text.slice(0, SHOWN_CHARS),
      name: NAMES[way],
      owner: { id: person.id, username: person.username },
      scopes: wish.scopes,
      makers: wish.makers,
      createdAt: now,
      expiresAt: Math.min(wish.expiresAt, now + SESSION_MAX_MS),
      ...UNUSED,
      lastUsedAt: now,
      lastUsedAddress: use.address,
      lastUsedClient: use.client,
    });
    const session = { token: token.id, way, madeWith, authTime, claimed };
    await s.tx.insertSession(session);
    await s.audit(
      'signed_in',
      {},
      {
        token: token.id,
        owner: person.id,
        way,
        scopes: wish.scopes,
        expires_at: new Date(token.expiresAt).toISOString(),
        ...(madeWith === null ? {} : { made_with: madeWith }),
      },
    );
    return { text, token, session, person };
  });
}

/** The person, unless they are blocked or unknown: `unauthenticated` then. */
async function requirePerson(context: HubContext, owner: NonNullable<Token['owner']>): Promise<Person> {
  const person = await context.directory.person(owner.id);
  if (person !== null && !person.blocked) return person;
  throw new HoldpointError(
    'unauthenticated',
    `user ${owner.username} is blocked or no longer known: ask an administrator`,
  );
}

/**
 * Signs in with a token that was pasted. The one-time token of the first start speaks for nobody: `user` says who the first
 * administrator is, and it is used up. Rejects with `unauthenticated`, `token_expired`, `not_found`, `bad_input`.
 */
export async function signInWithToken(
  context: HubContext,
  text: string,
  user: string | null,
  use: TokenUse,
): Promise<BegunSession> {
  const token = await authenticate(context, text, use);
  const { owner, scopes, makers, expiresAt } = token;
  const rest = { authTime: null, claimed: null };
  if (owner !== null) {
    if (user !== null && user !== owner.username)
      throw new HoldpointError('bad_input', `this token speaks for ${owner.username}: leave the user name out`);
    const person = await requirePerson(context, owner);
    return beginSession(context, use, {
      ...rest,
      person,
      scopes,
      makers,
      expiresAt,
      way: 'token',
      madeWith: token.id,
    });
  }
  if (user === null)
    throw new HoldpointError('bad_input', 'the one-time token speaks for nobody: say which user you are');
  const person = await context.directory.personNamed(user);
  if (person === null || person.blocked) {
    throw new HoldpointError(
      'not_found',
      `user ${user} is not known to the directory or is blocked: look at the principals file`,
    );
  }
  return beginSession(context, use, {
    ...rest,
    person,
    scopes: ['read', 'approve', 'deploy', 'admin'],
    makers,
    expiresAt: Number.POSITIVE_INFINITY,
    way: 'first_start',
    madeWith: null,
    async before(s) {
      const now = await s.tx.token(token.id);
      if (now === null || !isUsable(now, s.now))
        throw new HoldpointError('unauthenticated', 'this one-time token was used: sign in with another');
      await s.tx.updateToken({ ...now, revokedAt: s.now, revokedBy: s.actor, revokedReason: 'used up' });
    },
  });
}

/** Why a token that somebody is signed in with is over, null while it is not: also a session that is idle, or whose own token is over. */
export async function whyOver(context: HubContext, token: Token): Promise<string | null> {
  const now = context.clock.now();
  if (token.revokedAt !== null) return 'it was ended';
  if (now >= token.expiresAt) return 'its time is over';
  if (!isSession(token)) return null;
  if (isIdle(token, now)) return 'nobody has used it for two hours';
  const session = await context.store.session(token.id);
  if (session === null) return 'it is not known';
  if (session.madeWith === null) return null;
  const parent = await context.store.token(session.madeWith);
  return parent === null || !isUsable(parent, now) ? 'the token it was made with is over' : null;
}

/** The token of a session by the text of its cookie. Rejects with `unauthenticated`. */
export async function authenticateSession(context: HubContext, text: string, use: TokenUse): Promise<Token> {
  const known = text.startsWith(SESSION_PREFIX) && text.length <= MAX_TEXT;
  const token = known ? await context.store.tokenOfHash(tokenHash(text)) : null;
  const over = token === null || !isSession(token) ? 'it is not known' : await whyOver(context, token);
  if (token === null || over !== null)
    throw new HoldpointError('unauthenticated', `you are no longer signed in here (${over}): sign in again`);
  return noteTokenUse(context, token, use);
}

/** Signs out: nothing that holds this session's text is worth anything afterwards. */
export async function endSession(context: HubContext, token: Token, use: TokenUse): Promise<void> {
  if (token.owner === null || !isSession(token))
    throw new HoldpointError('wrong_state', 'no session was sent: end a token with "holdpoint token revoke"');
  const now = context.clock.now();
  const deciding = {
    actor: userActor(token.owner),
    address: use.address,
    client: use.client,
    now,
    policy: await context.policy(),
  };
  await settle(context, deciding, async (s) => {
    const current = await s.tx.token(token.id);
    if (current === null || current.revokedAt !== null) return;
    await s.tx.updateToken({ ...current, revokedAt: now, revokedBy: deciding.actor, revokedReason: 'signed out' });
    await s.audit('signed_out', {}, { token: token.id, owner: token.owner?.id ?? null });
  });
}

/** When it ends if nobody uses it from now on. */
export function endOf(token: Token): number {
  return Math.min(token.expiresAt, idleUntil(token));
}
