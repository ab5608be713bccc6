import { HoldpointError } from '../../domain/errors.ts';
import type { Hold } from '../../domain/hold.ts';
import { type RetryAdvice, type RetryProgress, retryAdvice, retryStep } from '../../domain/retrying.ts';
import type { ChangedEvent } from '../../ports/push.ts';
import type { Caller } from '../hub-context.ts';
import { notFound, visibleHold } from '../see.ts';
import { cancelHold } from '../settle.ts';
import { type DetachedDeps, offersFor, settleDetached, type Tried, tryRetry } from './retry.ts';
import { tellStatuses } from './tell-status.ts';

/** Events come in crowds; one look at the store serves them all. */
const GATHER_MS = 500;
/** After another hub was at it. */
const SECOND_MS = 2_000;
/** A look though nothing was heard: what another process changed, what GitLab canceled. */
const IDLE_MS = 60_000;
/** A job that waits in GitLab's queue, and a Hold that waits for people: has somebody canceled it there? */
const LOOK_MS = 10 * 60_000;
/** After a refusal for good the operator may give another token. */
const REFUSED_MS = 60 * 60_000;
/** Back-off of a GitLab that is away. */
const AWAY_MIN_MS = 2_000;
const AWAY_MAX_MS = 5 * 60_000;
/** So many failures in a row are GitLab's, not a job's: the rest of the sweep would only wait for the same. */
const AWAY_AFTER = 3;
/** Detached Holds of one sweep. */
const BATCH = 1_000;
/** Questions about Holds that nobody has decided yet, in one sweep. */
const MAX_LOOKS = 50;

interface Entry {
  progress: RetryProgress;
  trigger: number | null;
  dueAt: number;
  failures: number;
}

/** The second stage of waiting: jobs that GitLab has ended while their Holds go on. */
export interface Detached {
  /** Begins to look; before it only what is asked for is done. */
  start(): void;
  /** A hint that something has changed. */
  noticed(event: ChangedEvent): void;
  /** What has to happen to a Hold, in words; null unless it is detached. */
  advice(hold: Hold): RetryAdvice | null;
  /** Retries the caller's own approved Hold now, with this credential of theirs or what is there. Rejects with `not_found`, `forbidden`, `wrong_state`, `ci_unreachable`. */
  retryNow(caller: Caller, id: number, own: string | null): Promise<void>;
  /** Somebody lent a credential: what waits for one is tried again. */
  lent(person: number): void;
  close(): Promise<void>;
}

