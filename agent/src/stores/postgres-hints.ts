import { randomBytes } from 'node:crypto';
import pg from 'pg';
import type { Clock } from '../ports/clock.ts';
import type { Hint, Hints } from '../ports/hints.ts';
import type { Log } from '../ports/log.ts';
import type { ChangedEvent } from '../ports/push.ts';
import { gatherParts, MAX_MESSAGE_BYTES, partsOf } from './notify-parts.ts';

const CHANNEL = 'holdpoint';
/** What is more than a hint; a hub of a version before does not listen there. */
const HUBS = 'holdpoint_hubs';
/** What the server calls the connection of a hub that listens. */
export const HINTS_NAME = 'holdpoint hints';
/** Between two tries to reach the server again. */
const AGAIN_MS = 1_000;
/** PostgreSQL takes 8,000 bytes; a hint has some 150. */
const MAX_HINT_BYTES = 4_000;
const CONNECT_MS = 5_000;
/** Hints of a server that stands still are dropped: everybody looks at the store again. */
const MAX_WAITING = 1_000;
/** The same of what is more than a hint. */
const MAX_WAITING_CHARS = 3 * MAX_MESSAGE_BYTES;
/** Parts of messages in one statement, 120 KiB at most: a hint that somebody waits for has its turn after them. */
const PARTS_AT_ONCE = 16;
/** In their order, however many there are. */
const TELL = {
  name: 'tell',
  text: 'select count(pg_notify($1, part)) from unnest($2::text[]) with ordinality as t (part, n)',
};

/** Hints by NOTIFY, on a connection of its own that is made again when it breaks. */
export function openPostgresHints({ url, clock, log }: { url: string; clock: Clock; log: Log }): Hints {
  const self = randomBytes(9).toString('base64url');
  let client: pg.Client | null = null;
  let take: (hint: Hint | 'missed') => void = () => {};
  let receive: (bytes: Uint8Array) => void = () => {};
  const gather = gatherParts(self);
  let messages = 0;
  let waitingChars = 0;
  let closed = false;
  let hints: string[] = [];
  const parts: string[] = [];
  let telling: Promise<void> | null = null;
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
      application_name: HINTS_NAME,
    });
    fresh.on('error', (error) => lost(fresh, error));
    fresh.on('end', () => lost(fresh));
    fresh.on('notification', ({ channel, payload }) => {
      if (channel === HUBS) {
        const message = gather(payload ?? '');
        if (message !== null) receive(message);
        return;
      }
      const read = channel === CHANNEL ? readHint(payload ?? '') : null;
      if (read !== null && read.from !== self) take(read.hint);
    });
    connecting = fresh
      .connect()
      .then(() => fresh.query(`listen ${CHANNEL}; listen ${HUBS}`))
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

  const say = async (channel: string, texts: readonly string[]): Promise<void> => {
    await client?.query({ ...TELL, values: [channel, texts] }).catch(() => {});
  };
  /** All hints that wait at once, and before anything longer goes on: an agent waits for them. */
  async function tellAll(): Promise<void> {
    // A decision has several hints at once.
    await Promise.resolve();
    for (;;) {
      if (hints.length > 0) {
        const all = hints;
        hints = [];
        await say(CHANNEL, all);
      } else if (parts.length > 0) {
        // The parts of two messages of one hub are never mixed: they all go this way.
        const some = parts.splice(0, PARTS_AT_ONCE);
        for (const { length } of some) waitingChars -= length;
        await say(HUBS, some);
      } else {
        telling = null;
        return;
      }
    }
  }
  const tell = (): void => {
    telling ??= tellAll();
  };
  return {
    publish(hint) {
      const text = JSON.stringify({ from: self, ...hint });
      if (client === null || hints.length >= MAX_WAITING || Buffer.byteLength(text) > MAX_HINT_BYTES) return;
      hints.push(text);
      tell();
    },
    listen(taker) {
      take = taker;
    },
    send(bytes) {
      if (client === null) return;
      const more = partsOf(self, ++messages, bytes);
      const chars = more.reduce((sum, { length }) => sum + length, 0);
      if (waitingChars + chars > MAX_WAITING_CHARS) return;
      waitingChars += chars;
      parts.push(...more);
      tell();
    },
    receive(taker) {
      receive = taker;
    },
    async close() {
      closed = true;
      cancel();
      await connecting;
      await telling;
      await client?.end().catch(() => {});
    },
  };
}

const CHANGES: Readonly<Record<ChangedEvent['type'], true>> = {
  hold: true,
  review: true,
  approval: true,
  deployment: true,
  break_glass: true,
  agent: true,
};
/** A name of an agent, a state: no text that somebody made up. */
const WORD = /^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/;

/** Null for whatever another program says on this channel: anybody who may connect to the database can. */
function readHint(payload: string): { readonly from: string; readonly hint: Hint } | null {
  try {
    const { from, wake, changed } = JSON.parse(payload) as { from?: unknown; wake?: unknown; changed?: ChangedEvent };
    if (typeof from !== 'string') return null;
    if (typeof wake === 'string') return WORD.test(wake) ? { from, hint: { wake } } : null;
    if (typeof changed !== 'object' || changed === null) return null;
    const { type, id, state, projectId } = changed;
    const isNumber = (value: unknown): boolean => Number.isSafeInteger(value) && (value as number) >= 0;
    if (!Object.hasOwn(CHANGES, type) || !isNumber(id) || typeof state !== 'string' || !WORD.test(state)) return null;
    if (projectId !== null && !isNumber(projectId)) return null;
    return { from, hint: { changed: { type, id, state, projectId } } };
  } catch {
    return null;
  }
}
