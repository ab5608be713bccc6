import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { request as httpRequest, type IncomingHttpHeaders } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentMeter } from '../../agent/src/app/silent.ts';
import type { ReceiptsConfig } from '../../agent/src/config/receipts.ts';
import type { ParkingLimits } from '../../agent/src/domain/parking.ts';
import type { Clock } from '../../agent/src/ports/clock.ts';
import type { Log } from '../../agent/src/ports/log.ts';
import type { ParkingLot } from '../../agent/src/ports/parking-lot.ts';
import type { RunnerTokenKeep } from '../../agent/src/ports/runner-tokens.ts';
import { type Agent, type AgentOptions, createAgent } from '../../agent/src/runners/gitlab/agent.ts';
import { openParkingLot } from '../../agent/src/stores/parking-lot.ts';
import { openRunnerTokens } from '../../agent/src/stores/runner-tokens.ts';
import { openKeyFile } from '../../agent/src/system/key-file.ts';
import { sealUnder } from '../../agent/src/system/seal.ts';
import { openReceipts } from '../../agent/src/wiring-receipts.ts';
import { type MemoryGatekeeper, memoryGatekeeper } from './memory-gatekeeper.ts';

export interface LogLine {
  readonly level: string;
  readonly fields: Record<string, unknown>;
  readonly message: string;
}

