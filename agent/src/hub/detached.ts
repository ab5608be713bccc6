import { cancelJob } from '../app/detached/cancel-job.ts';
import { lentCredentials } from '../app/detached/credentials.ts';
import { type Detached, watchDetached } from '../app/detached/watch.ts';
import type { Caller, HubContext } from '../app/hub-context.ts';
import { byCaller } from '../app/hub-context.ts';
import { settle } from '../app/settle.ts';
import { HoldpointError } from '../domain/errors.ts';
import type { JsonObject } from '../domain/json.ts';
import { retryAdvice } from '../domain/retrying.ts';
import type { CiApi } from '../ports/ci-api.ts';
import type { Log } from '../ports/log.ts';
import type { DetachedRoutes } from './routes/context.ts';

/** Detached Holds as the hub has them: what watches them, and what people may ask. */
export type HubDetached = DetachedRoutes & Pick<Detached, 'start' | 'noticed' | 'close'>;

/** Puts the watch over detached Holds together; without a CI server people retry by themselves, and are told so. */
export function openDetached(
  hub: HubContext,
  ci: { readonly api: CiApi; readonly botToken: () => string | null } | null,
  log: Log,
): HubDetached {
  if (ci === null) {
    const refuse = async (): Promise<never> => {
      throw new HoldpointError('wrong_state', 'this hub has no way to GitLab: do it in GitLab yourself');
    };
    return {
      advice: (hold) => retryAdvice(hold, null, false),
      retryNow: refuse,
      cancelJob: refuse,
      lend: refuse,
      until: () => null,
      forget: async () => {},
      start: () => {},
      noticed: () => {},
      close: async () => {},
    };
  }
  const lent = lentCredentials(ci.api, hub.clock);
  const watch = watchDetached({ hub, ci: ci.api, lent, botToken: ci.botToken, log });
  /** That a credential was lent stands in the audit, the credential nowhere. */
  const audit = async (caller: Caller, event: string, detail: JsonObject): Promise<void> => {
    const deciding = { ...byCaller(caller), now: hub.clock.now() };
    return settle(hub, { ...deciding, policy: await hub.policy() }, (s) =>
      s.audit(event, {}, { token: caller.token.id, ...detail }),
    );
  };
  return {
    advice: watch.advice,
    retryNow: watch.retryNow,
    cancelJob: (caller, hold, own) => cancelJob(hub, { api: ci.api, lent }, caller, hold, own),
    start: watch.start,
    noticed: watch.noticed,
    close: watch.close,
    async lend(caller, text, livesMs) {
      const until = await lent.lend(caller.person, text, livesMs);
      await audit(caller, 'credential_lent', { until: new Date(until).toISOString() });
      watch.lent(caller.person.id);
      return until;
    },
    until: (caller) => lent.until(caller.person.id),
    async forget(caller) {
      if (lent.until(caller.person.id) === null) return;
      lent.forget(caller.person.id);
      await audit(caller, 'credential_taken_back', {});
    },
  };
}
