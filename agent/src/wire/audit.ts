/** The audit as the API and its files have it. */
import { z } from 'zod';
import { digestSchema } from './digest.ts';

const id = z.number().int().positive();
const time = z.iso.datetime();
const text = z.string().max(65_536);

export const auditRowSchema = z.strictObject({
  seq: z.number().int(),
  at: time,
  actor: text,
  address: text.nullable(),
  /** What the program that asked calls itself; absent where nothing asked. */
  client: text.optional(),
  event: text,
  hold: id.nullable(),
  review: id.nullable(),
  approval: id.nullable(),
  /** Absent where it is about none. */
  deployment: id.optional(),
  digest: digestSchema.nullable(),
  policy: text.nullable(),
  /** Event-specific facts, keys in snake_case; never a secret. */
  detail: z.record(z.string(), z.unknown()),
  prev: z.string(),
  hash: z.string(),
});
/** Whether the audit chain in the store verifies; `seq` and `hash` are of its last row, or say where it breaks. */
export const auditReportSchema = z.strictObject({
  ok: z.boolean(),
  seq: z.number().int(),
  hash: text.nullable(),
  fault: z.enum(['changed', 'removed', 'inserted', 'truncated']).nullable(),
  message: text.nullable(),
});
/** The public key that the audit is signed with; `keyid` is SHA-256 of its SPKI in DER. */
export const hubKeySchema = z.strictObject({
  keyid: z.string().regex(/^[0-9a-f]{64}$/),
  algorithm: z.literal('ed25519'),
  /** PEM. */
  public_key: z.string().max(1_000),
});
/** A DSSE envelope with one signature. */
export const envelopeSchema = z.strictObject({
  payloadType: z.string(),
  payload: z.string(),
  signatures: z.array(z.strictObject({ keyid: z.string(), sig: z.string() })).length(1),
});
/** Where the audit ends: its last row, the root of the hash tree over all rows, and both signed. */
export const signedHeadSchema = z.strictObject({
  seq: z.number().int(),
  hash: digestSchema,
  root: digestSchema,
  at: time,
  signed_head: envelopeSchema,
  public_key: z.string().max(1_000),
});
export type AuditRow = z.output<typeof auditRowSchema>;
