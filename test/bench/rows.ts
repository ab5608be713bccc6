import { createWriteStream } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Gatekeeper } from '../../agent/src/ports/gatekeeper.ts';
import { openHubKey, verifySignature } from '../../agent/src/system/hub-key.ts';
import { digits, duration, median, percentile, times } from './measure.ts';
import { peakMib, residentMib } from './processes.ts';
import { type Aim, atMost, type Section, type Table } from './report.ts';
import { type Ask, reads, seed, writes } from './rows-asks.ts';
import { fillRows, type RowsSize } from './rows-fill.ts';
import { type BenchHub, command, settleIn, startBenchHub, type World, writeHub } from './rows-hub.ts';
import { type Bulk, ownFolder, postgresKind, type StoreKind, sqliteKind } from './rows-stores.ts';

/** Of the full size; a try takes less. */
const SCALE = Number(process.env.HOLDPOINT_BENCH_SCALE ?? 1);
const SIZE: RowsSize = {
  waiting: Math.ceil(100_000 * SCALE),
  approvals: Math.ceil(1_000_000 * SCALE),
  projects: Math.max(40, Math.ceil(2_000 * Math.min(1, SCALE))),
};
/** A read is asked so often, or for so long. */
const READS = 150;
const READ_MS = 1_500;
const WARM = 3;
const POLL_MS = 200;
const CHECKED_MS = 240_000;

interface Times {
  readonly p50: number;
  readonly p99: number;
}

async function measure(asks: readonly Ask[]): Promise<Map<string, Times>> {
  const found = new Map<string, Times>();
  for (const { name, once, writes: fixed } of asks) {
    const all: number[] = [];
    const until = performance.now() + READ_MS;
    if (fixed === undefined) for (let n = 0; n < WARM && performance.now() < until; n++) await once(n);
    const enough = () => all.length >= (fixed ?? READS) || (fixed === undefined && performance.now() > until);
    do all.push(await once(WARM + all.length));
    while (!enough());
    found.set(name, { p50: median(all), p99: percentile(all, 0.99) });
    if (process.env.HOLDPOINT_BENCH_LOUD) process.stderr.write(`  ${name}: ${duration(median(all))} (${all.length})\n`);
  }
  return found;
}

async function linked(world: World, { url }: BenchHub): Promise<Gatekeeper> {
  const link = world.link(url);
  await new Promise<void>((resolve) => link.onConnect(resolve));
  return link;
}

/** One store of one size, as people and agents have it. */
async function measureHub(hub: BenchHub, world: World, size: RowsSize | null): Promise<Map<string, Times>> {
  const link = await linked(world, hub);
  if (size === null) await seed(hub, world, link);
  const found = await measure([...writes(hub, world, link), ...reads(hub, world, size)]);
  await link.close();
  return found;
}

interface Checked {
  readonly seconds: number;
  /** The longest that anybody waited for `/healthz` meanwhile, in ms. */
  readonly stall: number;
}

