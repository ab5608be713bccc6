/** Bodies of `/api/v1/break-glass` and `/api/v1/holds/:id/break-glass`. */
import { z } from 'zod';
import { BREAK_GLASS_STATES, FINDINGS } from '../domain/break-glass.ts';

const id = z.number().int().positive();
const time = z.iso.datetime();
const text = z.string().max(65_536);
const digest = z.string().regex(/^sha256:[0-9a-f]{64}$/, 'a digest is "sha256:" and 64 lower-case hex digits');
const person = z.strictObject({ id: z.number().int(), username: text, name: text });

/** Body of `POST /api/v1/holds/:id/break-glass`. */
export const breakGlassBody = z.strictObject({
  digest,
  reason: z.string().trim().min(1, 'say why').max(4_000),
});
/** Body of `POST /api/v1/break-glass/:id/close`. */
export const closeBreakGlassBody = z.strictObject({
  finding: z.enum(FINDINGS),
  comment: z.string().trim().min(1, 'say what you found').max(4_000),
});
/** One run without its approval, and what somebody else found. */
export const breakGlassSchema = z.strictObject({
  id,
  hold: id,
  state: z.enum(BREAK_GLASS_STATES),
  digest,
  project_id: z.number().int(),
  project_path: text.nullable(),
  job: text,
  ref: text,
  environment: text.nullable(),
  person,
  rule: text,
  reason: text,
  policy: text,
  at: time,
  /** The job has to start by then. */
  until: time,
  /** Somebody else has to have looked at it by then. */
  review_by: time,
  frozen: z.boolean(),
  closed: z.strictObject({ at: time, by: person, finding: z.enum(FINDINGS), comment: text }).nullable(),
});
/** One run without its approval. */
export type BreakGlassView = z.input<typeof breakGlassSchema>;
