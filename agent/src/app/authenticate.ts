import { HoldpointError } from '../domain/errors.ts';
import type { Person } from '../domain/principal.ts';
import { isSession, SESSION_IDLE_MS } from '../domain/session.ts';
import {
  idleEndsAt,
  isForPipelines,
  TOKEN_PREFIX,
  type Token,
  type TokenState,
  tokenHash,
  tokenState,
} from '../domain/token.ts';
import { flagged, signsOf, type TokenFlagKind, type TokenPolicy, type TokenUse } from '../domain/token-use.ts';
import { type HubContext, userActor } from './hub-context.ts';
import { settle } from './settle.ts';

/** A use is written down once a minute: every request would be a disk write otherwise. */
const USE_NOTED_MS = 60_000;
/** Our own texts have 46 characters; nobody makes us hash more. */
const MAX_TEXT_CHARS = 200;

/** What the policy says of tokens. */
export async function tokenPolicy(context: Pick<HubContext, 'policy'>): Promise<TokenPolicy> {
  return (await context.policy()).tokens;
}

/**
 * The token that a text is. Rejects with `unauthenticated` for one that is unknown, ended, or whose owner is blocked or gone
 * (T19), `token_expired` for one that is over.
 */
export async function authenticate(context: HubContext, text: string, use: TokenUse): Promise<Token> {
  const token =
    text.startsWith(TOKEN_PREFIX) && text.length <= MAX_TEXT_CHARS
      ? await context.store.tokenOfHash(tokenHash(text))
      : null;
  if (token === null) {
    throw new HoldpointError('unauthenticated', 'this token is not known: make one with "holdpoint token create"');
  }
  await requireValid(context, token, await tokenPolicy(context));
  return noteTokenUse(context, token, use);
}

/** What this use looks like: nothing for one that a person may well have made. */
export function signsOfUse(context: Pick<HubContext, 'agentHosts'>, use: TokenUse): readonly TokenFlagKind[] {
  return signsOf(use, context.agentHosts?.() ?? new Set());
}

/** The owners of these tokens as the directory has them, each asked for once; null for whom it does not know. */
export async function ownersOf(
  context: Pick<HubContext, 'directory'>,
  tokens: readonly Token[],
): Promise<ReadonlyMap<number, Person | null>> {
  const ids = [...new Set(tokens.flatMap(({ owner }) => (owner === null ? [] : [owner.id])))];
  return new Map(await Promise.all(ids.map(async (id) => [id, await context.directory.person(id)] as const)));
}

/** Where a token stands at this moment. */
export function stateNow(
  context: Pick<HubContext, 'clock'>,
  token: Token,
  owners: ReadonlyMap<number, Person | null>,
  idleMs: number,
): TokenState {
  const owner = token.owner === null ? null : (owners.get(token.owner.id) ?? null);
  return tokenState(token, owner, isSession(token) ? SESSION_IDLE_MS : idleMs, context.clock.now());
}

async function requireValid(context: HubContext, token: Token, { idleMs }: TokenPolicy): Promise<void> {
  const state = stateNow(context, token, await ownersOf(context, [token]), idleMs);
  const time = (ms: number): string => new Date(ms).toISOString();
  switch (state) {
    case 'valid':
      return;
    case 'revoked':
      throw new HoldpointError(
        'unauthenticated',
        'this token was revoked: make another with "holdpoint token create", or ask an administrator',
      );
    case 'replaced':
      throw new HoldpointError(
        'unauthenticated',
        `this token was rotated: token ${token.replacedBy} has taken its place; use that`,
      );
    case 'over':
      throw new HoldpointError('token_expired', `this token ended at ${time(token.expiresAt)}: make a new one`);
    case 'idle':
      throw new HoldpointError(
        'token_expired',
        `this token ended at ${time(idleEndsAt(token, idleMs))}, unused for ${idleMs / 3_600_000} h: make a new one`,
      );
    case 'owner_blocked':
    case 'owner_gone': {
      const problem = context.directory.problem();
      if (state === 'owner_gone' && problem !== null) throw new HoldpointError('ci_unreachable', problem);
      throw new HoldpointError(
        'unauthenticated',
        `user ${token.owner?.username ?? ''} is blocked or no longer known: ask an administrator`,
      );
    }
    default:
      state satisfies never;
  }
}

/** The token with this use written down, once a minute; what looks like a job's is noted on it and audited when it is new (T24). */
export async function noteTokenUse(context: HubContext, token: Token, use: TokenUse): Promise<Token> {
  const signs = isForPipelines(token) ? [] : signsOfUse(context, use);
  const now = context.clock.now();
  const { fresh } = flagged(token.flags, signs, use, now);
  const same = token.lastUsedAddress === use.address && token.lastUsedClient === use.client;
  const isRecent = token.lastUsedAt !== null && now - token.lastUsedAt < USE_NOTED_MS;
  if (isRecent && same && fresh.length === 0) return token;
  const used = { lastUsedAt: now, lastUsedAddress: use.address, lastUsedClient: use.client };
  const actor = token.owner === null ? 'token:bootstrap' : userActor(token.owner);
  const policy = await context.policy();
  const { inJobs } = policy.tokens;
  return settle(context, { actor, address: use.address, client: use.client, now, policy }, async (s) => {
    const current = (await s.tx.token(token.id)) ?? token;
    const seen = flagged(current.flags, signs, use, now);
    const after = { ...current, ...used, flags: seen.flags };
    await s.tx.updateToken(after);
    if (!same && (await s.tx.noteTokenPlace({ token: token.id, address: use.address, client: use.client, at: now })))
      await s.audit('token_used', {}, { token: token.id, owner: token.owner?.id ?? null });
    if (seen.fresh.length > 0) {
      await s.audit(
        'token_flagged',
        {},
        {
          token: token.id,
          owner: token.owner?.id ?? null,
          signs: seen.fresh,
          client: use.client,
          in_jobs: inJobs,
        },
      );
    }
    return after;
  });
}
