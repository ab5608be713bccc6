import { startBenchAgent } from './agent-process.ts';
import type { Transfer } from './load.ts';
import { digits, median, times } from './measure.ts';
import { startNginx } from './nginx.ts';
import { forgetPeak, peakMib, residentMib, worker } from './processes.ts';
import { type Aim, atLeast, atMost, type Section } from './report.ts';

const GIB = 2 ** 30;
const SMALL = 128 * 2 ** 20;
const ROUNDS = 2;

type Way = 'direct' | 'nginx' | 'nginx tuned' | 'gateway';

/** Throughput and memory of large artifacts through the gateway, against nginx and against no proxy. */
export async function benchArtifact(): Promise<Section> {
  const upstream = await worker('upstream');
  const upstreamPort = await upstream.ask<number>({ kind: 'listen' });
  const load = await worker('load', { execArgv: ['--max-semi-space-size=64'] });
  const plain = await startNginx(upstreamPort, 'plain');
  const tuned = await startNginx(upstreamPort, 'tuned');
  const agent = await startBenchAgent({ gitlabPort: upstreamPort });
  const ways: { way: Way; port: number; pids: () => readonly number[] }[] = [
    { way: 'direct', port: upstreamPort, pids: () => [upstream.pid] },
    ...(plain === null ? [] : [{ way: 'nginx' as const, port: plain.port, pids: () => plain.pids() }]),
    ...(tuned === null ? [] : [{ way: 'nginx tuned' as const, port: tuned.port, pids: () => tuned.pids() }]),
    { way: 'gateway', port: agent.gatewayPort, pids: () => [agent.pid] },
  ];
  const rates = new Map<string, number[]>();
  const growths = new Map<string, number[]>();
  const note = (map: Map<string, number[]>, name: string, value: number) =>
    map.set(name, [...(map.get(name) ?? []), value]);
  for (let round = 0; round <= ROUNDS; round++) {
    for (const kind of ['download', 'upload'] as const) {
      for (const bytes of round === 0 ? [SMALL] : [SMALL, GIB]) {
        await upstream.ask({ kind: 'artifact', bytes });
        for (const { way, port, pids } of ways) {
          const before = residentMib(pids());
          forgetPeak(pids());
          const wanted: Transfer = { kind, port, bytes };
          const seconds = await load.ask<number>(wanted);
          if (round === 0) continue;
          note(rates, `${kind} ${bytes} ${way}`, bytes / 1e6 / seconds);
          note(growths, `${kind} ${bytes} ${way}`, peakMib(pids()) - before);
        }
      }
    }
  }
  const idle = residentMib([agent.pid]);
  await agent.end();
  const rate = (kind: string, way: Way, bytes = GIB) => median(rates.get(`${kind} ${bytes} ${way}`) ?? []);
  const growth = (kind: string, way: Way, bytes = GIB) => Math.max(...(growths.get(`${kind} ${bytes} ${way}`) ?? []));
  const mib = (value: number) => `${digits(Math.max(0, value))} MiB`;
  const against = (kind: string, way: Way, of: Way) =>
    ways.some((each) => each.way === of) ? times(rate(kind, way) / rate(kind, of)) : '–';
  const rows = (['download', 'upload'] as const).flatMap((kind) =>
    ways.map(({ way }) => [
      `${kind} ${way}`,
      digits(rate(kind, way)),
      against(kind, way, 'nginx'),
      against(kind, way, 'nginx tuned'),
      against(kind, way, 'direct'),
      way === 'direct' ? '–' : mib(growth(kind, way, SMALL)),
      way === 'direct' ? '–' : mib(growth(kind, way)),
    ]),
  );
  const aims: Aim[] = [];
  if (tuned !== null) {
    const ratio = (kind: string) => rate(kind, 'gateway') / rate(kind, 'nginx tuned');
    aims.push(atLeast('1 GiB down against tuned nginx', 0.6, ratio('download'), times));
    aims.push(atLeast('1 GiB up against tuned nginx', 0.7, ratio('upload'), times));
  }
  aims.push(atMost('memory growth of 1 GiB down', 32, growth('download', 'gateway'), mib));
  aims.push(atMost('memory growth of 1 GiB up', 32, growth('upload', 'gateway'), mib));
  return {
    title: 'Artifacts: MB/s and memory',
    about:
      'One artifact of 1 GiB at a time, down and up, through the same ways. nginx “tuned” streams with larger buffers and without files. ' +
      'Growth is the highest peak of resident memory of all processes of the proxy in a transfer, less what it had before it; a transfer of 128 MiB and one of 1 GiB.',
    tables: [
      {
        caption: 'Transfers:',
        head: ['', 'MB/s', '… of nginx', '… of tuned nginx', '… of direct', 'growth at 128 MiB', 'growth at 1 GiB'],
        rows,
      },
    ],
    aims,
    notes: [`The agent has ${mib(idle)} after all of these transfers.`],
  };
}
