import { createWriteStream } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Gatekeeper } from '../../agent/src/ports/gatekeeper.ts';
import { openHubKey, verifySignature } from '../../agent/src/system/hub-key.ts';
import { digits, duration, median, percentile, times } from './measure.ts';
import { cpuSeconds, peakMib, residentMib } from './processes.ts';
import { type Aim, atMost, type Section, type Table } from './report.ts';
import { ADMIT_APPROVED, type Ask, reads, seed, writes } from './rows-asks.ts';
import { fillRows, type RowsSize } from './rows-fill.ts';
import { type BenchHub, command, settleIn, startBenchHub, type World, writeHub } from './rows-hub.ts';
import { type Bulk, ownFolder, postgresKind, type StoreKind, sqliteKind } from './rows-stores.ts';
import { createSteps, type Steps } from './steps.ts';

/** Of the full size; a try takes less. */
const SCALE = Number(process.env.HOLDPOINT_BENCH_SCALE ?? 1);
const SIZE: RowsSize = {
  waiting: Math.ceil(100_000 * SCALE),
  approvals: Math.ceil(1_000_000 * SCALE),
  projects: Math.max(40, Math.ceil(2_000 * Math.min(1, SCALE))),
};
/** A read is asked so often, or for so long; for less long of a small store, which varies less. */
const READS = 120;
const READ_MS = Number(process.env.HOLDPOINT_BENCH_READ_MS ?? 1_000);
const SMALL_READ_MS = READ_MS * 0.4;
const WARM = 2;
/** One kind of question, asked again and again, takes no longer; nor does one walk of everything, nor the filling. */
const ASK_MS = 20_000;
const WALK_MS = 120_000;
const FILL_MS = 600_000;
const START_MS = 60_000;
/** Then nothing further begins. */
const TOTAL_MS = 25 * 60_000;
const POLL_MS = 200;
/** A hub is at rest when it has taken less than this part of a processor for so long. */
const REST_MS = 1_500;
const REST_PART = 0.05;

interface Times {
  readonly p50: number;
  readonly p99: number;
}

const say = (line: string): void => void process.stderr.write(`${line}\n`);

async function measure(steps: Steps, of: string, asks: readonly Ask[], readMs: number): Promise<Map<string, Times>> {
  const found = new Map<string, Times>();
  for (const { name, once, writes: fixed } of asks) {
    const all: number[] = [];
    const done = await steps.take(`${of}, ${name}`, ASK_MS, async (signal) => {
      const until = performance.now() + readMs;
      const timeIsUp = () => signal.aborted || (fixed === undefined && performance.now() > until);
      if (fixed === undefined) for (let n = 0; n < WARM && !timeIsUp(); n++) await once(n);
      do all.push(await once(WARM + all.length));
      while (all.length < (fixed ?? READS) && !timeIsUp());
      return true;
    });
    // Of what was too slow to be asked as often, what came of the first ones is told; of what failed, nothing.
    if (done || all.length > 0) found.set(name, { p50: median(all), p99: percentile(all, 0.99) });
  }
  return found;
}

async function linked(world: World, { url }: BenchHub): Promise<Gatekeeper> {
  const link = world.link(url);
  await new Promise<void>((resolve) => link.onConnect(resolve));
  return link;
}

/** One store of one size, as people and agents have it. */
async function measureHub(steps: Steps, kind: string, hub: BenchHub, world: World, size: RowsSize | null) {
  const of = `${kind}, ${size === null ? 'small' : 'full'}`;
  const link = await steps.take(`${of}, link`, START_MS, async () => {
    const made = await linked(world, hub);
    if (size === null) await seed(hub, world, made);
    return made;
  });
  if (link === null) return new Map<string, Times>();
  await steps.take(`${of}, its own work after the start`, WALK_MS, (signal) => untilRest(hub, signal));
  const asks = [...writes(hub, world, link), ...reads(hub, world, size)];
  const found = await measure(steps, of, asks, size === null ? SMALL_READ_MS : READ_MS);
  await link.close();
  return found;
}

interface Checked {
  readonly seconds: number;
  /** The longest that anybody waited for `/healthz` meanwhile, in ms. */
  readonly stall: number;
}

