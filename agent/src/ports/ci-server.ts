import type { FilesRead } from '../domain/covered-files.ts';
import type { Facts } from '../domain/facts.ts';
import type { RegistryLogin } from '../domain/image-reference.ts';
import type { JsonObject } from '../domain/json.ts';
import type { Masks } from '../domain/masking.ts';
import type { PinnedImage } from '../domain/pinned-images.ts';
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
      /** Where the job takes its sources from; absent: nothing of it can be covered. */
      readonly sources?: JobSources;
      /** Hidden values of the payload by name; names without one are left out. */
      readonly reveal: (names: readonly string[]) => readonly RevealedValue[];
    }
  | { readonly ok: false; readonly retry: false; readonly path: string; readonly reason: string }
  /** Something that reading needs is not there yet (the variable key, the key set of id tokens): try again. */
  | { readonly ok: false; readonly retry: true; readonly reason: string };

/** Where a job takes what it runs with from, as its payload says. */
export interface JobSources {
  /** Path of the repository under the server's origin, as in `/acme/api.git`; null where the payload names none. */
  readonly repository: string | null;
  readonly commit: string;
  /** Why what is hashed would not be what runs, in words; null where the job checks its commit out. */
  readonly checkoutProblem: string | null;
  /** Image and services, with the job's inputs and variables replaced; null where that cannot be told, and why. */
  readonly images: readonly {
    readonly name: string;
    readonly reference: string | null;
    readonly unresolved?: string;
  }[];
  /** Who may pull where. */
  readonly registries: readonly RegistryLogin[];
  /** True for a text that holds a secret of the payload. */
  readonly holdsSecret: (text: string) => boolean;
}

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
  /** What no record of the job's log may show. */
  secrets(payload: Uint8Array): Masks;
  /** Asks with the job's own token who triggered it and where it deploys; what cannot be asked stays unverified. */
  verify(job: CiJob, facts: Facts): Promise<VerifiedFacts>;
  /** The files of the repository at the job's commit that the patterns mean; rejects for nothing. */
  coveredFiles?(job: CiJob, sources: JobSources, patterns: readonly string[]): Promise<FilesRead>;
  /** What the job's images stand for, asking these registries alone; rejects where it is worth another try. */
  pinnedImages?(sources: JobSources, registries: readonly string[], mayRetry: boolean): Promise<readonly PinnedImage[]>;
  /** Tells the server that the job lives; the answer is how the server has it. */
  keepAlive(job: CiJob): Promise<CiJobStatus>;
  /** Asks how the job stands without keeping it alive. */
  status(job: CiJob): Promise<CiJobStatus>;
  /** Fails the job; the answer is how the server has it afterwards. */
  fail(job: CiJob, reason: string): Promise<CiJobStatus>;
  /** Size of the job's log in bytes; null where the server does not say. Changes nothing. */
  logSize(job: CiJob): Promise<number | null>;
  /** Writes to the job's log at `offset` bytes; the answer is the size of the log afterwards. Writing the same again does no harm. */
  writeNote(job: CiJob, offset: number, text: string): Promise<number>;
}
