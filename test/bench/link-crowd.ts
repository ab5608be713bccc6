/** Many agents in one process: each is the agent's own end of the link, with a key and a job of its own. */
import { sign } from 'node:crypto';
import { HoldpointError } from '../../agent/src/domain/errors.ts';
import { createLinkClient } from '../../agent/src/link/client.ts';
import type { AdmitRequest, Gatekeeper } from '../../agent/src/ports/gatekeeper.ts';
import type { Log } from '../../agent/src/ports/log.ts';
import { readPayload } from '../../agent/src/runners/gitlab/configuration.ts';
import { createClock } from '../../agent/src/system/clock.ts';
import { agentKey, agentName } from './link-keys.ts';
import { JOB, jobTemplate, PROJECTS, PROJECTS_FROM } from './payload.ts';

/** Agents that are to be there, more of them than before. */
export interface Come {
  readonly kind: 'come';
  readonly url: string;
  /** Base64url. */
  readonly hubKey: string;
  readonly from: number;
  readonly to: number;
}
/** Agents of these numbers ask about a job each. */
export interface Ask {
  readonly kind: 'ask';
  readonly from: number;
  readonly to: number;
  readonly atOnce: number;
}
/** A job that waits. */
export interface Waiting {
  readonly agent: number;
  readonly hold: number;
  readonly digest: string;
}
/** Told of each push, unasked. `at`: nanoseconds of the monotonic clock, in digits. */
export interface Pushed {
  readonly event: 'push';
  readonly hold: number;
  readonly at: string;
}
/** How the agents came back. Milliseconds of the monotonic clock. */
export interface Returned {
  readonly welcomedAt: readonly number[];
  readonly answeredAt: readonly number[];
  /** What the hub answered, and how often. */
  readonly answers: Readonly<Record<string, number>>;
  readonly left: number;
}
/** When each snapshot came, in nanoseconds as above, and how long the last one was. */
export interface HeardSnapshots {
  readonly at: readonly string[];
  readonly bytes: number;
}
export type CrowdQuestion =
  | Come
  | Ask
  | { readonly kind: 'hello' | 'heard' | 'forget-heard' | 'returned' }
  /** From here on each is to ask until it is answered: those with a waiting job about that, the others about a new one. */
  | { readonly kind: 'expect-end' };

const SILENT: Log = { debug() {}, info() {}, warn() {}, error() {}, child: () => SILENT };
const JOB_BYTES = 16_000;
/** Job ids of agents begin here, all of one width. */
const JOBS_FROM = 300_000_000;
const clock = createClock();
const template = jobTemplate(JOB_BYTES);
const OWN_PROJECT = `"project_id":${JOB.project}`;
const now = (): number => Number(process.hrtime.bigint()) / 1e6;

interface Agent {
  readonly n: number;
  readonly link: Gatekeeper;
  waiting: (Waiting & { readonly jobId: number }) | null;
}
const agents = new Map<number, Agent>();
let onWelcome: (agent: Agent) => void = () => {};
let snapshots: string[] = [];
let snapshotBytes = 0;
let returned: {
  welcomedAt: number[];
  answeredAt: number[];
  answers: Record<string, number>;
  open: Set<number>;
} | null = null;

function requestOf({ n, link }: Agent): AdmitRequest & { readonly jobId: number } {
  const jobId = JOBS_FROM + n;
  const text = template
    .render(jobId, jobId, n)
    .replaceAll(OWN_PROJECT, `"project_id":${PROJECTS_FROM + (n % PROJECTS)}`);
  const read = readPayload(Buffer.from(text), {
    instance: 'https://gitlab.example.com',
    runner: 'bench',
    variableKey: link.variableKey() ?? new Uint8Array(32),
    verifyIdToken: () => null,
  });
  if (!read.ok) throw new Error(`${read.path}: ${read.reason}`);
  return { digest: read.digest, configuration: read.configuration, facts: read.facts, jobId };
}

function open(n: number, { url, hubKey }: Come): Agent {
  const key = agentKey(n);
  let seq = 0;
  const link = createLinkClient({
    url,
    agent: agentName(n),
    version: '0.0.0',
    runners: [{ name: 'bench', protected: true }],
    hubKey: Uint8Array.from(Buffer.from(hubKey, 'base64url')),
    sign: (bytes) => sign(null, bytes, key),
    cursor: {
      load: async () => seq,
      save: async (saved) => {
        seq = saved;
      },
    },
    clock,
    log: SILENT,
  });
  const agent: Agent = { n, link, waiting: null };
  link.onPush(async ({ hold }) => {
    process.send?.({ event: 'push', hold, at: String(process.hrtime.bigint()) } satisfies Pushed);
  });
  link.onSnapshot?.(({ head, body, signature }) => {
    // One without a body says only that the last one still holds.
    if (body === null) return;
    snapshots.push(String(process.hrtime.bigint()));
    snapshotBytes = head.length + body.length + signature.length;
  });
  link.onConnect(() => onWelcome(agent));
  return agent;
}

