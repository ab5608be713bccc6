import { cancelJob } from '../app/detached/cancel-job.ts';
import { type LentCredentials, lentCredentials } from '../app/detached/credentials.ts';
import { type Detached, watchDetached } from '../app/detached/watch.ts';
import type { Caller, HubContext } from '../app/hub-context.ts';
import { byCaller } from '../app/hub-context.ts';
import { settle } from '../app/settle.ts';
import { HoldpointError } from '../domain/errors.ts';
import type { JsonObject } from '../domain/json.ts';
import { retryAdvice } from '../domain/retrying.ts';
import type { CiApi } from '../ports/ci-api.ts';
import type { Log } from '../ports/log.ts';
import type { FarHubs } from './between/far-hubs.ts';
import type { DetachedRoutes } from './routes/context.ts';

/** Detached Holds as the hub has them: what watches them, and what people may ask. */
export interface HubDetached extends DetachedRoutes, Pick<Detached, 'start' | 'noticed' | 'close'> {
  /** Who has lent this hub a credential, and until when. */
  lent(): ReturnType<LentCredentials['all']>;
  /** Somebody takes back, at another hub, what they lent to this one. */
  takenBack(person: number): void;
}

/** Puts the watch over detached Holds together; without a CI server people retry by themselves, and are told so. */
export function openDetached(
  hub: HubContext,
  ci: { readonly api: CiApi; readonly botToken: () => string | null } | null,
  others: Pick<FarHubs, 'lentUntil' | 'takeBack'> | null,
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
      lent: () => [],
      takenBack: () => {},
      start: () => {},
      noticed: () => {},
      close: async () => {},
    };
  }
  const lent = lentCredentials(ci.api, hub.clock);
  const lentElsewhere = (person: number) => others?.lentUntil(person) ?? null;
  const watch = watchDetached({ hub, ci: ci.api, lent, lentElsewhere, botToken: ci.botToken, log });
  const until = ({ person }: Caller) => lent.until(person.id) ?? lentElsewhere(person.id);
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
    until,
    lent: lent.all,
    takenBack: (person) => lent.forget(person),
    async forget(caller) {
      if (until(caller) === null) return;
      lent.forget(caller.person.id);
      others?.takeBack(caller.person.id);
      await audit(caller, 'credential_taken_back', {});
    },
  };
}
