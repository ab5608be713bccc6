import type { Facts } from '../../domain/facts.ts';
import type { Json, JsonObject } from '../../domain/json.ts';

/** What a reader of payloads must be told; the form depends on none of it but `variableKey` and the verifier. */
export interface ReadOptions {
  /** Origin of GitLab, e.g. `https://gitlab.example.com`. */
  readonly instance: string;
  /** The agent's own name for the `runners[]` entry that was given the job. */
  readonly runner: string;
  /** 32 bytes, or null where there is none: a payload with a value that needs it is then answered `variable_key_needed`. */
  readonly variableKey: Uint8Array | null;
  /** The claims of a JWT whose RS256 signature verifies against GitLab's key set, else null. */
  readonly verifyIdToken: (jwt: string) => Record<string, Json> | null;
}

/** What became of one leaf (or one variable) of the payload; no secret stands in it. */
export interface ExplainRow {
  /** Path in the payload, e.g. `steps[0].script[1]`, `variables.IMAGE`. */
  readonly path: string;
  readonly outcome: 'covered' | 'removed' | 'ignored' | 'rewritten';
  /** The leaf as it stands in the form or in the payload, secrets taken out; null where it must not be shown. */
  readonly value: string | null;
  /** Why it was removed or ignored, or what was replaced by what; empty for a leaf covered as it is. */
  readonly reason: string;
}

/** What is needed of a job to answer for it upstream. */
export interface JobOfPayload {
  readonly id: number;
  readonly token: string;
  readonly timeoutS: number;
  readonly failureReasons: readonly string[];
  /** True when the payload has a `suspend_options.runtime_environment_key`: such a job passes on a `run` Approval only. */
  readonly suspendKey: boolean;
}

/** A payload read: its Configuration, digest and Facts, or the reason why it has none. */
export type Reading =
  | {
      readonly ok: true;
      readonly configuration: JsonObject;
      readonly canonical: string;
      readonly digest: string;
      readonly facts: Facts;
      readonly job: JobOfPayload;
      /** Leaf by leaf, in the payload's order. */
      readonly explain: () => readonly ExplainRow[];
      /** Takes the payload's secrets out of a text. */
      readonly scrub: (text: string) => string;
    }
  | {
      readonly ok: false;
      readonly code: 'payload_refused' | 'variable_key_needed';
      readonly path: string;
      readonly reason: string;
    };

/** Reads the bytes of a job payload once, strictly; deterministic, and never throws because of the payload. */
export function readPayload(_bytes: Uint8Array, _options: ReadOptions): Reading {
  throw new Error('being written');
}

/** Id and token of a payload, leniently read: only good for failing a refused job upstream. */
export function jobIdentity(_bytes: Uint8Array): { id: number; token: string } | null {
  throw new Error('being written');
}

/** The same bytes with a lower `runner_info.timeout` (seconds, never below 60): a textual edit, checked by reading it again. */
export function lowerTimeout(_bytes: Uint8Array, _timeoutS: number): Uint8Array {
  throw new Error('being written');
}
