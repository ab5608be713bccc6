/**
 * What is spoken over `receipts.socket`: HTTP on a unix socket of one host, between the agent and whatever runs jobs there.
 *   POST /v1/spend   body: the bytes of JOB_RESPONSE_FILE; the session in a header
 *   POST /v1/finish  the session in a header
 *   POST /v1/check   {job_id, token}: where JOB_RESPONSE_FILE is not to be had
 *   GET  /v1/receipts
 */
import { z } from 'zod';
import { RECEIPT_WAYS, type Receipt } from '../domain/receipt.ts';

export const PATHS = { spend: '/v1/spend', finish: '/v1/finish', check: '/v1/check', list: '/v1/receipts' } as const;
export const SESSION_HEADER = 'holdpoint-session';
export const RUNNER_HEADER = 'holdpoint-runner';
/** Names of sessions: those of the executor, and of nothing that a job could choose. */
export const SESSION = /^[A-Za-z0-9][A-Za-z0-9._-]{0,199}$/;

const refusal = z.enum(['no_receipt', 'used', 'expired', 'mismatch', 'unreachable', 'not_allowed']);
const spentReceipt = z.object({
  jobId: z.number().int(),
  digest: z.string(),
  runner: z.string(),
  images: z.record(z.string(), z.string()),
  through: z.enum(RECEIPT_WAYS),
});
/** An answer to a question; `receipt` null to one that ends a session. */
export const receiptAnswerSchema = z.discriminatedUnion('ok', [
  z.object({ ok: z.literal(true), receipt: spentReceipt.nullable() }),
  z.object({ ok: z.literal(false), refusal, words: z.string().max(2_000) }),
]);
export type ReceiptAnswer =
  | { readonly ok: true; readonly receipt: { readonly jobId: number } | null }
  | { readonly ok: false; readonly refusal: z.output<typeof refusal>; readonly words: string };

const time = z.iso.datetime();
/** A receipt as it is listed: nothing of the job in it. */
export const receiptViewSchema = z.object({
  job_id: z.number().int(),
  state: z.enum(['issued', 'spent', 'finished']),
  through: z.enum(RECEIPT_WAYS),
  runner: z.string(),
  digest: z.string(),
  hold: z.number().int().nullable(),
  images: z.record(z.string(), z.string()),
  issued: time,
  expires: time,
  spent_at: time.nullable(),
  spent_by_uid: z.number().int().nullable(),
});
export type ReceiptRow = z.output<typeof receiptViewSchema>;
export const receiptListSchema = z.object({ items: z.array(receiptViewSchema) });

/** A receipt as it is listed. */
export function viewOf(
  view: Receipt & {
    readonly state: ReceiptRow['state'];
    readonly session: { readonly uid: number; readonly at: number } | null;
  },
): ReceiptRow {
  const stamp = (at: number) => new Date(at).toISOString();
  return {
    job_id: view.jobId,
    state: view.state,
    through: view.through,
    runner: view.runner,
    digest: view.digest,
    hold: view.hold,
    images: { ...view.images },
    issued: stamp(view.issued),
    expires: stamp(view.expires),
    spent_at: view.session === null ? null : stamp(view.session.at),
    spent_by_uid: view.session?.uid ?? null,
  };
}
