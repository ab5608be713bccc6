import { liveUntil } from '../../domain/parking.ts';
import { admit, enforceLimits } from './admit.ts';
import { addEntry, type Entry, type Parking, sealNow } from './parking.ts';
import { payloadHash } from './stored.ts';

/** GitLab's own default; only until the payload has been read. */
const ASSUMED_TIMEOUT_S = 3_600;

/** `pass`: hand `payload` out, the entry is claimed for it. `held`: nothing for the runner. `not_understood`: no job could be told from it. */
export type Received =
  | { readonly outcome: 'pass'; readonly entry: Entry; readonly payload: Uint8Array }
  | { readonly outcome: 'held' }
  | { readonly outcome: 'not_understood' };

/**
 * Takes in what GitLab answered to a poll: sealed first, then read and admitted. Whatever goes wrong after the job's id
 * and token are known leaves it held, alive and asked for again: it is never lost (T40) and never passes (T30).
 */
export async function receive(
  parking: Parking,
  payload: Uint8Array,
  from: { readonly runner: string; readonly pool: string; readonly request?: string | null },
): Promise<Received> {
  const identity = parking.ci.identity(payload);
  if (identity === null) return { outcome: 'not_understood' };
  const { id: jobId, token } = identity;
  const { request = null } = from;
  if (parking.entries.has(jobId) || parking.ended.has(jobId)) {
    parking.log.warn({ job: jobId, request }, 'GitLab handed out a job twice: the second one is dropped');
    return { outcome: 'held' };
  }
  parking.meter.received();
  const span = parking.tracer.start('take in a job', { job: jobId, runner: from.runner, request });
  const now = parking.clock.now();
  const entry = addEntry(
    parking,
    {
      jobId,
      token,
      pool: from.pool,
      runner: from.runner,
      digest: null,
      payloadSha256: payloadHash(payload),
      hold: null,
      url: null,
      state: 'received',
      person: null,
      receivedAt: now,
      parkedUntil: liveUntil(now, ASSUMED_TIMEOUT_S, {
        ...parking.limits,
        liveMs: Math.max(parking.limits.liveMs, 60_000),
      }),
      handedOutAt: null,
      timeoutS: ASSUMED_TIMEOUT_S,
      failureReasons: [],
      noteBytes: 0,
      pendingNote: null,
      failWith: null,
      reports: [],
      request,
      ...(span.context === null ? {} : { trace: span.context }),
    },
    payload,
    false,
  );
  // GitLab has just counted it as alive: the first heartbeat is due in its time.
  entry.due.set('heartbeat', { at: now + parking.limits.heartbeatMs * (0.5 + parking.random() / 2), failures: 0 });
  entry.claimed = true;
  entry.busy.add('seal').add('admit');
  const sealed = await sealNow(parking, entry);
  entry.busy.delete('seal');
  const pass = sealed ? await admit(parking, entry) : null;
  entry.busy.delete('admit');
  const { hold, digest } = entry.job;
  const passes = pass !== null && entry.job.state === 'released';
  span.end({ hold, digest, outcome: passes ? 'pass' : 'held' });
  if (pass !== null && passes) return { outcome: 'pass', entry, payload: pass };
  letGo(parking, entry);
  enforceLimits(parking, entry.job);
  return { outcome: 'held' };
}

/** Gives up a claim: the job is there for the next poll, or for whatever else is due. */
export function letGo(parking: Parking, entry: Entry): void {
  entry.claimed = false;
  // Ten thousand jobs that wait for a hub must not wait in memory.
  if (entry.sealed) entry.payload = null;
  parking.tend(entry);
}
