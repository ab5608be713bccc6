import { type BenchHub, type HubFolder, startBenchHub } from './link-hub.ts';
import { type Crowd, until } from './link-measures.ts';
import { digits } from './measure.ts';
import { cpuSeconds, peakMib } from './processes.ts';
import type { Table } from './report.ts';

/** A hub was killed under its agents, and started again. Seconds since it was killed. */
export interface Storm {
  readonly agents: number;
  /** Of those, with a question on its way when the hub was killed. */
  readonly asking: number;
  readonly readyS: number;
  readonly welcomedS: number;
  readonly answeredS: number;
  /** Agents whose question was never answered. */
  readonly left: number;
  readonly answers: Readonly<Record<string, number>>;
  /** Agents that were welcomed in each second. */
  readonly perSecond: readonly number[];
  readonly cpuS: number;
  readonly peakMib: number;
}

/** Longer than that and something does not come back at all. */
const BACK_MS = 150_000;

/** Half of the agents have a job that waits, half a question on its way; then the hub is killed and started at once. */
export async function storm(
  { folder, hub, crowd }: { readonly folder: HubFolder; readonly hub: BenchHub; readonly crowd: Crowd },
  agents: number,
): Promise<Storm> {
  const parked = Math.floor(agents / 2);
  await crowd.ask(0, parked);
  await crowd.expectEnd();
  const killed = Number(process.hrtime.bigint()) / 1e6;
  await hub.kill('SIGKILL');
  const again = await startBenchHub(folder);
  const ready = Number(process.hrtime.bigint()) / 1e6;
  const seen = await until(
    () => crowd.returned(),
    ({ left }) => left === 0,
    BACK_MS,
  ).catch(() => crowd.returned());
  const seconds = (at: number): number => (at - killed) / 1_000;
  const perSecond: number[] = [];
  for (const at of seen.welcomedAt) {
    const second = Math.floor(seconds(at));
    while (perSecond.length <= second) perSecond.push(0);
    perSecond[second]! += 1;
  }
  return {
    agents,
    asking: agents - parked,
    readyS: seconds(ready),
    welcomedS: seconds(latest(seen.welcomedAt)),
    answeredS: seconds(latest(seen.answeredAt)),
    left: seen.left,
    answers: seen.answers,
    perSecond,
    cpuS: cpuSeconds([again.pid]),
    peakMib: peakMib([again.pid]),
  };
}

const latest = (values: readonly number[]): number => values.reduce((most, value) => Math.max(most, value), 0);

/** The storm as tables: when who was back, and how many in each second. */
export function stormTables(storm: Storm): Table[] {
  const words = Object.entries(storm.answers).map(([answer, count]) => `${digits(count)} ${answer}`);
  const s = (value: number): string => `${digits(Number(value.toFixed(1)))} s`;
  const width = Math.max(1, Math.ceil(storm.perSecond.length / 12));
  const bins: string[][] = [];
  for (let from = 0; from < storm.perSecond.length; from += width) {
    const part = storm.perSecond.slice(from, from + width);
    bins.push([
      width === 1 ? `${from}` : `${from} to ${from + width - 1}`,
      digits(part.reduce((sum, each) => sum + each, 0)),
      digits(Math.max(...part)),
    ]);
  }
  return [
    {
      caption: `The hub was killed under ${digits(storm.agents)} agents, half of them with a job that waits, half with a question on its way, and started again:`,
      head: [
        'hub ready',
        'all linked',
        'all answered',
        'unanswered',
        'answers',
        'CPU of the hub',
        'its memory at most',
      ],
      rows: [
        [
          s(storm.readyS),
          s(storm.welcomedS),
          s(storm.answeredS),
          digits(storm.left),
          words.join(', '),
          s(storm.cpuS),
          `${digits(storm.peakMib)} MiB`,
        ],
      ],
    },
    {
      caption: 'Agents that were linked again, by seconds since the kill:',
      head: ['seconds', 'agents', 'most in one second'],
      rows: bins,
    },
  ];
}
