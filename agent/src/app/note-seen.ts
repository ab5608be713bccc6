import { byCaller, type Caller, type HubContext } from './hub-context.ts';
import type { HoldInspection } from './inspect.ts';
import { settle } from './settle.ts';

/**
 * Writes down, once for each person and Hold, that somebody who may decide has opened it: what they had before them when
 * they voted, or that nobody ever looked.
 */
export async function noteSeen(context: HubContext, caller: Caller, { hold, mayVote }: HoldInspection): Promise<void> {
  if (!mayVote.allowed) return;
  const of = { hold: hold.id, person: caller.person.id, events: ['hold_seen'], sight: null };
  const first = { after: 0, limit: 1 };
  if ((await context.store.auditRows(of, first)).length > 0) return;
  const deciding = { ...byCaller(caller), now: context.clock.now(), policy: await context.policy() };
  await settle(context, deciding, async (s) => {
    if ((await s.tx.auditRows(of, first)).length > 0) return;
    await s.audit('hold_seen', { hold }, { token: caller.token.id });
  });
}
