import type { JsonObject } from '../domain/json.ts';
import type { KeptReceipt } from '../domain/receipt.ts';

/** A payload as the runner will understand it. */
export interface HandedOver {
  readonly jobId: number;
  readonly timeoutS: number;
  readonly job: JsonObject;
  /** `sha256:…` of the job's canonical text. */
  readonly sha256: string;
}

/** JOB_RESPONSE_FILE read, or why it cannot be; the reason has no value of it. */
export type SeenJob =
  | { readonly ok: true; readonly jobId: number; readonly job: JsonObject; readonly sha256: string }
  | { readonly ok: false; readonly reason: string };

/** How payloads and what the runner makes of them are read and compared; what a CI system does stands behind it. */
export interface JobReader {
  handedOver(payload: Uint8Array): HandedOver | null;
  seen(file: Uint8Array): SeenJob;
  /** Places where they differ, as words without values. */
  differences(expected: JsonObject, seen: JsonObject): readonly string[];
}

/** Where receipts lie, sealed. Every write is durable when its promise resolves, and whole or not there at all. */
export interface ReceiptKeep {
  put(receipt: KeptReceipt): Promise<void>;
  /** Null when there is none; rejects with `bad_input` when what lies there cannot be trusted. */
  get(jobId: number): Promise<KeptReceipt | null>;
  remove(jobId: number): Promise<void>;
  /** Ids of all that lie there. */
  ids(): Promise<readonly number[]>;
}
