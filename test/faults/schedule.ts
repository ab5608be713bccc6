import type { Random } from './random.ts';

/** Kinds of faults, each with what it does. */
export const FAULTS = {
  'agent killed': 'kill -9 of an agent, and a start some time later',
  'agent stopped': 'SIGTERM of an agent in the middle of its work, and a start',
  'agent stands': 'SIGSTOP of an agent, SIGCONT later',
  'hub killed': 'kill -9 of a hub, and a start some time later',
  'hub stopped': 'SIGTERM of a hub, and a start',
  'hub stands': 'SIGSTOP of a hub, SIGCONT later',
  'runner killed': 'a runner ends with whatever it runs, another starts',
  'runner rests': 'a runner asks for nothing for a while',
  'link partition': 'nothing passes between agent and hub, and no end is told',
  'link deaf': 'what the hub says does not reach the agent',
  'link mute': 'what the agent says does not reach the hub',
  'link slow': 'everything between agent and hub takes longer',
  'link cut': 'the connection between agent and hub is reset, and new ones are refused for a while',
  'link shuffled': 'messages between agent and hub come twice and out of turn',
  'link moved': 'the agent comes back to another hub',
  'certificate expired': 'the hub shows a certificate that is over',
  'gitlab partition': 'nothing passes between agent and GitLab',
  'gitlab slow': 'everything between agent and GitLab takes longer',
  'gitlab cut': 'the connections between agent and GitLab are reset',
  'gitlab errors': 'GitLab answers 500, 502, 503 or 429',
  'gitlab nonsense': 'GitLab answers what is no HTTP, no JSON, or half of it',
  'gitlab redirects': 'GitLab sends agents elsewhere',
  'gitlab silent': 'GitLab takes requests and does not answer',
  'runner partition': 'nothing passes between runner and agent',
  'runner cut': 'the connections between runner and agent are reset',
  'clock jump': 'the clock of an agent or a hub goes forward or back',
  'disk full': 'an agent or a hub can write to no file',
  'disk slow': 'every flush of an agent or a hub takes longer',
  'database killed': 'PostgreSQL crashes and comes back',
  'database stopped': 'PostgreSQL is restarted in order',
  'database partition': 'nothing passes between a hub and PostgreSQL',
  'database slow': 'every commit takes longer',
  'database failover': 'PostgreSQL crashes for good, its standby takes its place, and hubs are led there',
  'database full': 'the disk of PostgreSQL has no room',
  'standby stopped': 'the standby of PostgreSQL is away, and what is written waits for it',
} as const;
export type FaultKind = keyof typeof FAULTS;

/** One fault of a storm. Times are ms since its beginning. */
export interface Step {
  readonly at: number;
  readonly kind: FaultKind;
  /** Which agent, hub or runner, counted from 0; taken modulo how many there are. */
  readonly target: number;
  readonly forMs: number;
  /** What the kind makes of it: ms of delay, ms of the clock, which nonsense. */
  readonly amount: number;
}

/** What a world is made of. */
export interface Shape {
  readonly store: 'sqlite' | 'postgres';
  readonly hubs: number;
  readonly agents: number;
  readonly tls: boolean;
}

const JUMPS = [-3_600_000, -600_000, -8_000, -3_000, 5_000, 20_000, 300_000];

const WEIGHTS: Record<FaultKind, number> = {
  'agent killed': 6,
  'agent stopped': 2,
  'agent stands': 4,
  'hub killed': 5,
  'hub stopped': 2,
  'hub stands': 4,
  'runner killed': 3,
  'runner rests': 3,
  'link partition': 5,
  'link deaf': 4,
  'link mute': 4,
  'link slow': 4,
  'link cut': 5,
  'link shuffled': 7,
  'link moved': 4,
  'certificate expired': 3,
  'gitlab partition': 3,
  'gitlab slow': 3,
  'gitlab cut': 4,
  'gitlab errors': 4,
  'gitlab nonsense': 4,
  'gitlab redirects': 3,
  'gitlab silent': 2,
  'runner partition': 3,
  'runner cut': 5,
  'clock jump': 4,
  'disk full': 4,
  'disk slow': 4,
  'database killed': 4,
  'database stopped': 2,
  'database partition': 4,
  'database slow': 4,
  'database failover': 5,
  'database full': 4,
  'standby stopped': 3,
};

/** Kinds that can happen to such a world. */
export function kindsFor(shape: Shape): readonly FaultKind[] {
  return (Object.keys(FAULTS) as FaultKind[]).filter((kind) => {
    if (kind.startsWith('database') || kind.startsWith('standby')) return shape.store === 'postgres';
    if (kind === 'link moved') return shape.hubs > 1;
    if (kind === 'certificate expired') return shape.tls;
    return true;
  });
}

function amountOf(kind: FaultKind, random: Random): number {
  if (kind === 'clock jump') return random.pick(JUMPS);
  if (kind === 'disk slow' || kind === 'database slow') return random.between(30, 400);
  if (kind.endsWith('slow')) return random.between(50, 900);
  return random.between(0, 1_000);
}

/** The storm that a seed stands for: so many faults, spread over its time. `only`: kinds to choose from. */
export function stormOf(
  random: Random,
  shape: Shape,
  { forMs, faults, only }: { readonly forMs: number; readonly faults: number; readonly only?: readonly FaultKind[] },
): readonly Step[] {
  const kinds = kindsFor(shape).filter((kind) => only === undefined || only.includes(kind));
  const deck = kinds.flatMap((kind) => Array.from({ length: WEIGHTS[kind] }, () => kind));
  const steps: Step[] = [];
  while (steps.length < faults) {
    const kind = random.pick(deck);
    steps.push({
      at: random.between(0, forMs),
      kind,
      target: random.between(0, 5),
      forMs: random.between(200, 5_000),
      amount: amountOf(kind, random),
    });
  }
  return steps.sort((a, b) => a.at - b.at);
}
