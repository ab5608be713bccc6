import type { HubContext } from './hub-context.ts';
import { nameOpenReviews } from './see.ts';
import { settle } from './settle.ts';

/**
 * Writes down that another version of the policy is in force than the audit knows of (T21, T34). Answers true when it was
 * another. A change that was made through Holdpoint itself stands there already, with who made it.
 */
export async function notePolicy(context: HubContext): Promise<boolean> {
  const policy = await context.policy();
  const deciding = { actor: 'system', address: null, now: context.clock.now(), policy };
  return settle(context, deciding, async (s) => {
    const [last] = await s.tx.auditRows(
      { events: ['policy_changed'], sight: null },
      { after: 0, limit: 1, newest: true },
    );
    const from = typeof last?.detail.to === 'string' ? last.detail.to : null;
    if (from === policy.version) return false;
    await s.audit('policy_changed', {}, { from, to: policy.version });
    await nameOpenReviews(s.tx, policy);
    return true;
  });
}
