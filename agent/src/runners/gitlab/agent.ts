import type { Json } from '../../domain/json.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Gatekeeper } from '../../ports/gatekeeper.ts';
import type { Log } from '../../ports/log.ts';
import type { ParkingLot } from '../../ports/parking-lot.ts';
import type { Reading, ReadOptions } from './configuration.ts';

/** One entry of `runners[]`: a runner whose polls this agent answers. */
export interface RunnerEntry {
  readonly name: string;
  readonly token: string;
  /** False lets its jobs pass ungated. */
  readonly protected: boolean;
}

/** How long jobs may wait and how many; milliseconds. */
export interface ParkingLimits {
  /** Jobs parked live at once; over it the oldest of the person with most is detached. */
  readonly maxHolds: number;
  /** Longest live stage. */
  readonly liveMs: number;
  /** What must be left of the job's timeout at hand-out, at most a third of it. */
  readonly liveFloorMs: number;
  readonly handoverConfirmMs: number;
  readonly heartbeatMs: number;
}

/** How payloads are read; replaced in tests only. */
export interface PayloadReader {
  readPayload(bytes: Uint8Array, options: ReadOptions): Reading;
  jobIdentity(bytes: Uint8Array): { id: number; token: string } | null;
  lowerTimeout(bytes: Uint8Array, timeoutS: number): Uint8Array;
  jwksVerifier(jwks: unknown): (jwt: string) => Record<string, Json> | null;
}

export interface AgentOptions {
  /** GitLab's URL; a path in it (GitLab under a relative URL) is kept. */
  readonly gitlabUrl: string;
  /** PEM of the authority of GitLab's certificate, where the system does not know it. */
  readonly gitlabCa?: string;
  /** Certificate of the gateway itself, PEM; plain HTTP without. */
  readonly tls?: { readonly cert: string; readonly key: string };
  readonly runners: readonly RunnerEntry[];
  readonly parking: ParkingLimits;
  readonly gatekeeper: Gatekeeper;
  readonly parkingLot: ParkingLot;
  readonly clock: Clock;
  readonly log: Log;
  readonly payloads?: PayloadReader;
}

/** The agent: gateway, parked jobs and what keeps them alive. */
export interface Agent {
  /** Takes up what lies in the parking lot, then opens the gateway. */
  listen(host: string, port: number): Promise<{ readonly port: number }>;
  /** Stops taking polls, waits for answers that GitLab still owes (at most `drainMs`, default 55,000), leaves parked jobs in the lot. */
  close(options?: { readonly drainMs?: number }): Promise<void>;
  /** How many jobs are in the agent's hands, by state; for metrics and readiness. */
  counts(): Readonly<Record<string, number>>;
}

/** Puts a gateway together; nothing runs before `listen`. */
export function createAgent(_options: AgentOptions): Agent {
  throw new Error('being written');
}
