import { autoApprove } from '../app/auto-approve.ts';
import type { HubContext } from '../app/hub-context.ts';
import { HoldpointError } from '../domain/errors.ts';
import type { CiApi } from '../ports/ci-api.ts';
import type { Log } from '../ports/log.ts';
import type { ChangedEvent } from '../ports/push.ts';

/** Holds that wait to be looked at; what is beyond waits for people, who are asked in any case. */
const MAX_WAITING = 1_000;
/** GitLab tells of a push a moment after the pipeline has started. */
const TRIES_AFTER_MS = [1_000, 15_000, 60_000] as const;

/** Looks, one after the other, whether what begins to wait may pass without a vote. */
export interface AutoApprovals {
  noticed(event: ChangedEvent): void;
  close(): Promise<void>;
}

/** Where GitLab cannot be asked nothing passes: people decide. */
export function openAutoApprovals(
  hub: HubContext,
  ci: { readonly api: CiApi; readonly botToken: () => string | null } | null,
  log: Log,
): AutoApprovals {
  const cancels = new Map<number, () => void>();
  let working: Promise<void> = Promise.resolve();
  let stopped = false;

  const look = async (id: number, tries: number): Promise<void> => {
    if (ci === null || stopped) return;
    try {
      const tried = await autoApprove(hub, ci, id);
      if (tried.approved) {
        const { approval, person } = tried;
        log.info(
          { hold: id, approval, person: person.id },
          'approved without a vote, as the policy lets who pushed all of it',
        );
        return;
      }
      log.debug({ hold: id, why: tried.why }, 'not approved without a vote');
      const early = tried.why.startsWith('nobody knows who pushed') || tried.why.startsWith('the pushes do not lead');
      if (!early) return;
    } catch (error) {
      const reason = error instanceof HoldpointError ? error.message : String(error);
      log.warn({ hold: id, reason }, 'whether it may pass without a vote could not be found out: people decide');
    }
    later(id, tries + 1);
  };
  const later = (id: number, tries: number): void => {
    const ms = TRIES_AFTER_MS[tries];
    if (stopped || ms === undefined || cancels.has(id) || cancels.size >= MAX_WAITING) return;
    const cancel = hub.clock.after(ms, () => {
      cancels.delete(id);
      working = working.then(() => look(id, tries));
    });
    cancels.set(id, cancel);
  };

  return {
    noticed({ type, id, state }) {
      if (ci === null || type !== 'hold' || state !== 'waiting_for_approval' || cancels.has(id)) return;
      hub
        .policy()
        .then((policy) => {
          const speaks = [policy.base, ...policy.entries.map((entry) => entry.settings)];
          if (speaks.some((settings) => settings.autoApprove === 'pushed_by_approver')) later(id, 0);
        })
        .catch(() => {});
    },
    async close() {
      stopped = true;
      for (const cancel of cancels.values()) cancel();
      cancels.clear();
      await working;
    },
  };
}
