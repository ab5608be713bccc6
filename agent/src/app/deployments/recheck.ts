import { type HubContext, retrying } from '../hub-context.ts';
import { settle } from '../settle.ts';
import { gateOf } from './gate.ts';
import { keepGate } from './keep.ts';

/** So many are looked at in one round; more are approved and not handed over nowhere. */
const MAX_OPEN = 1_000;
const PAGE = 100;

/** Looks at one Deployment as everything is now, and moves it and its Hold accordingly. True when that changed something. */
export async function recheckDeployment(context: HubContext, id: number): Promise<boolean> {
  return retrying(async () => {
    const policy = await context.policy();
    const deployment = await context.store.deployment(id);
    if (deployment === null || (deployment.state !== 'blocked' && deployment.state !== 'created')) return false;
    const gate = await gateOf(context, policy, deployment);
    const deciding = { actor: 'system', address: null, now: context.clock.now(), policy };
    return settle(context, deciding, async (s) => {
      const hold = await s.tx.hold(deployment.hold);
      const before = await s.tx.deployment(id);
      if (hold === null || before === null) return false;
      const after = await keepGate(s, hold, gate);
      return after.version !== hold.version || (await s.tx.deployment(id))?.version !== before.version;
    });
  });
}

/**
 * Takes back what is approved or started and is so no longer: whoever left, lost their right or was blocked counts no more,
 * up to the hand-over (T19). `states`: with `blocked` also what other rules might let go, or show to other people. Answers
 * how many it moved.
 */
export async function recheckDeployments(
  context: HubContext,
  states: readonly ('blocked' | 'created')[] = ['created'],
): Promise<number> {
  let moved = 0;
  for (let after = 0, seen = 0; seen < MAX_OPEN; ) {
    const page = await context.store.deployments({ states, sight: null }, { after, limit: PAGE });
    if (page.length === 0) break;
    for (const { id } of page) if (await recheckDeployment(context, id)) moved += 1;
    after = page.at(-1)?.id ?? after;
    seen += page.length;
  }
  return moved;
}

/** The same again and again; those that are blocked only when the policy or what the API protects is another than before. */
export function watchDeployments(context: HubContext): () => Promise<number> {
  let known: string | null = null;
  return async () => {
    const { version } = await context.policy();
    const rows = [
      ...(await context.store.protectedEnvironments('project', null)),
      ...(await context.store.protectedEnvironments('group', null)),
    ];
    const now = JSON.stringify([version, rows.map((row) => [row.id, row.version])]);
    const moved = await recheckDeployments(context, now === known ? ['created'] : ['blocked', 'created']);
    known = now;
    return moved;
  };
}
