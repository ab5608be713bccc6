import type { ReceiptWay } from '../domain/receipt.ts';

/** What a receipt says about the job that was let through. */
export interface SpentReceipt {
  readonly jobId: number;
  /** Digest of the configuration that was approved. */
  readonly digest: string;
  /** Name of the runner that the job was handed to. */
  readonly runner: string;
  /** Content digest (`sha256:…`) by image reference, variables in it replaced; empty where none was pinned. */
  readonly images: Readonly<Record<string, string>>;
  /** Why it was let through, in a word: `gate` where the hub decided. Digest may be empty for `unprotected` and `monitor`. */
  readonly through?: ReceiptWay;
}

/** Why a job must not run; switch on it, the words are for the job log. */
export type ReceiptRefusal = 'no_receipt' | 'used' | 'expired' | 'mismatch' | 'unreachable' | 'not_allowed';

export type SpendAnswer =
  | { readonly ok: true; readonly receipt: SpentReceipt }
  /** `words`: subject, found, wanted, way out, in one line; no secret. */
  | { readonly ok: false; readonly refusal: ReceiptRefusal; readonly words: string };

/** Where the executor asks whether a job came through the gate (T25, T39). */
export interface Receipts {
  /**
   * Spends the receipt of the job whose JOB_RESPONSE_FILE has these bytes. The same session may ask again, since
   * gitlab-runner prepares up to three times with a clean-up between; any other is refused. Never rejects: what
   * cannot be asked is a refusal. A later stage shows in the same way that it belongs to the session: it asks again.
   * Once cancelled, an agent that is not there is waited for no more.
   */
  spend(jobResponse: Uint8Array, session: string, cancel?: AbortSignal): Promise<SpendAnswer>;
  /** Says that a session which was prepared is over: from now on nobody can spend that receipt again. */
  finish(session: string): Promise<void>;
}