/** A log that remembers. */
export function rememberingLog(): Log & { readonly lines: LogLine[] } {
  const lines: LogLine[] = [];
  const at = (level: string) => (fields: Record<string, unknown>, message: string) => {
    lines.push({ level, fields, message });
  };
  const log = { lines, debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error'), child: () => log };
  return log;
}

/** A clock that a test moves. */
export type SkippingClock = Clock & {
  /** Time goes by: the clock goes on, and what is due then rings. */
  skip(ms: number): void;
  /** Somebody sets the clock: no time goes by. */
  set(ms: number): void;
};

/** The real clock, with timers that do not keep the process alive; `skip` moves it forward and rings what is due then. */
export function skippingClock(): SkippingClock {
  let [offset, set] = [0, 0];
  const timers = new Set<{ at: number; ring: () => void; timer: NodeJS.Timeout }>();
  const ticks = (): number => Date.now() + offset;
  return {
    now: () => ticks() + set,
    ticks,
    after(ms, run) {
      const entry = {
        at: ticks() + ms,
        ring: () => {},
        timer: setTimeout(() => entry.ring(), Math.min(ms, 2 ** 31 - 1)),
      };
      entry.ring = () => {
        clearTimeout(entry.timer);
        if (timers.delete(entry)) run();
      };
      entry.timer.unref();
      timers.add(entry);
      return () => {
        clearTimeout(entry.timer);
        timers.delete(entry);
      };
    },
    skip(ms) {
      offset += ms;
      for (const entry of [...timers].sort((a, b) => a.at - b.at)) if (entry.at <= ticks()) entry.ring();
    },
    set(ms) {
      set += ms;
    },
  };
}

export const LIMITS: ParkingLimits = {
  maxHolds: 100,
  maxHoldsPerProject: 100,
  maxHoldsPerTrigger: 100,
  liveMs: 3_600_000,
  liveFloorMs: 600_000,
  handoverConfirmMs: 90_000,
  heartbeatMs: 60_000,
};

export interface Gate {
  readonly agent: Agent;
  readonly gatekeeper: MemoryGatekeeper;
  readonly log: Log & { readonly lines: LogLine[] };
  readonly clock: SkippingClock;
  readonly dir: string;
  readonly url: string;
  readonly port: number;
  /** Stops the agent and starts another on the same folder. */
  restart(): Promise<Gate>;
  close(): Promise<void>;
}

export interface GateOptions {
  readonly gitlabUrl: string;
  readonly runners: AgentOptions['runners'];
  readonly gatekeeper?: MemoryGatekeeper;
  readonly limits?: Partial<ParkingLimits>;
  readonly dir?: string;
  readonly clock?: SkippingClock;
  readonly payloads?: AgentOptions['payloads'];
  readonly gitlabCa?: string;
  /** Default 0: a free one. */
  readonly port?: number;
  readonly tls?: AgentOptions['tls'];
  /** Wraps the place where reset tokens are kept, to make it fail. */
  readonly keep?: (keep: RunnerTokenKeep) => RunnerTokenKeep;
  /** Wraps the lot, to make it fail. */
  readonly lot?: (lot: ParkingLot) => ParkingLot;
  /** Receipts, asked for on this socket. */
  readonly receipts?: ReceiptsConfig;
}

/** An agent with a hub in memory, on a folder of its own, in front of the GitLab at `gitlabUrl`. */
export async function startGate(options: GateOptions): Promise<Gate> {
  const dir = options.dir ?? mkdtempSync(join(tmpdir(), 'holdpoint-gate-'));
  const gatekeeper = options.gatekeeper ?? memoryGatekeeper();
  const clock = options.clock ?? skippingClock();
  const log = rememberingLog();
  const seal = sealUnder(openKeyFile(join(dir, 'seal.key'), 'seal key', 'keys.seal'));
  const lot = await openParkingLot({ dir: join(dir, 'lot'), seal, log });
  const keep = openRunnerTokens({ dir: join(dir, 'runner-tokens'), seal });
  const stops: (() => Promise<void>)[] = [];
  const { receipts: config } = options;
  const desk = {
    stateDir: dir,
    seal,
    gatekeeper,
    meter: silentMeter,
    clock,
    log,
    restored: existsSync(join(dir, 'restored')),
  };
  const receipts = config === undefined ? undefined : await openReceipts({ ...desk, config }, stops);
  const agent = createAgent({
    receipts,
    gitlabUrl: options.gitlabUrl,
    gitlabCa: options.gitlabCa,
    tls: options.tls,
    runners: options.runners,
    runnerTokens: options.keep?.(keep) ?? keep,
    parking: { ...LIMITS, ...options.limits },
    gatekeeper,
    parkingLot: options.lot?.(lot) ?? lot,
    clock,
    log,
    ...(options.payloads === undefined ? {} : { payloads: options.payloads }),
  });
  const { port } = await agent.listen('127.0.0.1', options.port ?? 0);
  const stop = async (): Promise<void> => {
    await agent.close({ drainMs: 200 });
    for (const stop of stops.reverse()) await stop();
    await lot.close();
  };
  return {
    agent,
    gatekeeper,
    log,
    clock,
    dir,
    port,
    url: `http://127.0.0.1:${port}`,
    async restart() {
      await stop();
      return startGate({ ...options, dir, gatekeeper, clock });
    },
    async close() {
      await stop();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

export interface Reply {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

/** One request on a connection of its own, its path exactly as written. */
export function send(
  port: number,
  method: string,
  path: string,
  options: { headers?: Record<string, string>; body?: string | Uint8Array; signal?: AbortSignal } = {},
): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const { signal } = options;
    const req = httpRequest(
      {
        host: '127.0.0.1',
        port,
        method,
        path,
        headers: {
          ...(options.body === undefined ? {} : { 'content-length': Buffer.byteLength(options.body) }),
          ...options.headers,
        },
        agent: false,
        ...(signal ? { signal } : {}),
      },
      (res) => {
        const parts: Buffer[] = [];
        res.on('data', (part: Buffer) => parts.push(part));
        res.on('end', () => resolve({ status: res.statusCode ?? 0, headers: res.headers, body: Buffer.concat(parts) }));
        res.on('error', reject);
      },
    );
    req.on('error', reject);
    req.end(options.body);
  });
}

/** A poll as gitlab-runner 18 sends it. */
export function poll(
  port: number,
  token: string,
  more: Record<string, unknown> = {},
  signal?: AbortSignal,
): Promise<Reply> {
  const body = JSON.stringify({
    token,
    system_id: 's_0123456789ab',
    last_update: '',
    info: {
      name: 'gitlab-runner',
      version: '18.5.0',
      executor: 'docker',
      features: {
        variables: true,
        session: true,
        terminal: true,
        proxy: true,
        two_phase_job_commit: true,
        cancelable: true,
        cancel_gracefully: true,
      },
    },
    session: { url: 'https://10.0.0.1:8093', certificate: 'x', authorization: 'y' },
    ...more,
  });
  return send(port, 'POST', '/api/v4/jobs/request', {
    headers: {
      'content-type': 'application/json',
      'runner-token': token,
      'content-length': String(Buffer.byteLength(body)),
    },
    body,
    ...(signal ? { signal } : {}),
  });
}

/** Text of a payload among the fixtures. */
export function fixture(name: string): string {
  return readFileSync(new URL(`../fixtures/gitlab/${name}.json`, import.meta.url), 'utf8');
}

/** Resolves when `look` gives something; rejects after 8 s with the last thing seen. */
export async function until<T>(
  what: string,
  look: () => T | undefined | null | false,
  seen?: () => unknown,
): Promise<T> {
  const end = Date.now() + 8_000;
  for (;;) {
    const value = look();
    if (value !== undefined && value !== null && value !== false) return value;
    if (Date.now() > end) throw new Error(`waited for ${what}; last seen ${JSON.stringify(seen?.() ?? value)}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
