import { IDLE_REASON, idleEndsAt } from '../domain/token.ts';
import { tokenPolicy } from './authenticate.ts';
import type { HubContext } from './hub-context.ts';
import { settle } from './settle.ts';

/** So many in one transaction; the rest comes with the next one. */
const BATCH = 100;

/** Ends tokens that nobody has used for as long as the policy says, for good: a later policy brings none back (T24). Answers how many. */
export async function endIdleTokens(context: HubContext): Promise<number> {
  const now = context.clock.now();
  const { idleMs } = await tokenPolicy(context);
  const deciding = { actor: 'system', address: null, now, policy: await context.policy() };
  const before = now - idleMs;
  // Nothing is idle nearly always: no write is begun for that.
  if ((await context.store.idleTokens(before, now, 1)).length === 0) return 0;
  return settle(context, deciding, async (s) => {
    const idle = await s.tx.idleTokens(before, now, BATCH);
    for (const token of idle) {
      await s.tx.updateToken({ ...token, revokedAt: now, revokedBy: 'system', revokedReason: IDLE_REASON });
      const detail = { token: token.id, owner: token.owner?.id ?? null };
      await s.audit('token_idle', {}, { ...detail, since: new Date(idleEndsAt(token, 0)).toISOString() });
    }
    return idle.length;
  });
}
