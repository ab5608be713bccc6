import { canonicalJson } from './canonical-json.ts';
import { type Envelope, pae, type Signer, seal } from './dsse.ts';
import type { JsonObject } from './json.ts';

/** Type of what is signed; another version is another type. */
export const RECEIPT_TYPE = 'application/vnd.holdpoint.receipt.v1+json';

/**
 * Why a job was let through. `gate`: the hub decided, and its Hold says how; `offline`: the hub was away, and the snapshot had
 * the approval; `break_glass`: the host's own file; the others were not gated at all.
 */
export const RECEIPT_WAYS = ['gate', 'offline', 'break_glass', 'diverted', 'monitor', 'unprotected'] as const;
export type ReceiptWay = (typeof RECEIPT_WAYS)[number];

/** What is signed of a job that was handed over. */
export interface Receipt {
  readonly jobId: number;
  /** Digest of the Configuration; empty where a runner that is not gated got what has none. */
  readonly digest: string;
  readonly runner: string;
  readonly hold: number | null;
  readonly through: ReceiptWay;
  /** Content digest by image reference. */
  readonly images: Readonly<Record<string, string>>;
  /** Epoch ms. */
  readonly issued: number;
  /** Epoch ms after which it can be spent no more. */
  readonly expires: number;
  /** Epoch ms after which the job cannot be running. */
  readonly endsBefore: number;
  /** `sha256:…` of the job as the runner understands it. */
  readonly jobSha256: string;
}

/** The session that has spent a receipt: by its name and by who asked. */
export interface ReceiptSession {
  readonly name: string;
  readonly uid: number;
  /** `sha256:…` of the job as that session saw it. */
  readonly sawSha256: string;
  /** Epoch ms. */
  readonly at: number;
}

/**
 *   issued ──► spent ──► finished
 *
 * `issued`: handed over, nobody has asked yet; the job is kept to be compared, sealed, until somebody has. `spent`: one session
 * runs it, and may ask again. `finished`: that session is over; kept so long that a replay is told from a job without a receipt.
 */
export interface KeptReceipt {
  readonly jobId: number;
  readonly envelope: Envelope;
  readonly state: 'issued' | 'spent' | 'finished';
  /** What the runner must have; null once it was compared. */
  readonly job: JsonObject | null;
  readonly session: ReceiptSession | null;
}

/** A receipt that is kept from here on. */
export function newReceipt(signer: Signer, receipt: Receipt, job: JsonObject): KeptReceipt {
  const payload = new TextEncoder().encode(canonicalJson({ ...receipt, images: { ...receipt.images } }));
  return {
    jobId: receipt.jobId,
    envelope: seal(signer, RECEIPT_TYPE, payload),
    state: 'issued',
    job,
    session: null,
  };
}

/** What a kept receipt says; null unless this key has signed it, for this very job (T13). */
export function receiptOf(
  kept: KeptReceipt,
  publicKey: Uint8Array,
  verify: (publicKey: Uint8Array, bytes: Uint8Array, signature: Uint8Array) => boolean,
): Receipt | null {
  const { payloadType, payload, signature } = kept.envelope;
  if (payloadType !== RECEIPT_TYPE || !verify(publicKey, pae(payloadType, payload), signature)) return null;
  const receipt = JSON.parse(new TextDecoder().decode(payload)) as Receipt;
  return receipt.jobId === kept.jobId ? receipt : null;
}

/** Why a session may not have a receipt; null when it may. */
export function whyNot(
  kept: KeptReceipt,
  receipt: Receipt,
  asked: Pick<ReceiptSession, 'name' | 'uid'>,
  now: number,
): 'used' | 'expired' | null {
  if (kept.state === 'finished') return 'used';
  if (kept.session !== null) return kept.session.name === asked.name && kept.session.uid === asked.uid ? null : 'used';
  // Also one that was made in what is now the future: the clock was set back, and nobody knows how old it is.
  return now > receipt.expires || now < receipt.issued - CLOCK_SLACK_MS ? 'expired' : null;
}

/** A clock that is set right by a few seconds must not refuse a job. */
const CLOCK_SLACK_MS = 60_000;

/** The receipt as spent by a session; the job itself is needed no more (T31). */
export function spent(kept: KeptReceipt, session: ReceiptSession): KeptReceipt {
  return { ...kept, state: 'spent', job: null, session };
}

/** The receipt once its session is over. */
export function finished(kept: KeptReceipt): KeptReceipt {
  return { ...kept, state: 'finished', job: null };
}
