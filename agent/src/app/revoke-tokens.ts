import { HoldpointError } from '../domain/errors.ts';
import { ALL_REVOKED, isUsable, type Token } from '../domain/token.ts';
import type { StoreWriter } from '../ports/store.ts';
import { type HubContext, userActor } from './hub-context.ts';
import { settle } from './settle.ts';

/** Which tokens end. */
export interface TokensToRevoke {
  /** Everybody's, those of the user of this name, or (null) the asker's own. */
  readonly whose: { readonly user: string } | 'everybody' | null;
  /** False: the token that asks goes on, so that somebody can go on. */
  readonly thisToo: boolean;
  readonly reason: string | null;
}

const TOKENS_AT_A_TIME = 500;

/** All tokens of a person, or (null) of everybody, that can be used at this moment; sessions are among them. */
export async function usableTokens(tx: StoreWriter, owner: number | null, now: number): Promise<readonly Token[]> {
  const found: Token[] = [];
  for (let after = 0; ; ) {
    const page = await tx.tokens(owner, { after, limit: TOKENS_AT_A_TIME });
    if (page.length === 0) return found;
    after = page.at(-1)!.id;
    found.push(...page.filter((token) => isUsable(token, now)));
  }
}

/**
 * Ends many tokens at once, in an emergency: all or none of them. One's own everybody may end; others' ask for the scope
 * admin. Answers how many. Rejects with `forbidden`, `not_found`.
 */
export async function revokeTokens(
  context: HubContext,
  by: Token,
  from: { readonly address: string | null; readonly client: string | null },
  { whose, thisToo, reason }: TokensToRevoke,
): Promise<number> {
  const owner = await ownerOf(context, by, whose);
  const now = context.clock.now();
  const actor = by.owner === null ? 'token:bootstrap' : userActor(by.owner);
  return settle(context, { actor, ...from, now, policy: await context.policy() }, async (s) => {
    const ending = (await usableTokens(s.tx, owner, now)).filter((token) => thisToo || token.id !== by.id);
    for (const token of ending) {
      const words = owner === null ? ALL_REVOKED : (reason ?? 'all of this person were revoked');
      await s.tx.updateToken({ ...token, revokedAt: now, revokedBy: actor, revokedReason: words });
      await s.audit('token_revoked', {}, { token: token.id, owner: token.owner?.id ?? null });
    }
    await s.audit('tokens_revoked', {}, { owner, tokens: ending.length, this_too: thisToo, reason });
    return ending.length;
  });
}

async function ownerOf(context: HubContext, by: Token, whose: TokensToRevoke['whose']): Promise<number | null> {
  const isAdmin = by.scopes.includes('admin');
  if (whose === null && by.owner !== null) return by.owner.id;
  if (whose !== null && whose !== 'everybody' && whose.user === by.owner?.username) return by.owner.id;
  if (!isAdmin || by.owner === null)
    throw new HoldpointError('forbidden', "only a token with scope admin ends others' tokens: ask an administrator");
  if (whose === 'everybody' || whose === null) return null;
  const person = await context.directory.personNamed(whose.user);
  if (person === null)
    throw new HoldpointError('not_found', `there is no user ${whose.user}: is the name written as in GitLab?`);
  return person.id;
}
