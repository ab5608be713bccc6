import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { payloadHash } from '../../agent/src/app/parking/stored.ts';
import type { Log } from '../../agent/src/ports/log.ts';
import { openParkingLot } from '../../agent/src/stores/parking-lot.ts';
import { openKeyFile } from '../../agent/src/system/key-file.ts';
import { sealUnder } from '../../agent/src/system/seal.ts';
import { jobToken } from './payload.ts';

/** Ids of copies: as wide as the others, and none of theirs. */
const COPIES_FROM = 200_000_000;
/** Files written at once. */
const AT_ONCE = 64;

const SILENT: Log = { debug() {}, info() {}, warn() {}, error() {}, child: () => SILENT };

/** Copies the folder of a stopped agent to another place and makes its agent.yml name that. */
export function copyFolder(from: string, to: string): void {
  cpSync(from, to, { recursive: true });
  const config = join(to, 'agent.yml');
  writeFileSync(config, readFileSync(config, 'utf8').replaceAll(from, to), { mode: 0o600 });
}

/** Rows of the hub's database like those of the parked jobs, under other ids. */
function multiplyRows(folder: string, originals: number, copies: number): void {
  const db = new Database(join(folder, 'state/hub.sqlite'));
  const shift = `(${originals} * n.i)`;
  const own: Readonly<Record<string, Readonly<Record<string, string>>>> = {
    holds: {
      id: `row.id + ${shift}`,
      pipeline_id: `row.pipeline_id + ${COPIES_FROM} + ${shift}`,
      pipeline_key: `'copy:' || row.id || ':' || n.i`,
    },
    attempts: { hold: `row.hold + ${shift}`, job_id: `row.job_id + ${COPIES_FROM} + ${shift}` },
  };
  db.transaction(() => {
    for (const [table, values] of Object.entries(own)) {
      const columns = (db.pragma(`table_info(${table})`) as { name: string }[]).map(({ name }) => name);
      db.exec(
        `with recursive n(i) as (select 1 union all select i + 1 from n where i < ${copies})
         insert into ${table} (${columns.join(', ')})
         select ${columns.map((name) => values[name] ?? `row.${name}`).join(', ')}
         from (select * from ${table}) as row, n`,
      );
    }
  })();
  db.close();
}

/**
 * Multiplies the parked jobs in the folder of a stopped agent until there are `wanted`: sealed files and rows as the
 * agent and its hub would have written them, in a fraction of the time. How many there are afterwards.
 */
export async function crowd(folder: string, wanted: number): Promise<number> {
  const seal = sealUnder(openKeyFile(join(folder, 'state/seal.key'), 'seal key', 'keys.seal'));
  const lot = await openParkingLot({ dir: join(folder, 'state/parking'), seal, log: SILENT });
  const { records } = await lot.load();
  const copies = Math.floor(wanted / records.length) - 1;
  if (copies < 1) {
    await lot.close();
    return records.length;
  }
  multiplyRows(folder, records.length, copies);
  const puts: (() => Promise<void>)[] = [];
  for (const { job, payload } of records) {
    const text = Buffer.from(payload ?? []).toString();
    const pipeline = /"pipeline_id":(\d{9})/.exec(text)?.[1] ?? '';
    for (let n = 1; n <= copies; n++) {
      const by = COPIES_FROM + records.length * n;
      const jobId = job.jobId + by;
      const copy = Buffer.from(
        text.replaceAll(String(job.jobId), String(jobId)).replaceAll(pipeline, String(Number(pipeline) + by)),
      );
      const hold = (job.hold ?? 0) + records.length * n;
      const record = { ...job, jobId, token: jobToken(jobId), hold, payloadSha256: payloadHash(copy) };
      puts.push(() => lot.put({ job: record, payload: copy }));
    }
  }
  while (puts.length > 0) await Promise.all(puts.splice(0, AT_ONCE).map((put) => put()));
  await lot.close();
  return records.length * (copies + 1);
}
