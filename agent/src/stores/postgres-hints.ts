import { randomBytes } from 'node:crypto';
import pg from 'pg';
import type { Clock } from '../ports/clock.ts';
import type { Hint, Hints } from '../ports/hints.ts';
import type { Log } from '../ports/log.ts';
import type { ChangedEvent } from '../ports/push.ts';

const CHANNEL = 'holdpoint';
/** Between two tries to reach the server again. */
const AGAIN_MS = 1_000;
/** PostgreSQL takes 8,000 bytes; a hint has some 150. */
const MAX_HINT_BYTES = 4_000;
const CONNECT_MS = 5_000;
/** Hints of a server that stands still are dropped: everybody looks at the store again. */
const MAX_WAITING = 1_000;

/** Hints by NOTIFY, on a connection of its own that is made again when it breaks. */
export function openPostgresHints({ url, clock, log }: { url: string; clock: Clock; log: Log }): Hints {
  const self = randomBytes(9).toString('base64url');
  let client: pg.Client | null = null;
  let take: (hint: Hint | 'missed') => void = () => {};
  let closed = false;
  let said: Promise<void> = Promise.resolve();
  let waiting = 0;
  let cancel = (): void => {};
  let connecting: Promise<void> = Promise.resolve();

  const lost = (from: pg.Client, error?: unknown): void => {
    if (client !== from && client !== null) return;
    client = null;
    if (closed) return;
    if (error !== undefined)
      log.debug({ error: String(error) }, 'the way to the other hubs is broken: it is tried again');
    cancel();
    cancel = clock.after(AGAIN_MS, connect);
  };
  function connect(): void {
    if (closed) return;
    const fresh = new pg.Client({
      connectionString: url,
      connectionTimeoutMillis: CONNECT_MS,
      keepAlive: true,
      application_name: 'holdpoint hints',
    });
    fresh.on('error', (error) => lost(fresh, error));
    fresh.on('end', () => lost(fresh));
    fresh.on('notification', ({ channel, payload }) => {
      const read = channel === CHANNEL ? readHint(payload ?? '') : null;
      if (read !== null && read.from !== self) take(read.hint);
    });
    connecting = fresh
      .connect()
      .then(() => fresh.query(`listen ${CHANNEL}`))
      .then(async () => {
        if (closed) {
          await fresh.end();
          return;
        }
        client = fresh;
        // What was said while nobody listened here is looked for in the store.
        take('missed');
      })
      .catch((error: unknown) => {
        fresh.end().catch(() => {});
        lost(fresh, error);
      });
  }
  connect();
  return {
    publish(hint) {
      const text = JSON.stringify({ from: self, ...hint });
      if (client === null || waiting >= MAX_WAITING || Buffer.byteLength(text) > MAX_HINT_BYTES) return;
      waiting += 1;
      said = said.then(async () => {
        waiting -= 1;
        await client?.query('select pg_notify($1, $2)', [CHANNEL, text]).catch(() => {});
      });
    },
    listen(taker) {
      take = taker;
    },
    async close() {
      closed = true;
      cancel();
      await connecting;
      await said;
      await client?.end().catch(() => {});
    },
  };
}

/** Null for whatever another program says on this channel. */
function readHint(payload: string): { readonly from: string; readonly hint: Hint } | null {
  try {
    const { from, wake, changed } = JSON.parse(payload) as { from?: unknown; wake?: unknown; changed?: ChangedEvent };
    if (typeof from !== 'string') return null;
    if (typeof wake === 'string') return { from, hint: { wake } };
    const event = typeof changed === 'object' && changed !== null ? changed : null;
    if (event === null || typeof event.id !== 'number' || typeof event.state !== 'string') return null;
    return { from, hint: { changed: event } };
  } catch {
    return null;
  }
}
