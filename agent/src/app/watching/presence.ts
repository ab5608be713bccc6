import { HoldpointError } from '../../domain/errors.ts';
import { type Hold, isFinal } from '../../domain/hold.ts';
import { PRESENCE_GRACE_MS, PRESENCE_LOOK_MS, present, type Watcher } from '../../domain/watching.ts';
import type { StoreReader } from '../../ports/store.ts';
import { byCaller, type Caller, type HubContext, holdUrl, retrying } from '../hub-context.ts';
import { visibleHold } from '../see.ts';
import { settle } from '../settle.ts';
import { goOnWatched } from './go-on.ts';
import { eyesOn } from './live-gate.ts';
import { watchStanding } from './standing.ts';
import { stopHold } from './stop.ts';

/** Jobs that run watched at once, on all agents together. */
const MAX_LIVE_RUNS = 10_000;

/** One page, or one terminal, of one person; the name is the hub's own and never told to anybody. */
export interface Presence {
  readonly caller: Caller;
  readonly viewer: string;
}

/** Whether somebody may watch a job, before their page is asked for the first time. Rejects as `beginWatching`. */
export async function requireMayWatch(context: HubContext, caller: Caller, id: number): Promise<void> {
  const hold = await visibleHold(context, caller, id);
  const { watch } = await watchStanding(context, caller, hold, true);
  if (!watch.allowed) throw new HoldpointError(watch.code, `hold ${id}: ${watch.reason}`);
}

/**
 * Somebody watches a job from now on, in a page that has just answered: what waits for that alone goes. Rejects with `not_found`,
 * `wrong_state`, `not_eligible`, `self_approval`, `forbidden` (T18, T19).
 */
export async function beginWatching(context: HubContext, { caller, viewer }: Presence, id: number): Promise<void> {
  await retrying(async () => {
    const hold = await visibleHold(context, caller, id);
    const { watch } = await watchStanding(context, caller, hold, true);
    if (!watch.allowed) throw new HoldpointError(watch.code, `hold ${id}: ${watch.reason}`);
    const policy = await context.policy();
    const now = context.clock.now();
    await settle(context, { ...byCaller(caller), now, policy }, async (s) => {
      const same = await s.tx.hold(id);
      if (same === null || isFinal(same.state)) return;
      const before = await s.tx.watchers(id);
      const { id: person, username, name } = caller.person;
      const watcher: Watcher = { hold: id, viewer, person: { id: person, username, name }, since: now, seenAt: now };
      await s.tx.putWatcher(watcher);
      if (!present(before, now).some((one) => one.id === person)) {
        await s.audit('watch_began', { hold: same }, { job_id: same.attempts.at(-1)?.jobId ?? null });
        s.changed({ type: 'hold', id, state: same.state, projectId: same.subject.projectId });
      }
      await goOnWatched(s, same);
    });
  });
}

/**
 * A page has answered again, in which somebody may still watch. False where nobody watches through it any more, here or at
 * another hub: who has left does not come back with an answer that was on its way (T24).
 */
export async function stillWatching(context: HubContext, { viewer }: Presence, id: number): Promise<boolean> {
  return context.store.write((tx) => tx.seeWatcher(id, viewer, context.clock.now()));
}

/** Whether somebody may still watch; looked at with each heartbeat of their page. */
export async function mayStillWatch(context: HubContext, caller: Caller, id: number): Promise<boolean> {
  const hold = await visibleHold(context, caller, id).catch((error: unknown) => {
    // What could not be looked up is no leave: it is looked up again with the next heartbeat.
    if (error instanceof HoldpointError && error.code === 'not_found') return null;
    throw error;
  });
  return hold !== null && (await watchStanding(context, caller, hold, false)).watch.allowed;
}

/** Takes somebody's leave at once: their right or their session is over, or they say so themselves. */
export async function endWatching(context: HubContext, { caller, viewer }: Presence, id: number): Promise<void> {
  const deciding = { ...byCaller(caller), now: context.clock.now(), policy: await context.policy() };
  await settle(context, deciding, async (s) => {
    const before = await s.tx.watchers(id);
    if (!before.some((one) => one.viewer === viewer)) return;
    await s.tx.dropWatcher(id, viewer);
    const hold = await s.tx.hold(id);
    const stays = before.some((one) => one.viewer !== viewer && one.person.id === caller.person.id);
    if (hold === null || stays) return;
    await s.audit('watch_ended', { hold }, { job_id: hold.attempts.at(-1)?.jobId ?? null });
    s.changed({ type: 'hold', id, state: hold.state, projectId: hold.subject.projectId });
  });
}

/**
 * Looks whether everybody has left who has to be there, and stops what runs with nobody watching. After a start, and after a
 * time in which this hub itself did not look, nobody counts as gone before the grace is over once more: then it was the hub
 * that was away. Answers how many were stopped.
 */
export function watchPresence(context: HubContext): () => Promise<number> {
  let lookedAt = Number.NEGATIVE_INFINITY;
  let since = context.clock.now();
  return async () => {
    const now = context.clock.now();
    if (now - lookedAt > PRESENCE_LOOK_MS * 3) since = now;
    lookedAt = now;
    const policy = await context.policy();
    let stopped = 0;
    for (const run of await context.store.liveRuns(MAX_LIVE_RUNS)) {
      const thereNow = async (tx: Pick<StoreReader, 'facts' | 'watchers'>, hold: Hold) =>
        (await eyesOn({ policy, now, tx }, hold, Math.max(since, run.at))).watching;
      const found = await context.store.hold(run.hold);
      if (found === null || (await thereNow(context.store, found)).length >= run.need) continue;
      if ((await context.store.stopOf(run.hold, run.jobId)) !== null) continue;
      const deciding = { actor: 'system', address: null, now, policy };
      const done = await settle(context, deciding, async (s) => {
        const hold = await s.tx.hold(run.hold);
        if (hold?.state !== 'running') return false;
        const there = await thereNow(s.tx, hold);
        if (there.length >= run.need) return false;
        const reason =
          there.length === 0
            ? 'its policy asks for four eyes live, and nobody watches it any more'
            : `its policy asks for ${run.need} people who watch it live, and ${there.length} of them are left`;
        await stopHold(s, hold, { cause: 'unwatched', person: null, reason }, holdUrl(context, hold.id));
        return true;
      });
      if (done) stopped += 1;
    }
    return stopped;
  };
}

/** Forgets pages that have long been gone. */
export async function forgetWatchers(context: HubContext): Promise<void> {
  const before = context.clock.now() - 4 * PRESENCE_GRACE_MS;
  await context.store.write((tx) => tx.dropWatchers(before));
}