/** So many at once come as hosts do that are started one after the other, each as soon as another is there. */
const COME_AT_ONCE = 32;

async function come(wanted: Come): Promise<number> {
  let next = wanted.from;
  const one = async (): Promise<void> => {
    for (let n = next++; n < wanted.to; n = next++) {
      await new Promise<void>((resolve) => {
        const agent = open(n, wanted);
        agents.set(n, agent);
        agent.link.onConnect(resolve);
      });
    }
  };
  await Promise.all(Array.from({ length: COME_AT_ONCE }, one));
  return agents.size;
}

async function askOne(agent: Agent): Promise<Waiting> {
  const { jobId, ...request } = requestOf(agent);
  const { outcome, hold, reason } = await agent.link.admit(request);
  if (outcome !== 'hold' || hold === null) throw new Error(`${agentName(agent.n)} was answered ${outcome}: ${reason}`);
  agent.waiting = { agent: agent.n, hold, digest: request.digest, jobId };
  return { agent: agent.n, hold, digest: request.digest };
}

/** Asks again where no answer came in time, as an agent does. */
async function untilAnswered(agent: Agent): Promise<Waiting> {
  for (;;) {
    try {
      return await askOne(agent);
    } catch (error) {
      if (!(error instanceof HoldpointError) || error.code !== 'hub_unreachable') throw error;
      await new Promise((resolve) => setTimeout(resolve, 500));
    }
  }
}

async function ask({ from, to, atOnce }: Ask): Promise<readonly Waiting[]> {
  const found: Waiting[] = [];
  let next = from;
  const one = async (): Promise<void> => {
    for (let n = next++; n < to; n = next++) {
      const agent = agents.get(n);
      if (agent?.waiting === null) found.push(await untilAnswered(agent));
    }
  };
  await Promise.all(Array.from({ length: atOnce }, one));
  return found;
}

/** What an agent says as soon as it is linked again: what it has, or the question that was not answered. */
async function sayAgain(agent: Agent): Promise<string> {
  if (agent.waiting === null) return askOne(agent).then(() => 'hold');
  const { hold, jobId, digest } = agent.waiting;
  const [state] = await agent.link.sync([{ hold, jobId, digest, state: 'parked', parkedUntil: null }]);
  return state?.current === true ? state.state : 'unknown';
}

function expectEnd(): void {
  const mine = { welcomedAt: [] as number[], answeredAt: [] as number[], answers: {} as Record<string, number> };
  const state = { ...mine, open: new Set(agents.keys()) };
  returned = state;
  const trying = new Set<number>();
  const again = (agent: Agent): void => {
    if (!state.open.has(agent.n) || trying.has(agent.n)) return;
    trying.add(agent.n);
    sayAgain(agent).then(
      (answer) => {
        trying.delete(agent.n);
        if (!state.open.delete(agent.n)) return;
        state.answeredAt.push(now());
        state.answers[answer] = (state.answers[answer] ?? 0) + 1;
      },
      () => {
        // The link was lost, or no answer came in time: asked again as the agent does, now or when there is a link.
        trying.delete(agent.n);
        if (agent.link.connected()) setTimeout(() => again(agent), 1_000);
      },
    );
  };
  const back = new Set<number>();
  onWelcome = (agent) => {
    if (!back.has(agent.n)) state.welcomedAt.push(now());
    back.add(agent.n);
    again(agent);
  };
  // Those without a job have their question on its way when the hub is killed.
  for (const agent of agents.values()) if (agent.waiting === null) void askOne(agent).catch(() => {});
}

async function answerTo(question: CrowdQuestion): Promise<unknown> {
  switch (question.kind) {
    case 'come':
      return come(question);
    case 'ask':
      return ask(question);
    case 'expect-end':
      return expectEnd();
    case 'returned': {
      const { welcomedAt = [], answeredAt = [], answers = {} } = returned ?? {};
      return { welcomedAt, answeredAt, answers, left: returned?.open.size ?? 0 } satisfies Returned;
    }
    case 'heard':
      return { at: snapshots, bytes: snapshotBytes } satisfies HeardSnapshots;
    case 'forget-heard':
      snapshots = [];
      return null;
    default:
      return null;
  }
}

process.on('message', (question: CrowdQuestion) => {
  answerTo(question).then(
    (answer) => process.send?.({ answer: answer ?? null }),
    (error: Error) => {
      process.stderr.write(`link-crowd: ${error.stack}\n`);
      process.exit(1);
    },
  );
});
