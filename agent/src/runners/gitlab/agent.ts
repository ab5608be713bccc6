import type { AddressInfo, Socket } from 'node:net';
import { measuredLot } from '../../app/parking/measured-lot.ts';
import type { HandOverReceipts } from '../../app/parking/parking.ts';
import { lotProblems } from '../../app/parking/problems.ts';
import { followHub, resume } from '../../app/parking/resume.ts';
import { createParking, stopParking } from '../../app/parking/tend.ts';
import { silentMeter, silentTracer } from '../../app/silent.ts';
import { steadyClock } from '../../app/steady-clock.ts';
import type { AgentProblem } from '../../domain/agent-problem.ts';
import { HoldpointError } from '../../domain/errors.ts';
import { isLive, type ParkingLimits } from '../../domain/parking.ts';
import { linkProblem } from '../../domain/readiness.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Gatekeeper } from '../../ports/gatekeeper.ts';
import type { Log } from '../../ports/log.ts';
import type { AgentMeter } from '../../ports/meter.ts';
import type { ParkingLot } from '../../ports/parking-lot.ts';
import type { Registries } from '../../ports/registry.ts';
import type { Repository } from '../../ports/repository.ts';
import type { RunnerTokenKeep } from '../../ports/runner-tokens.ts';
import type { Tracer } from '../../ports/tracer.ts';
import { createCiServer } from './ci-server.ts';
import { jobIdentity, lowerTimeout, readPayload } from './configuration.ts';
import { createGateway } from './gateway.ts';
import { jwksVerifier } from './id-tokens.ts';
import { createInFlight } from './in-flight.ts';
import { createKeySet } from './key-set.ts';
import { createLogTap } from './log-tap.ts';
import type { PayloadReader } from './payload-reader.ts';
import { createRecorder } from './recorder.ts';
import { createRunnerTokens, type RunnerEntry } from './runner-tokens.ts';
import { createUpstream } from './upstream.ts';

export interface AgentOptions {
  /** GitLab's URL; a path in it (GitLab under a relative URL) is kept. */
  readonly gitlabUrl: string;
  /** The authorities that are trusted for GitLab, PEM; without it the usual ones. */
  readonly gitlabCa?: string | undefined;
  /** A token that may read, for what a job's own may not ask; null where there is none. */
  readonly gitlabToken?: (() => string | null) | undefined;
  /** Certificate of the gateway itself, PEM; plain HTTP without. */
  readonly tls?: { readonly cert: string; readonly key: string } | undefined;
  readonly runners: readonly RunnerEntry[];
  /** How strictly the policy wants a runner gated at least; null where it says nothing. */
  readonly wanted?: ((runner: string) => 'monitor' | 'enforce' | null) | undefined;
  /** Where tokens that runners reset are kept; without it a runner with a gateway token cannot reset its token. */
  readonly runnerTokens?: RunnerTokenKeep | undefined;
  readonly parking: ParkingLimits;
  readonly gatekeeper: Gatekeeper;
  readonly parkingLot: ParkingLot;
  readonly clock: Clock;
  readonly log: Log;
  /** Why nothing that lies in the parking lot may be handed out; absent or null: nothing is known against it. */
  readonly giveUp?: string | null;
  readonly meter?: AgentMeter;
  readonly tracer?: Tracer;
  /** Reads files of repositories that the policy covers; absent: what it covers waits for people. */
  readonly repository?: Repository;
  /** Asks registries what images stand for; absent: what the policy pins waits for people. */
  readonly registries?: Registries;
  /** How payloads are read; another one than the real in tests only. */
  readonly payloads?: PayloadReader;
  /** Where a receipt is written of each job that goes out; absent where this host asks for none. */
  readonly receipts?: HandOverReceipts | undefined;
}

