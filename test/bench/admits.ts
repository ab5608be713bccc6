import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { admit } from '../../agent/src/app/admit.ts';
import type { AdmitRequest } from '../../agent/src/ports/gatekeeper.ts';
import { readPayload } from '../../agent/src/runners/gitlab/configuration.ts';
import { openStore } from '../../agent/src/stores/store.ts';
import { hubWorld, type World } from '../support/hub-world.ts';
import { durableInsert } from './disk.ts';
import { digits, duration, median, percentile } from './measure.ts';
import { JOB, jobTemplate } from './payload.ts';
import { atEnd } from './processes.ts';
import { type Aim, atMost, type Section } from './report.ts';

const LEVELS = [1, 1_000, 10_000, 100_000] as const;
const ROUNDS = 3;
const ADMITS = 120;
/** A tenfold of what is stored may cost so much more: a logarithm, with room for the disk's mood. */
const GROWTH = 1.5;

const template = jobTemplate(20_000);
/** As short as the job of the fixture is. */
export const SHORT = jobTemplate(0);
let jobs = 100_000_000;

/** The next job of 20 KB, as an agent asks about it; of a variant that nobody has approved where one is given. */
export function nextRequest(variant = 0, of = template): AdmitRequest {
  jobs += 1;
  const text = of.render(jobs, jobs, variant);
  const read = readPayload(Buffer.from(text), {
    instance: 'https://gitlab.example.com',
    runner: 'bench',
    variableKey: new Uint8Array(32).fill(7),
    verifyIdToken: () => null,
  });
  if (!read.ok) throw new Error(`${read.path}: ${read.reason}`);
  const { digest, facts } = read;
  // As it comes over the link: plain objects, read from the text of a frame.
  return { digest, configuration: JSON.parse(JSON.stringify(read.configuration)), facts };
}

/** Approvals like this one, of other projects, jobs and digests; whole rows copied, so that they are like real ones. */
function multiply(path: string, approvals: number): void {
  const db = new Database(path);
  db.pragma('foreign_keys = ON');
  const own: Readonly<Record<string, string>> = {
    digest: `'sha256:' || printf('%064x', n.i)`,
    project_id: '100000 + n.i % 2000',
    job: `'job-' || (n.i / 2000 % 5)`,
    id: 'row.id + n.i',
    review: 'row.review + n.i',
  };
  db.transaction(() => {
    for (const table of ['configurations', 'reviews', 'approvals']) {
      const columns = (db.pragma(`table_info(${table})`) as { name: string }[]).map(({ name }) => name);
      const key = columns.includes('id') ? 'id' : 'rowid';
      db.exec(
        `with recursive n(i) as (select 1 union all select i + 1 from n where i < ${approvals})
         insert into ${table} (${columns.join(', ')})
         select ${columns.map((name) => own[name] ?? `row.${name}`).join(', ')}
         from n, (select * from ${table} order by ${key} limit 1) as row`,
      );
    }
  })();
  db.close();
}

interface Level {
  readonly approvals: number;
  readonly world: World;
  readonly times: number[];
}

async function open(folder: string, approvals: number): Promise<Level> {
  const path = join(folder, `hub-${approvals}.sqlite`);
  const store = await openStore({ path });
  const world = await hubWorld({ store });
  world.people = {
    users: [{ id: 21, username: 'maria', name: 'Maria', blocked: false }],
    groups: [],
    projects: [{ id: JOB.project, path: 'acme/web', members: [{ user: 21, accessLevel: 40 }] }],
  };
  const held = await admit(world.context, 'embedded', nextRequest());
  if (held.outcome !== 'hold' || held.hold === null) throw new Error(`the first job was answered ${held.outcome}`);
  await world.approve('maria', held.hold, { lifetime: 'standing' });
  if (approvals > 1) multiply(path, approvals - 1);
  return { approvals, world, times: [] };
}

/** How quickly the hub answers with a pass while more and more approvals are stored. */
export async function benchAdmits(): Promise<Section> {
  const folder = mkdtempSync(join(tmpdir(), 'holdpoint-admits-'));
  atEnd(() => rmSync(folder, { recursive: true, force: true }));
  const levels: Level[] = [];
  for (const approvals of LEVELS) levels.push(await open(folder, approvals));
  const insert = durableInsert(folder);
  const floor: number[] = [];
  for (let round = 0; round <= ROUNDS; round++) {
    for (const { world, times } of levels) {
      for (let n = 0; n < ADMITS; n++) {
        const request = nextRequest();
        const start = performance.now();
        const answer = await admit(world.context, 'embedded', request);
        const ms = performance.now() - start;
        if (answer.outcome !== 'pass') throw new Error(`an approved job was answered ${answer.outcome}`);
        if (round > 0) times.push(ms);
      }
    }
    for (let n = 0; n < ADMITS; n++) floor.push(insert());
  }
  for (const { world } of levels) await world.store.close();
  const p50 = (level: Level) => median(level.times);
  const least = p50(levels[0]!);
  const rows = levels.map((level) => [
    digits(level.approvals),
    digits(1000 / (level.times.reduce((sum, ms) => sum + ms, 0) / level.times.length)),
    duration(p50(level)),
    `${(p50(level) / least).toFixed(2)} ×`,
    duration(percentile(level.times, 0.99)),
    `${(p50(level) / median(floor)).toFixed(1)} ×`,
  ]);
  const most = p50(levels.at(-1)!) / least;
  const aims: Aim[] = [
    atMost('an admit with 100,000 approvals against one', GROWTH, most, (value) => `${value.toFixed(2)} ×`),
  ];
  return {
    title: 'Admits: the hub’s verdict with many stored approvals',
    about:
      'Jobs of 20 KB that an approval covers, one after the other: canonical text and digest again, then one transaction with Hold, attempt, use and audit row, ' +
      'durable (SQLite, `synchronous = FULL`) before it is answered. The approvals are of 2,000 projects with five jobs each.',
    tables: [
      {
        caption: `Floor: one durable insert of one row takes ${duration(median(floor))} here.`,
        head: ['approvals stored', 'admits/s', 'p50', '… of one approval', 'p99', '… of the floor'],
        rows,
      },
    ],
    aims,
    notes: [],
  };
}