/** Waits until the hub has looked at its whole audit, as it does at each start. */
async function untilChecked({ url }: BenchHub, signal: AbortSignal): Promise<Checked> {
  const began = performance.now();
  let stall = 0;
  for (;;) {
    const start = performance.now();
    await (await fetch(`${url}/healthz`, { signal })).text();
    stall = Math.max(stall, performance.now() - start);
    const metrics = await (await fetch(`${url}/metrics`, { signal })).text();
    const intact = /^holdpoint_hub_audit_intact (\d)/m.exec(metrics)?.[1];
    if (intact === '1') return { seconds: (performance.now() - began) / 1000, stall };
    if (intact === '0') throw new Error('the audit that was filled in does not verify');
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

/** Waits until the hub does nothing by itself any more: after a start it compares its approvals with the audit, and agents get snapshots. */
async function untilRest({ pid }: BenchHub, signal: AbortSignal): Promise<void> {
  for (let before = cpuSeconds([pid]); ; ) {
    await new Promise((resolve) => setTimeout(resolve, REST_MS));
    signal.throwIfAborted();
    const now = cpuSeconds([pid]);
    if (now - before < (REST_MS / 1000) * REST_PART) return;
    before = now;
  }
}

/** Everything as one file; its name. */
async function exported(folder: string, { url }: BenchHub, { admin }: World, signal: AbortSignal): Promise<string> {
  const file = join(folder, 'audit.jsonl');
  const response = await fetch(`${url}/api/v1/audit/export`, { headers: { authorization: `Bearer ${admin}` }, signal });
  if (!response.ok || response.body === null) throw new Error(`the export was answered ${response.status}`);
  await pipeline(Readable.fromWeb(response.body as never), createWriteStream(file), { signal });
  return file;
}

interface Found {
  readonly kind: StoreKind['name'];
  readonly small: ReadonlyMap<string, Times>;
  readonly full: ReadonlyMap<string, Times>;
  readonly whole: readonly (readonly [name: string, value: string])[];
  readonly lookup: number;
  readonly durable: number;
}

async function floorOf(bulk: Bulk): Promise<{ readonly lookup: number; readonly durable: number }> {
  const [lookups, durables]: number[][] = [[], []];
  for (let n = 0; n < 300; n++) {
    lookups!.push(await bulk.lookup());
    durables!.push(await bulk.durable());
  }
  return { lookup: median(lookups!), durable: median(durables!) };
}

/** Fills the store of the hub that was ended; what it is then. */
async function filled(folder: string, kind: StoreKind) {
  const bulk = await kind.bulk(folder);
  try {
    const signer = openHubKey(join(folder, 'state/hub.key'));
    const keeper = { signer, verify: verifySignature, witness: { load: () => null, save() {} } };
    await fillRows(bulk, kind, SIZE, keeper, (what) => say(`  ${kind.name}: ${what}`));
    const floor = await floorOf(bulk);
    const gib = (await kind.bytes(bulk)) / 2 ** 30;
    const [{ rows } = { rows: 0 }] = await bulk.rows<{ rows: number }>('select seq as rows from audit_head');
    return { ...floor, gib, auditRows: Number(rows) };
  } finally {
    await bulk.close();
  }
}

/** Not a number of a hub that is no more. */
function mibOf(read: typeof peakMib, { pid }: BenchHub): number {
  try {
    return read([pid]);
  } catch {
    return Number.NaN;
  }
}

async function measureKind(steps: Steps, kind: StoreKind): Promise<Found | null> {
  const timed = async <T>(name: string, limitMs: number, work: (signal: AbortSignal) => Promise<T>) => {
    const start = performance.now();
    const value = await steps.take(`${kind.name}, ${name}`, limitMs, work);
    return value === null ? null : { value, seconds: (performance.now() - start) / 1000 };
  };
  const folder = ownFolder();
  writeHub(folder, kind.config, SIZE.projects);
  const first = await timed('start of an empty hub', START_MS, async () => {
    const hub = await startBenchHub(folder);
    return { hub, world: await settleIn(hub) };
  });
  if (first === null) return null;
  const { world } = first.value;
  const small = await measureHub(steps, kind.name, first.value.hub, world, null);
  const emptyMib = mibOf(residentMib, first.value.hub);
  await first.value.hub.end();
  const fill = await timed('filling', FILL_MS, () => filled(folder, kind));
  const start = fill && (await timed('start', START_MS, () => startBenchHub(folder)));
  if (fill === null || start === null) return null;
  const hub = start.value;
  const checked = await timed('the look at the whole audit', WALK_MS, (signal) => untilChecked(hub, signal));
  const compared = await timed('the comparison of approvals with it', WALK_MS, (signal) => untilRest(hub, signal));
  const startMib = mibOf(peakMib, hub);
  const full = await measureHub(steps, kind.name, hub, world, SIZE);
  const file = await timed('export', WALK_MS, (signal) => exported(folder, hub, world, signal));
  const verified =
    file && (await timed('verify', WALK_MS, (signal) => command(folder, ['audit', 'verify', file.value], {}, signal)));
  const asAdmin = { HOLDPOINT_TOKEN: world.admin };
  const gc = await timed('gc', WALK_MS, (signal) =>
    command(folder, ['gc', '--dry-run', '--hub', hub.url], asAdmin, signal),
  );
  const mib = mibOf(peakMib, hub);
  await hub.end();
  await kind.end();
  const { gib, auditRows, lookup, durable } = fill.value;
  const rate = (step: { readonly seconds: number } | null): string =>
    step === null ? 'not measured' : `${digits(step.seconds)} s (${digits(auditRows / step.seconds)} rows/s)`;
  return {
    kind: kind.name,
    small,
    full,
    lookup,
    durable,
    whole: [
      ['size of the store', `${digits(gib)} GiB`],
      ['filled in', `${digits(fill.seconds)} s`],
      [
        'start of the hub until it answers (of an empty store)',
        `${duration(hub.readyMs)} (${duration(first.value.hub.readyMs)})`,
      ],
      ['the look at the whole audit after it', rate(checked?.value ?? null)],
      ['the comparison of all approvals with it', compared === null ? 'not measured' : `${digits(compared.seconds)} s`],
      ['longest that a request waited meanwhile', checked === null ? 'not measured' : duration(checked.value.stall)],
      ['memory after it, at most (idle, empty store)', `${digits(startMib)} MiB (${digits(emptyMib)} MiB)`],
      ['export of the audit', rate(file)],
      ['`holdpoint audit verify` of that file', rate(verified)],
      ['`holdpoint gc --dry-run` over all of it', gc === null ? 'not measured' : `${digits(gc.seconds)} s`],
      ['memory of the hub at most, in all of this', `${digits(mib)} MiB`],
    ],
  };
}

function asksTable({ kind, small, full, lookup, durable }: Found): Table {
  return {
    caption: `${kind}; one lookup by primary key takes ${duration(lookup)} here, one durable insert ${duration(durable)}:`,
    head: ['', 'p50', '… of a small store', 'p99', '… of a small store'],
    rows: [...full].map(([name, { p50, p99 }]) => {
      const before = small.get(name) ?? { p50: Number.NaN, p99: Number.NaN };
      return [name, duration(p50), times(p50 / before.p50), duration(p99), times(p99 / before.p99)];
    }),
  };
}

/** What a hub costs with a year of rows in its store, on both stores. */
export async function benchRows(): Promise<Section> {
  const only = process.env.HOLDPOINT_BENCH_STORE;
  const steps = createSteps(say, TOTAL_MS);
  const found: Found[] = [];
  for (const [name, kind] of [
    ['sqlite', async () => sqliteKind()],
    ['postgres', postgresKind],
  ] as const) {
    if (only !== undefined && only !== name) continue;
    const measured = await measureKind(steps, await kind());
    if (measured === null) continue;
    found.push(measured);
    // What took ten minutes is not lost with the one that is measured after it.
    say(JSON.stringify({ kind: name, full: [...measured.full], small: [...measured.small], whole: measured.whole }));
  }
  if (found.length === 0) throw new Error(`nothing was measured: ${steps.failures.join('; ')}`);
  const aims: Aim[] = found.map(({ kind, full }) =>
    atMost(
      `admit p99 with ${digits(SIZE.approvals)} approvals, ${kind}`,
      10,
      full.get(ADMIT_APPROVED)?.p99 ?? Number.NaN,
      duration,
    ),
  );
  const whole: Table = {
    caption: 'Whole walks, each once:',
    head: ['', ...found.map(({ kind }) => kind)],
    rows: found[0]!.whole.map(([name], at) => [name, ...found.map((one) => one.whole[at]![1])]),
  };
  return {
    title: 'Rows: a hub with a year in its store',
    about:
      `${digits(SIZE.waiting)} Holds wait, each with its own question; ${digits(SIZE.approvals)} approvals of ${digits(SIZE.projects)} projects lie there, a third of them in force; and an audit tells of each, chained and signed. ` +
      'What waits is a job of 20 KB, what is approved a short one. A `holdpoint hub` as it is installed, people over HTTP, jobs of 20 KB over an agent’s link; one request at a time, once the hub has done with its own work after the start. Small: the same hub before it was filled, with some hundred rows.',
    tables: [...found.map(asksTable), whole],
    aims,
    notes: steps.failures.map((failure) => `**Not measured in full:** ${failure}`),
  };
}
