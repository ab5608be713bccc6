/**
 * Loaded into the hub ahead of its own modules (`--import`): notes when a decision was on disk and when its frame went out, which
 * nobody outside can see. Nothing else of the program is touched; SIGUSR2 has it written into the file that BENCH_STAMPS names,
 * after a collection of garbage, with what is in use then.
 */
import { renameSync, writeFileSync } from 'node:fs';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import Database from 'better-sqlite3';
import pg from 'pg';
import { WebSocket } from 'ws';

/** What was noted of one push. Nanoseconds of the machine's monotonic clock, in digits. */
export interface Stamp {
  readonly hold: number;
  readonly committed: string;
  readonly sent: string;
}

/** What a hub has noted, and how much memory its objects and buffers take. */
export interface Noted {
  readonly stamps: readonly Stamp[];
  readonly liveBytes: number;
}

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

const OUTBOX = /^insert into "outbox"/i;
const COMMIT = /^commit$/i;
/** Opens the text of a frame that releases. */
const RELEASE = '{"type":"release"';
const stamps: Stamp[] = [];
let pushes = false;
let committed = 0n;

function said(text: string): void {
  if (OUTBOX.test(text)) pushes = true;
}
function done(text: string): void {
  if (!pushes || !COMMIT.test(text)) return;
  pushes = false;
  committed = process.hrtime.bigint();
}

const { prepare } = Database.prototype;
Database.prototype.prepare = function (this: Database.Database, text: string) {
  const statement = prepare.call(this, text);
  if (!OUTBOX.test(text) && !COMMIT.test(text)) return statement;
  for (const name of ['run', 'all'] as const) {
    const plain = statement[name];
    Object.defineProperty(statement, name, {
      value: (...parameters: unknown[]) => {
        said(text);
        const result = Reflect.apply(plain, statement, parameters);
        done(text);
        return result;
      },
    });
  }
  return statement;
} as typeof prepare;

// biome-ignore lint/suspicious/noExplicitAny: `query` has a dozen shapes, and is handed on as it came
const { query } = pg.Client.prototype as any;
pg.Client.prototype.query = function (this: pg.Client, first: unknown, ...rest: unknown[]) {
  const text = typeof first === 'string' ? first : ((first as { text?: string }).text ?? '');
  said(text);
  const result = query.call(this, first, ...rest);
  if (COMMIT.test(text)) (result as Promise<unknown>)?.then?.(() => done(text));
  return result;
} as typeof query;

const { send } = WebSocket.prototype;
WebSocket.prototype.send = function (this: WebSocket, text: unknown, ...rest: unknown[]) {
  if (typeof text === 'string' && text.startsWith(RELEASE)) {
    const { hold } = JSON.parse(text) as { hold: number };
    stamps.push({ hold, committed: String(committed), sent: String(process.hrtime.bigint()) });
  }
  Reflect.apply(send, this, [text, ...rest]);
} as typeof send;

process.on('SIGUSR2', () => {
  const path = process.env.BENCH_STAMPS ?? '';
  collect();
  const { heapUsed, external } = process.memoryUsage();
  const noted: Noted = { stamps: stamps.splice(0), liveBytes: heapUsed + external };
  writeFileSync(`${path}.new`, JSON.stringify(noted));
  renameSync(`${path}.new`, path);
});
