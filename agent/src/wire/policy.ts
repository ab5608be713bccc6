/** Bodies of `/api/v1/policy`, `/api/v1/policy/explain` and `/api/v1/break-glass`. */
import { z } from 'zod';
import { BREAK_GLASS_STATES, FINDINGS } from '../domain/break-glass.ts';
import { digestSchema } from './api.ts';

const id = z.number().int().positive();
const time = z.iso.datetime();
const text = z.string().max(65_536);
const names = z.array(text);
const personSchema = z.strictObject({ id: z.number().int(), username: text, name: text });

/** One setting, in words. */
const settingSchema = z.strictObject({ key: text, words: text, line: z.number().int().nullable() });

/** The policy in force. */
export const policyViewSchema = z.strictObject({
  version: digestSchema,
  /** Name of its file; null where what is shipped holds. */
  file: text.nullable(),
  loaded_at: time.nullable(),
  /** Why the file as it is now is not used; the last good one is in force. */
  problem: text.nullable(),
  settings: z.array(settingSchema),
  entries: z.array(
    z.strictObject({ name: text, match: text, line: z.number().int().nullable(), settings: z.array(settingSchema) }),
  ),
  freeze: z.array(z.strictObject({ name: text, words: text, line: z.number().int().nullable() })),
  environments: z.array(z.strictObject({ name: text, words: text, line: z.number().int().nullable() })),
  runners: z.array(z.strictObject({ runner: text, mode: z.enum(['monitor', 'enforce']) })),
  /** Runners that are gated less than the policy wants, as their agents say. */
  lax_runners: z.array(z.strictObject({ agent: text, runner: text, wanted: z.enum(['monitor', 'enforce']) })),
});
/** The policy in force. */
export type PolicyView = z.input<typeof policyViewSchema>;

const ruleSchema = z.strictObject({ words: text, people: names.nullable() });
/** What the policy says of one job. */
export const explanationSchema = z.strictObject({
  policy: digestSchema,
  entries: z.array(
    z.strictObject({
      name: text,
      match: text,
      line: z.number().int().nullable(),
      decides: names,
      overruled: names,
    }),
  ),
  settings: z.array(settingSchema.extend({ entry: text.nullable() })),
  rules: z.array(ruleSchema),
  break_glass: z.array(ruleSchema),
  frozen_until: time.nullable(),
  frozen_by: names,
  excepted: names,
  deployment: z.strictObject({ sources: names, rules: z.array(ruleSchema), deploy: ruleSchema }).nullable(),
  /** All of it as lines for people. */
  lines: names,
});
/** What the policy says of one job. */
export type ExplanationView = z.input<typeof explanationSchema>;

/** Body of `POST /api/v1/holds/:id/break-glass`. */
export const breakGlassBody = z.strictObject({
  digest: digestSchema,
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
  digest: digestSchema,
  project_id: z.number().int(),
  project_path: text.nullable(),
  job: text,
  ref: text,
  environment: text.nullable(),
  person: personSchema,
  rule: text,
  reason: text,
  policy: text,
  at: time,
  /** The job has to start by then. */
  until: time,
  /** Somebody else has to have looked at it by then. */
  review_by: time,
  frozen: z.boolean(),
  closed: z.strictObject({ at: time, by: personSchema, finding: z.enum(FINDINGS), comment: text }).nullable(),
});
/** One run without its approval. */
export type BreakGlassView = z.input<typeof breakGlassSchema>;