/** The agent: gateway, parked jobs and what keeps them alive. */
export interface Agent {
  /** Takes up what lies in the parking lot, then opens the gateway; on a socket that is open already where `fd` names one. */
  listen(host: string, port: number, fd?: number): Promise<{ readonly host: string; readonly port: number }>;
  /**
   * Stops taking polls, waits for answers that GitLab still owes and for open transfers (at most `drainMs`, default 55,000),
   * leaves parked jobs in the lot.
   */
  close(options?: { readonly drainMs?: number }): Promise<void>;
  /** How many jobs are in the agent's hands, by state; for metrics and readiness. */
  counts(): Readonly<Record<string, number>>;
  /** What people must look at; empty when all is well. */
  problems(): readonly AgentProblem[];
  /** Epoch ms at which the job came that waits longest; null while none waits. */
  oldestParkedAt(): number | null;
  /** Requests of runners that are not answered yet, by route. */
  openRequests(): ReadonlyMap<string, number>;
  /** Requests that are not answered yet, and jobs that wait. */
  left(): { readonly requests: number; readonly parked: number };
  /** Whether the hub has said on this connection how it has all that is parked. */
  inStep(): boolean;
}

/** Workhorse keeps a poll for 50 s: what it answers to one that is open when the agent stops is still kept (T40). */
const DRAIN_MS = 55_000;

/**
 * Whoever connected just before the stop has this long to say what is wanted: the kernel has taken the connection, so the next
 * process cannot. A runner on this host asks within milliseconds, one behind a slow line within its round trips.
 */
const NEWCOMER_MS = 1_000;

/** How soon whoever asks is told what is wrong. */
const LOOK_MS = 2_000;

