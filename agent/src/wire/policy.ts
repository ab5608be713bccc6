/** Bodies of `/api/v1/policy` and `/api/v1/policy/explain`. */
import { z } from 'zod';
import { digestSchema } from './digest.ts';

const time = z.iso.datetime();
const text = z.string().max(65_536);
const names = z.array(text);

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
  retention: z.array(settingSchema),
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
