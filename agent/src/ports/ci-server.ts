import type { Facts } from '../domain/facts.ts';
import type { JsonObject } from '../domain/json.ts';
import type { RevealedValue } from './agents.ts';

/** What it takes to speak to the CI server for one job. */
export interface CiJob {
  readonly jobId: number;
  readonly token: string;
}

/** A payload as the reader understood it, or the reason why it has no Configuration. */
export type PayloadReading =
  | {
      readonly ok: true;
      readonly configuration: JsonObject;
      readonly digest: string;
      readonly facts: Facts;
      readonly job: {
        readonly id: number;
        readonly token: string;
        readonly timeoutS: number;
        readonly failureReasons: readonly string[];
      };
      /** Whether nothing in the payload was made for a protected runner; absent is no. */
      readonly divertible?: () => boolean;
      /** Hidden values of the payload by name; names without one are left out. */
      readonly reveal: (names: readonly string[]) => readonly RevealedValue[];
    }
  | { readonly ok: false; readonly retry: false; readonly path: string; readonly reason: string }
  /** Something that reading needs is not there yet (the variable key, the key set of id tokens): try again. */
  | { readonly ok: false; readonly retry: true; readonly reason: string };

/** Facts with what the server itself confirmed, or why the job must not run. */
export type VerifiedFacts =
  | { readonly ok: true; readonly facts: Facts }
  | { readonly ok: false; readonly reason: string };

/** How a job stands, as the server said it; `refused`: it no longer takes anything for this job and did not say why. */
export type CiJobStatus = 'running' | 'canceling' | 'canceled' | 'failed' | 'success' | 'refused';

/** The CI server as the parking of jobs needs it. Calls reject when the server could not be asked; all are bounded in time. */
export interface CiServer {
  read(payload: Uint8Array, runner: string): Promise<PayloadReading>;
  /** Id and token of a payload that could not be read, to fail it; null when not even that can be told. */
  identity(payload: Uint8Array): { readonly id: number; readonly token: string } | null;
  /** The payload with its timeout lowered to `timeoutS` seconds, never below 60. */
  lowerTimeout(payload: Uint8Array, timeoutS: number): Uint8Array;
  /** Asks with the job's own token who triggered it and where it deploys; what cannot be asked stays unverified. */
  verify(job: CiJob, facts: Facts): Promise<VerifiedFacts>;
  /** Tells the server that the job lives; the answer is how the server has it. */
  keepAlive(job: CiJob): Promise<CiJobStatus>;
  /** Asks how the job stands without keeping it alive. */
  status(job: CiJob): Promise<CiJobStatus>;
  /** Fails the job; the answer is how the server has it afterwards. */
  fail(job: CiJob, reason: string): Promise<CiJobStatus>;
  /** Writes to the job's log at `offset` bytes; the answer is the size of the log afterwards. Writing the same again does no harm. */
  writeNote(job: CiJob, offset: number, text: string): Promise<number>;
}
