import { readdirSync, statSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { agentFolder, RUNNER_TOKEN, startBenchAgent } from './agent-process.ts';
import type { Fill } from './load.ts';
import { digits, duration } from './measure.ts';
import { cpuSeconds, residentMib, worker } from './processes.ts';
import type { Section } from './report.ts';

const JOBS = 500;
const TRANSFERS = 200;
/** What starting and filling leave behind has been collected by then. */
const SETTLE_MS = 5_000;
const DEADLINE_MS = 240_000;

const settle = () => new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
const filesOf = (pid: number): number => readdirSync(`/proc/${pid}/fd`).length;

function bytesBelow(folder: string, fits: (name: string) => boolean): number {
  let bytes = 0;
  for (const name of readdirSync(folder)) if (fits(name)) bytes += statSync(join(folder, name)).blocks * 512;
  return bytes;
}

/** An upload that has begun and does not go on. */
function upload(port: number, job: number): Promise<{ end(): void }> {
  return new Promise((resolve, reject) => {
    const req = request({
      port,
      method: 'POST',
      path: `/api/v4/jobs/${job}/artifacts`,
      headers: { 'content-type': 'application/zip', 'content-length': 64 * 1024 * 1024 },
    });
    req.on('error', () => {});
    req.once('socket', (socket) => socket.once('error', reject));
    req.write(Buffer.alloc(1024 * 1024), () => resolve({ end: () => req.destroy() }));
  });
}

/** What an agent takes of memory, disk, files and CPU, idle and with much to do. */
export async function benchFootprint(): Promise<Section> {
  const upstream = await worker('upstream');
  const gitlabPort = await upstream.ask<number>({ kind: 'listen' });
  await upstream.ask({ kind: 'queue' });
  const folder = agentFolder(
    gitlabPort,
    `parking: { max_holds: ${JOBS * 2}, max_holds_per_project: ${JOBS * 2}, max_holds_per_trigger: ${JOBS * 2} }`,
  );
  const agent = await startBenchAgent({ gitlabPort, folder });
  const { pid, gatewayPort: port } = agent;
  const store = (): number => bytesBelow(join(folder, 'state'), (name) => name.startsWith('hub.sqlite'));
  const lot = (): number => bytesBelow(join(folder, 'state/parking'), (name) => name.endsWith('.job'));
  await settle();
  const idle = { mib: residentMib([pid]), files: filesOf(pid), store: store(), cpu: cpuSeconds([pid]) };

  let notes = 0;
  upstream.onEvent((event) => {
    if (event.event === 'note') notes += 1;
  });
  await upstream.ask({ kind: 'enqueue', variants: Array.from({ length: JOBS }, (_, index) => index) });
  const load = await worker('load');
  const fill: Fill = { kind: 'fill', port, connections: 8, polls: JOBS, runnerToken: RUNNER_TOKEN };
  await load.ask(fill);
  for (const end = Date.now() + DEADLINE_MS; notes < JOBS; await new Promise((resolve) => setTimeout(resolve, 100)))
    if (Date.now() > end) throw new Error(`wanted ${JOBS} parked jobs, last seen ${notes}`);
  const busy = cpuSeconds([pid]) - idle.cpu;
  await settle();
  const parked = { mib: residentMib([pid]), files: filesOf(pid), store: store(), lot: lot() };

  const quiet = { mib: residentMib([pid]), files: filesOf(pid) };
  const open = await Promise.all(Array.from({ length: TRANSFERS }, (_, index) => upload(port, 900_000_000 + index)));
  await settle();
  const transfers = { mib: residentMib([pid]), files: filesOf(pid) };
  for (const each of open) each.end();
  await agent.end();

  const kib = (bytes: number): string => `${digits(bytes / 1024)} KiB`;
  const mib = (value: number): string => `${digits(value)} MiB`;
  return {
    title: 'Footprint',
    about: `One agent with its embedded hub: idle, with ${JOBS} parked jobs of 20 KB and as many configurations, and with ${TRANSFERS} uploads open of which 1 MiB has come. The disk counts in blocks; CPU is of one core, from the poll to the note in the job's log.`,
    tables: [
      {
        caption: 'What it takes:',
        head: ['', 'idle', 'for each parked job', 'for each open transfer'],
        rows: [
          [
            'memory',
            mib(idle.mib),
            kib(((parked.mib - idle.mib) * 2 ** 20) / JOBS),
            kib(((transfers.mib - quiet.mib) * 2 ** 20) / TRANSFERS),
          ],
          [
            'files and connections',
            String(idle.files),
            digits((parked.files - idle.files) / JOBS),
            digits((transfers.files - quiet.files) / TRANSFERS),
          ],
          ['parking lot', '0', kib(parked.lot / JOBS), '0'],
          ['database', kib(idle.store), kib((parked.store - idle.store) / JOBS), '0'],
          ['CPU', '', duration((busy / JOBS) * 1_000), ''],
        ],
      },
    ],
    aims: [],
    notes: [],
  };
}