/** Puts a gateway together; nothing runs before `listen`. The lot and the gatekeeper stay the caller's to close, after it. */
export function createAgent(options: AgentOptions): Agent {
  const { log, gatekeeper } = options;
  // What is parked lives by its heartbeats, and they by the clock: one that is put back must not hold them up.
  const clock = steadyClock(options.clock, log);
  const payloads = options.payloads ?? { readPayload, jobIdentity, lowerTimeout, jwksVerifier };
  const meter = options.meter ?? silentMeter;
  const inFlight = createInFlight();
  const upstream = createUpstream({ url: options.gitlabUrl, ca: options.gitlabCa, meter });
  const keySet = createKeySet(upstream, clock, payloads.jwksVerifier);
  const variableKey = (): Uint8Array | null => gatekeeper.variableKey();
  const parking = createParking({
    gatekeeper,
    lot: measuredLot(options.parkingLot, meter),
    meter,
    tracer: options.tracer ?? silentTracer,
    ci: createCiServer({
      ...{ upstream, keySet, payloads, variableKey, log },
      token: options.gitlabToken ?? (() => null),
      repository: options.repository ?? null,
      registries: options.registries ?? null,
      ca: options.gitlabCa ?? null,
    }),
    clock,
    log,
    limits: options.parking,
    divertTo: options.runners.filter((runner) => !runner.protected).map((runner) => runner.name),
    receipts: options.receipts,
    random: Math.random,
    giveUp: options.giveUp ?? null,
  });
  const open = new Set<Promise<unknown>>();
  const tokens = createRunnerTokens({ runners: options.runners, keep: options.runnerTokens ?? null, clock, log });
  const server = createGateway({
    parking,
    upstream,
    log,
    open,
    wanted: options.wanted,
    tokens,
    tap: createLogTap(gatekeeper),
    recorder: createRecorder(parking),
    tls: options.tls,
    inFlight,
  });

  const sockets = new Set<Socket>();
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });

  let awaySince: number | null = null;
  let awayAt = 0;
  /** The hub is not told of it: where it could hear it, it is over. */
  const unlinked = (): readonly AgentProblem[] => {
    if (gatekeeper.connected()) {
      awaySince = null;
      awayAt = clock.now();
      return [];
    }
    if (awayAt > 0) awaySince ??= awayAt;
    const message = 'the hub is away: what is parked stays parked and alive, no other job is let through';
    return [{ code: 'link', message, blocks: linkProblem(awaySince, clock.now()).blocks }];
  };
  const problems = (): readonly AgentProblem[] => [
    ...lotProblems(parking),
    ...tokens.troubles().map(({ runner, reason }) => ({
      code: 'runner_token' as const,
      blocks: false,
      message: `runner ${runner}: ${reason}`,
    })),
  ];
  const left = () => {
    const requests = Object.fromEntries([...inFlight.counts()].filter(([, count]) => count > 0));
    const parked = [...parking.entries.values()].filter(({ job }) => isLive(job.state)).length;
    return { requests, polls: open.size, parked };
  };
  let told = '[]';
  let cancelLook: () => void = () => {};
  const look = (): void => {
    unlinked();
    const found = problems();
    if (JSON.stringify(found) !== told) {
      told = JSON.stringify(found);
      const codes = found.map(({ code }) => code);
      if (found.length > 0) log.warn({ problems: codes }, found.map(({ message }) => message).join('; '));
      else log.info({}, 'nothing is wrong any more');
      gatekeeper.health?.(found);
    }
    cancelLook = clock.after(LOOK_MS, look);
  };

  return {
    async listen(host, port, fd) {
      await tokens.load();
      await resume(parking);
      followHub(parking);
      look();
      await new Promise<void>((resolve, reject) => {
        server.once('error', (cause: NodeJS.ErrnoException) => {
          const message = `gateway cannot listen on ${host}:${port} (${cause.code}): choose another gateway.listen`;
          reject(new HoldpointError('bad_config', message, { cause }));
        });
        if (fd === undefined) server.listen(port, host, resolve);
        else server.listen({ fd }, resolve);
      });
      const { address, port: taken } = server.address() as AddressInfo;
      return { host: address, port: taken };
    },
    async close({ drainMs = DRAIN_MS } = {}) {
      parking.closing = true;
      cancelLook();
      log.info({ ...left(), drainMs }, 'stopping: what is open is finished first, what is parked stays parked');
      const closed = server.listening ? new Promise<void>((resolve) => server.close(() => resolve())) : null;
      server.closeIdleConnections();
      const cancels: (() => void)[] = [];
      const after = (ms: number) => new Promise<void>((resolve) => cancels.push(clock.after(ms, resolve)));
      const newcomers = after(Math.min(NEWCOMER_MS, drainMs));
      const enough = after(drainMs);
      const answered = () => Promise.all([Promise.allSettled([...open]), inFlight.idle()]);
      const finish = async (): Promise<true> => {
        await answered();
        // What was answered before the stop, and read since, waits for nothing any more.
        server.closeIdleConnections();
        await Promise.race([closed, newcomers]);
        await answered();
        return true;
      };
      const over = await Promise.race([finish(), enough.then(() => false)]);
      for (const cancel of cancels) cancel();
      // Whoever is cut off tries again, and gets to whoever listens then.
      if (!over) log.warn(left(), 'stopping: the time is over, and what is still open is cut off');
      // Node's own list leaves out who has not yet finished the handshake of TLS, for two minutes.
      for (const socket of sockets) socket.destroy();
      await closed;
      await upstream.close();
      await Promise.allSettled([...open]);
      await tokens.close();
      await stopParking(parking);
    },
    counts() {
      const counts: Record<string, number> = {};
      for (const { job } of parking.entries.values()) counts[job.state] = (counts[job.state] ?? 0) + 1;
      return counts;
    },
    problems: () => [...problems(), ...unlinked()],
    oldestParkedAt() {
      let oldest: number | null = null;
      for (const { job } of parking.entries.values())
        if (isLive(job.state)) oldest = Math.min(oldest ?? job.receivedAt, job.receivedAt);
      return oldest;
    },
    openRequests: () => inFlight.counts(),
    left() {
      const { requests, parked } = left();
      return { requests: Object.values(requests).reduce((sum, count) => sum + count, 0), parked };
    },
    inStep: () => parking.synced && gatekeeper.connected(),
  };
}