/** Watches detached Holds: retries those that are approved, ends those that GitLab has canceled, sets commit statuses. */
export function watchDetached(deps: DetachedDeps): Detached {
  const { hub, log } = deps;
  const { clock, store } = hub;
  const entries = new Map<number, Entry>();
  const looked = new Map<number, number>();
  const refused = new Set<number>();
  const busy = new Map<number, Promise<Tried>>();
  let started = false;
  let stopped = false;
  let statusDueAt = 0;
  let statusFailures = 0;
  let awayUntil = 0;
  let awayFailures = 0;
  let sweeping: Promise<void> | null = null;
  let soon = false;
  let nextAt = Number.POSITIVE_INFINITY;
  let cancelTimer = (): void => {};

  const backOff = (failures: number): number =>
    Math.min(AWAY_MAX_MS, AWAY_MIN_MS * 2 ** Math.min(failures - 1, 10)) * (0.5 + hub.random(1)[0]! / 512);

  function sweepAt(at: number): void {
    if (stopped || at >= nextAt) return;
    nextAt = at;
    cancelTimer();
    cancelTimer = clock.after(Math.max(0, at - clock.now()), () => {
      nextAt = Number.POSITIVE_INFINITY;
      if (sweeping !== null) return sweepAt(clock.now() + GATHER_MS);
      // One hub at a time: two would ask GitLab for the same job twice. Whoever comes second looks again soon: it may have
      // what the first has not, a credential that somebody lent to it.
      sweeping = store
        .alone('detached', async () => {
          await sweep();
          return true;
        })
        .then((mine) => {
          if (mine === null) soon = true;
        })
        .catch((error: unknown) =>
          log.error(
            { reason: error instanceof Error ? error.message : String(error) },
            'a look at detached jobs failed',
          ),
        )
        .finally(() => {
          sweeping = null;
          if (soon) {
            soon = false;
            return sweepAt(clock.now() + SECOND_MS);
          }
          const due = [...entries.values()].map((entry) => entry.dueAt);
          sweepAt(Math.max(clock.now() + GATHER_MS, awayUntil, Math.min(clock.now() + IDLE_MS, ...due)));
        });
    });
  }

  const entryOf = (hold: Hold): Entry => {
    const known = entries.get(hold.id);
    if (known !== undefined) return known;
    const fresh: Entry = { progress: { at: 'trying', reason: null }, trigger: hold.trigger.id, dueAt: 0, failures: 0 };
    entries.set(hold.id, fresh);
    return fresh;
  };

  /** One try of a Hold at a time, whoever asks for it. */
  async function attempt(id: number, own: string | null): Promise<Tried> {
    await busy.get(id)?.catch(() => {});
    const trying = tryRetry(deps, id, own);
    busy.set(id, trying);
    try {
      return await trying;
    } finally {
      if (busy.get(id) === trying) busy.delete(id);
    }
  }

  /** Takes down what a try came to; true when it is settled as far as this program can. */
  function take(hold: Hold, tried: Tried): boolean {
    const entry = entryOf(hold);
    entry.failures = tried.at === 'again' ? entry.failures + 1 : 0;
    switch (tried.at) {
      case 'over':
        entries.delete(hold.id);
        return true;
      case 'queued':
        entry.progress = tried;
        entry.dueAt = clock.now() + LOOK_MS;
        return true;
      case 'person':
        if (entry.progress.at !== 'person')
          log.info({ hold: hold.id, reason: tried.reason }, 'a detached job waits for a person to retry it');
        entry.progress = tried;
        entry.dueAt = clock.now() + REFUSED_MS;
        return true;
      case 'again':
      case 'trying':
        entry.progress = { at: 'trying', reason: tried.reason };
        entry.dueAt = clock.now() + backOff(Math.max(1, entry.failures));
        return false;
      default:
        return tried satisfies never;
    }
  }

  function failed(hold: Hold, error: unknown): void {
    const entry = entryOf(hold);
    entry.failures += 1;
    const reason = error instanceof HoldpointError ? error.message : 'the hub failed at it: its log says more';
    entry.progress = { at: 'trying', reason };
    entry.dueAt = clock.now() + backOff(entry.failures);
    log[entry.failures === 1 ? 'warn' : 'debug'](
      { hold: hold.id, failures: entry.failures, reason },
      'a detached job could not be retried yet',
    );
  }

  async function retryPending(): Promise<void> {
    const pending = await store.detachedHolds('pending', BATCH);
    const ids = new Set(pending.map((hold) => hold.id));
    for (const id of entries.keys()) if (!ids.has(id)) entries.delete(id);
    /** Lines of pipelines whose older run has not been retried yet: a newer one must not go before it. */
    const blocked = new Set<string>();
    let inARow = 0;
    if (awayUntil > clock.now()) return;
    for (const hold of pending) {
      const line = JSON.stringify([hold.subject, hold.place.ref]);
      const entry = entryOf(hold);
      if (stopped) return;
      if (blocked.has(line)) continue;
      if (entry.dueAt > clock.now()) {
        if (entry.progress.at === 'trying') blocked.add(line);
        continue;
      }
      try {
        if (!take(hold, await attempt(hold.id, null))) blocked.add(line);
        inARow = 0;
        awayFailures = 0;
      } catch (error) {
        failed(hold, error);
        blocked.add(line);
        inARow += 1;
        if (inARow < AWAY_AFTER) continue;
        awayFailures += 1;
        awayUntil = clock.now() + backOff(awayFailures);
        return;
      }
    }
  }

  /** Whether GitLab has canceled, meanwhile, what nobody has decided yet. Without any credential nothing is asked. */
  async function lookAtWaiting(): Promise<void> {
    const waiting = await store.detachedHolds('waiting_for_approval', BATCH);
    const ids = new Set(waiting.map((hold) => hold.id));
    for (const id of looked.keys()) if (!ids.has(id)) looked.delete(id);
    let looks = 0;
    for (const hold of waiting) {
      if (stopped || looks >= MAX_LOOKS) return;
      if ((looked.get(hold.id) ?? 0) > clock.now()) continue;
      for await (const offer of offersFor(deps, hold, null)) {
        if ('refused' in offer) continue;
        looks += 1;
        const { projectId, job } = hold.subject;
        const jobId = hold.attempts.at(-1)!.jobId;
        const seen = await deps.ci.look(offer.text, { projectId, pipelineId: hold.pipelineId, jobId, job });
        if (!seen.ok) continue;
        const step = retryStep(hold, seen.value, 0);
        if (step.do === 'cancel') await settleDetached(deps, hold.id, (s, now) => cancelHold(s, now, step.reason));
        break;
      }
      looked.set(hold.id, clock.now() + LOOK_MS);
    }
  }

  async function sweep(): Promise<void> {
    await retryPending();
    if (stopped || statusDueAt > clock.now()) return;
    try {
      await lookAtWaiting();
      await tellStatuses(deps, refused);
      statusFailures = 0;
    } catch (error) {
      statusFailures += 1;
      statusDueAt = clock.now() + backOff(statusFailures);
      const reason = error instanceof Error ? error.message : String(error);
      log[statusFailures === 1 ? 'warn' : 'debug']({ reason }, 'GitLab could not be told or asked');
    }
  }

  return {
    start() {
      started = true;
      sweepAt(clock.now());
    },
    noticed(event) {
      if (started && event.type === 'hold') sweepAt(clock.now() + GATHER_MS);
    },
    advice(hold) {
      const { id, verified } = hold.trigger;
      const alone =
        deps.botToken() !== null ||
        (id !== null && verified !== 'unverified' && (deps.lent.of(id) ?? deps.lentElsewhere(id)) !== null);
      return retryAdvice(hold, entries.get(hold.id)?.progress ?? null, alone);
    },
    async retryNow(caller, id, own) {
      const hold = await visibleHold(hub, caller, id);
      if (hold.trigger.id !== caller.person.id || hold.trigger.verified === 'unverified') {
        throw new HoldpointError(
          'forbidden',
          `hold ${id}: only who triggered it has it retried here, since the job runs in their name; retry it in GitLab in yours`,
        );
      }
      const advice = retryAdvice(hold, null, true);
      if (hold.state !== 'pending' || advice === null) {
        const found = advice === null ? `it is ${hold.state} and no job of it has ended in GitLab` : advice.words;
        throw new HoldpointError('wrong_state', `hold ${id} is not to be retried: ${found}`);
      }
      if (own !== null) await deps.lent.requireOwn(caller.person, own);
      take(hold, await attempt(id, own));
      if ((await store.hold(id)) === null) throw notFound('hold', id);
    },
    lent(person) {
      for (const entry of entries.values()) if (entry.trigger === person) entry.dueAt = 0;
      sweepAt(clock.now());
    },
    async close() {
      stopped = true;
      cancelTimer();
      await sweeping;
      await Promise.allSettled(busy.values());
      deps.lent.clear();
    },
  };
}