/** Waits until the hub has looked at its whole audit, as it does at each start. */
async function untilChecked({ url }: BenchHub): Promise<Checked> {
  const began = performance.now();
  let stall = 0;
  for (;;) {
    const start = performance.now();
    await (await fetch(`${url}/healthz`)).text();
    stall = Math.max(stall, performance.now() - start);
    const intact = /^holdpoint_hub_audit_intact (\d)/m.exec(await (await fetch(`${url}/metrics`)).text())?.[1];
    const seconds = (performance.now() - began) / 1000;
    if (intact === '1') return { seconds, stall };
    if (intact === '0') throw new Error('the audit that was filled in does not verify');
    if (seconds * 1000 > CHECKED_MS) throw new Error('the hub has not looked at its whole audit in time');
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

/** Everything as one file, and that file checked without the hub; seconds of each. */
async function exported(folder: string, { url }: BenchHub, { admin }: World) {
  const file = join(folder, 'audit.jsonl');
  const start = performance.now();
  const response = await fetch(`${url}/api/v1/audit/export`, { headers: { authorization: `Bearer ${admin}` } });
  if (!response.ok || response.body === null) throw new Error(`the export was answered ${response.status}`);
  await pipeline(Readable.fromWeb(response.body as never), createWriteStream(file));
  const exportS = (performance.now() - start) / 1000;
  const then = performance.now();
  const said = command(folder, ['--json', 'audit', 'verify', file], {});
  return { exportS, verifyS: (performance.now() - then) / 1000, said };
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

async function measureKind(kind: StoreKind): Promise<Found> {
  const folder = ownFolder();
  writeHub(folder, kind.config, SIZE.projects);
  let hub = await startBenchHub(folder);
  const world = await settleIn(hub);
  const small = await measureHub(hub, world, null);
  const emptyReadyMs = hub.readyMs;
  const emptyMib = residentMib([hub.pid]);
  await hub.end();

  const filling = performance.now();
  const bulk = await kind.bulk(folder);
  const signer = openHubKey(join(folder, 'state/hub.key'));
  const keeper = { signer, verify: verifySignature, witness: { load: () => null, save() {} } };
  await fillRows(bulk, kind, SIZE, keeper, Date.now());
  const fillS = (performance.now() - filling) / 1000;
  const floor = await floorOf(bulk);
  const gib = (await kind.bytes(bulk)) / 2 ** 30;
  const [{ rows: auditRows } = { rows: 0 }] = await bulk.rows<{ rows: number }>('select seq as rows from audit_head');
  await bulk.close();

  hub = await startBenchHub(folder);
  const checked = await untilChecked(hub);
  const startMib = peakMib([hub.pid]);
  const full = await measureHub(hub, world, SIZE);
  const { exportS, verifyS } = await exported(folder, hub, world);
  const gc = performance.now();
  command(folder, ['gc', '--dry-run', '--hub', hub.url], { HOLDPOINT_TOKEN: world.admin });
  const gcS = (performance.now() - gc) / 1000;
  const mib = peakMib([hub.pid]);
  const readyMs = hub.readyMs;
  await hub.end();
  await kind.end();
  const rate = (seconds: number) => `${digits(seconds)} s (${digits(Number(auditRows) / seconds)} rows/s)`;
  return {
    kind: kind.name,
    small,
    full,
    ...floor,
    whole: [
      ['size of the store', `${digits(gib)} GiB`],
      ['filled in', `${digits(fillS)} s`],
      ['start of the hub until it answers (of an empty store)', `${duration(readyMs)} (${duration(emptyReadyMs)})`],
      ['the look at the whole audit after it', rate(checked.seconds)],
      ['longest that a request waited meanwhile', duration(checked.stall)],
      ['memory after it, at most (idle, empty store)', `${digits(startMib)} MiB (${digits(emptyMib)} MiB)`],
      ['export of the audit', rate(exportS)],
      ['`holdpoint audit verify` of that file', rate(verifyS)],
      ['`holdpoint gc --dry-run` over all of it', `${digits(gcS)} s`],
      ['memory of the hub at most, in all of this', `${digits(mib)} MiB`],
    ],
  };
}

function asksTable({ kind, small, full, lookup, durable }: Found): Table {
  return {
    caption: `${kind}; one lookup by primary key takes ${duration(lookup)} here, one durable insert ${duration(durable)}:`,
    head: ['', 'p50', '… of a small store', 'p99', '… of a small store'],
    rows: [...full].map(([name, { p50, p99 }]) => {
      const before = small.get(name)!;
      return [name, duration(p50), times(p50 / before.p50), duration(p99), times(p99 / before.p99)];
    }),
  };
}

/** What a hub costs with a year of rows in its store, on both stores. */
export async function benchRows(): Promise<Section> {
  const only = process.env.HOLDPOINT_BENCH_STORE;
  const found: Found[] = [];
  if (only !== 'postgres') found.push(await measureKind(sqliteKind()));
  if (only !== 'sqlite') found.push(await measureKind(await postgresKind()));
  const aims: Aim[] = found.map(({ kind, full }) =>
    atMost(
      `admit p99 with ${digits(SIZE.approvals)} approvals, ${kind}`,
      10,
      full.get('admit of an approved job')!.p99,
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
      'A `holdpoint hub` as it is installed, people over HTTP, jobs of 20 KB over an agent’s link; one request at a time. Small: the same hub before it was filled, with some hundred rows.',
    tables: [...found.map(asksTable), whole],
    aims,
    notes: [],
  };
}
