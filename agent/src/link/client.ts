import type { AgentProblem } from '../domain/agent-problem.ts';
import { HoldpointError } from '../domain/errors.ts';
import type { HeldSnapshot, SignedSnapshot } from '../domain/snapshot.ts';
import type { RevealedValue, RevealQuestion } from '../ports/agents.ts';
import type { Clock } from '../ports/clock.ts';
import type { Examined, Gatekeeper, HubPush } from '../ports/gatekeeper.ts';
import type { Log } from '../ports/log.ts';
import type { AgentMeter } from '../ports/meter.ts';
import type { HubFrame } from '../wire/link.ts';
import { reconnectDelayMs } from './backoff.ts';
import { type LinkTrust, openSession, type Session } from './session.ts';

const ANSWER_MS = 10_000;
/** A clock that is further off makes times on the page and in the audit hard to compare. */
const MAX_SKEW_MS = 60_000;
/** How old a snapshot is, and what the clock says, is told again after this. */
const STATUS_MS = 60_000;

export interface LinkClientOptions {
  /** `ws://…/api/v1/link` or `wss://…`; the `http(s)://` address of the hub is understood too. */
  readonly url: string;
  /** The agent's name, as the hub knows its key. */
  readonly agent: string;
  readonly version: string;
  readonly runners: readonly { readonly name: string; readonly protected: boolean }[];
  /** The hub's public key, 32 bytes: no other hub is talked to. */
  readonly hubKey: Uint8Array;
  /** Ed25519 over the bytes, with the agent's key. */
  readonly sign: (bytes: Uint8Array) => Uint8Array;
  /** Where the number of the last push that was acted upon is kept; 0 at first. */
  readonly cursor: { load(): Promise<number>; save(seq: number): Promise<void> };
  readonly clock: Clock;
  readonly log: Log;
  /** As it is at each connection; absent or null: what the system trusts. */
  readonly trust?: () => LinkTrust | null;
  readonly meter?: Pick<AgentMeter, 'link'>;
  /** The newest snapshot that the agent has; absent: it has none, ever. */
  readonly snapshot?: () => HeldSnapshot | null;
  /** How long an answer may take before the call rejects; default 10,000. */
  readonly answerMs?: number | undefined;
  /** 0 to 1, for jitter; default Math.random. */
  readonly random?: () => number;
}

/** Address of the link of a hub that is given by any of its addresses. */
export function linkUrl(url: string): string {
  const link = new URL(url);
  if (link.protocol === 'http:') link.protocol = 'ws:';
  if (link.protocol === 'https:') link.protocol = 'wss:';
  if (!link.pathname.endsWith('/api/v1/link')) link.pathname = `${link.pathname.replace(/\/+$/, '')}/api/v1/link`;
  return link.href;
}

function wrongAnswer(frame: HubFrame): HoldpointError {
  return new HoldpointError('hub_unreachable', `the hub answered with ${frame.type}, which was not asked for`);
}

