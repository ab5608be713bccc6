import { HoldpointError } from '../domain/errors.ts';
import { isSession } from '../domain/session.ts';
import { isUsable, MAX_OVERLAP_MS, makersOf, rotationOf, type Token, UNUSED } from '../domain/token.ts';
import { type HubContext, userActor } from './hub-context.ts';
import { type From, type IssuedToken, newTokenText } from './issue-token.ts';
import { settle } from './settle.ts';

/** How a token is to be rotated. */
export interface Rotation {
  readonly id: number;
  /** How long the old text goes on working; 0: it ends at once. */
  readonly overlapMs: number;
  /** How long the new one lives; null: as long as the old one would have. */
  readonly livesMs: number | null;
}

/**
 * Puts a new token, with the same owner, name and scopes, in the place of an old one: one's own, or with scope admin
 * anybody's. Of two rotations of one token at the same moment one wins, so that no old text gives two new ones (T24).
 * Rejects with `not_found`, `wrong_state`, `forbidden`, `bad_input`.
 */
export async function rotateToken(
  context: HubContext,
  by: Token,
  from: From,
  { id, overlapMs, livesMs }: Rotation,
): Promise<IssuedToken> {
  if (overlapMs < 0 || overlapMs > MAX_OVERLAP_MS) {
    throw new HoldpointError('bad_input', `the old token goes on for ${MAX_OVERLAP_MS / 60_000} minutes at most`);
  }
  const now = context.clock.now();
  const { text, hash, prefix } = newTokenText(context);
  const actor = by.owner === null ? 'token:bootstrap' : userActor(by.owner);
  const deciding = { actor, address: from.address, client: from.client, now, policy: await context.policy() };
  const token = await settle(context, deciding, async (s) => {
    const old = await s.tx.token(id);
    const may = old !== null && (by.scopes.includes('admin') || old.owner?.id === by.owner?.id);
    if (old === null || old.owner === null || by.owner === null || !may)
      throw new HoldpointError('not_found', `there is no token ${id} of yours: list them with "holdpoint token list"`);
    if (!isUsable(old, now) || old.replacedBy !== null) {
      throw new HoldpointError(
        'wrong_state',
        `token ${id} has ended or was rotated already: make another with "holdpoint token create"`,
      );
    }
    // A text that a browser keeps from scripts must not become one that anybody can copy.
    if (isSession(old))
      throw new HoldpointError('wrong_state', `token ${id} is a session of the page: sign out and in again`);
    const maker = await s.tx.token(by.id);
    if (maker === null || !isUsable(maker, now))
      throw new HoldpointError('unauthenticated', 'this token was used up, revoked or is over: sign in with another');
    const { scopes, expiresAt } = rotationOf(maker, old, livesMs, now);
    const made = await s.tx.insertToken({
      ...UNUSED,
      hash,
      prefix,
      name: old.name,
      owner: old.owner,
      scopes,
      // Whoever has held the old one could have rotated it (T18).
      makers: [...new Set([...old.makers, ...makersOf(by, old.owner.id)])],
      createdAt: now,
      expiresAt,
    });
    const ended =
      overlapMs === 0
        ? { revokedAt: now, revokedBy: actor, revokedReason: 'rotated' }
        : { expiresAt: Math.min(old.expiresAt, now + overlapMs) };
    await s.tx.updateToken({ ...old, ...ended, replacedBy: made.id });
    await s.audit(
      'token_rotated',
      {},
      {
        token: id,
        new_token: made.id,
        owner: old.owner.id,
        scopes,
        old_ends_at: new Date(overlapMs === 0 ? now : Math.min(old.expiresAt, now + overlapMs)).toISOString(),
        expires_at: new Date(expiresAt).toISOString(),
        made_with: by.id,
      },
    );
    return made;
  });
  return { text, token };
}