/** The agent's end of the link: connects, stays connected, and is the Gatekeeper of the agent. */
export function createLinkClient(options: LinkClientOptions): Gatekeeper {
  const { clock, log } = options;
  const random = options.random ?? Math.random;
  const url = linkUrl(options.url);
  let session: Session | null = null;
  let welcomed = false;
  let key: Uint8Array | null = null;
  let policy: string | null = null;
  let closed = false;
  let failures = 0;
  let refs = 0;
  let acted = 0;
  let cancelRetry: () => void = () => {};
  let revealing: (question: RevealQuestion) => Promise<readonly RevealedValue[]> = async () => {
    throw new HoldpointError('cannot_reveal', 'the agent is only starting: try again');
  };
  let watching: (hold: number | null, on: boolean) => void = () => {};
  let examining: () => void = () => {};
  let examined: Examined | null = null;
  let snapshots: (snapshot: SignedSnapshot) => void = () => {};
  const connects: (() => void)[] = [];
  let health: readonly AgentProblem[] = [];
  let listen: (listener: (push: HubPush) => Promise<void>) => void = () => {};
  // A push that comes before anybody listens waits for who does.
  const listener = new Promise<(push: HubPush) => Promise<void>>((resolve) => {
    listen = resolve;
  });

  const retry = (): void => {
    if (closed) return;
    cancelRetry = clock.after(reconnectDelayMs(failures++, random()), connect);
  };

  let cancelStatus: () => void = () => {};
  function tellStatus(): void {
    cancelStatus();
    if (!welcomed) return;
    session?.status(options.snapshot?.() ?? null);
    cancelStatus = clock.after(STATUS_MS, tellStatus);
  }

  function takeWelcome(welcome: Extract<HubFrame, { type: 'welcome' }>, stay: () => boolean): void {
    const bytes = Buffer.from(welcome.variableKey, 'base64url');
    key = new Uint8Array(bytes);
    policy = welcome.policy;
    const skewMs = Date.parse(welcome.time) - clock.now();
    if (Math.abs(skewMs) > MAX_SKEW_MS) log.warn({ skewMs }, 'the clocks of hub and agent differ');
    log.info({ url: new URL(url).host }, 'linked to the hub');
    // Only a link that lasts makes the next wait short again: a hub that welcomes and drops is not to be hammered.
    clock.after(welcome.heartbeatMs, () => {
      if (stay()) failures = 0;
    });
    welcomed = true;
    options.meter?.link('welcome');
    session?.health(health);
    if (examined !== null) session?.examined(examined);
    tellStatus();
    for (const each of connects) each();
  }

  async function takePush(push: HubPush): Promise<void> {
    await (await listener)(push);
    acted = push.seq;
    // Only a hint where to go on: what is sent twice changes nothing twice.
    await options.cursor
      .save(acted)
      .catch((error: Error) => log.warn({ reason: error.message }, 'cursor was not saved'));
  }

  function connect(): void {
    if (closed) return;
    const mine = openSession({
      url,
      agent: options.agent,
      version: options.version,
      runners: options.runners,
      cursor: acted,
      trust: options.trust?.() ?? null,
      hubKey: options.hubKey,
      sign: options.sign,
      clock,
      log,
      answerMs: options.answerMs ?? ANSWER_MS,
      onWelcome: (welcome) => takeWelcome(welcome, () => session === mine && welcomed),
      onPush: takePush,
      onReveal: (question) => revealing(question),
      onWatch: (hold, on) => watching(hold, on),
      onExamine: () => examining(),
      snapshot: options.snapshot?.()?.seq ?? 0,
      onSnapshot: (snapshot) => {
        snapshots(snapshot);
        tellStatus();
      },
      onEnd: (why) => {
        if (welcomed) options.meter?.link('drop');
        welcomed = false;
        session = null;
        cancelStatus();
        // Who looks is told again by the hub that comes back.
        watching(null, false);
        if (!closed) log.warn({ url: new URL(url).host, why }, 'no link to the hub: what is parked stays parked');
        retry();
      },
    });
    session = mine;
  }

  const ask = (frame: Parameters<Session['ask']>[0]): Promise<HubFrame> =>
    session?.ask(frame) ?? Promise.reject(new HoldpointError('hub_unreachable', 'no link to the hub'));
  const nextRef = (): string => `${++refs}`;

  options.cursor.load().then(
    (seq) => {
      acted = seq;
      connect();
    },
    (error: Error) => {
      log.warn({ reason: error.message }, 'cursor was not read: the hub starts from its own');
      connect();
    },
  );

  return {
    async admit({ digest, configuration, facts, monitor, divert, offline, request, trace }) {
      const more = {
        ...(offline === undefined ? {} : { offline }),
        ...(monitor === undefined ? {} : { monitor }),
        ...(divert === undefined ? {} : { divert }),
        ...(request === undefined ? {} : { request }),
        ...(trace === undefined ? {} : { trace }),
      };
      const frame = { type: 'admit', ref: nextRef(), digest, configuration, facts, policy, ...more } as const;
      const answer = await ask(frame as unknown as Parameters<Session['ask']>[0]);
      if (answer.type !== 'verdict') throw wrongAnswer(answer);
      const { outcome, hold, approval, expires, reason, note, url: link, runner, liveMs, sections, recording } = answer;
      const said = {
        ...(runner == null ? {} : { runner }),
        ...(liveMs == null ? {} : { liveMs }),
        ...(sections == null ? {} : { sections }),
        ...(recording === undefined ? {} : { recording }),
      };
      return { outcome, hold, approval, expires, reason, note, url: link, ...said };
    },
    async report({ hold, jobId, event, at, detail }) {
      const frame = { type: 'report', ref: nextRef(), hold, jobId, event, at, detail };
      const answer = await ask(frame as unknown as Parameters<Session['ask']>[0]);
      if (answer.type !== 'state') throw wrongAnswer(answer);
      return answer.holds;
    },
    async sync(holds) {
      const frame = { type: 'sync', ref: nextRef(), holds: [...holds] } as const;
      const answer = await ask(frame);
      if (answer.type !== 'state') throw wrongAnswer(answer);
      return answer.holds;
    },
    variableKey: () => key,
    onPush: (each) => listen(each),
    async record(piece) {
      const frame = await ask({ type: 'record', ref: nextRef(), ...piece });
      if (frame.type !== 'recorded') throw wrongAnswer(frame);
      return { next: frame.next, problem: frame.problem };
    },
    onReveal: (each) => {
      revealing = each;
    },
    onWatch: (each) => {
      watching = each;
    },
    onSnapshot: (each) => {
      snapshots = each;
    },
    log: (piece) => session?.log(piece),
    onConnect: (each) => {
      connects.push(each);
    },
    connected: () => welcomed,
    health(problems) {
      health = problems;
      if (welcomed) session?.health(problems);
    },
    examined(report) {
      examined = report;
      if (welcomed) session?.examined(report);
    },
    onExamine: (each) => {
      examining = each;
    },
    async close() {
      closed = true;
      cancelRetry();
      cancelStatus();
      session?.close();
      session = null;
      welcomed = false;
    },
  };
}
