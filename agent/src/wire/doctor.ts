/** What an agent found when it looked at its own host, as it crosses the link and stands in the list of agents. */
import { z } from 'zod';
import { FINDING_STATUSES } from '../domain/doctor/finding.ts';

/** A check says a handful of things, of each runner of the host one; more is cut by the agent. */
export const MAX_FINDINGS = 300;
/** Of a message and of its mend. */
export const MAX_FINDING_CHARS = 2_000;

/** One finding. The check is a word, so that an older hub takes what a newer agent looks at. */
export const findingSchema = z.strictObject({
  check: z.string().regex(/^[a-z][a-z0-9_]{0,39}$/),
  status: z.enum(FINDING_STATUSES),
  message: z.string().max(MAX_FINDING_CHARS),
  mend: z.string().max(MAX_FINDING_CHARS).nullable(),
});

const count = z.number().int().nonnegative();

/** The newest look of an agent at its host; `findings` is null for whoever may not see how a host could be attacked. */
export const examinedSchema = z.strictObject({
  at: z.iso.datetime(),
  ok: count,
  warn: count,
  fail: count,
  skipped: count,
  findings: z.array(findingSchema.extend({ title: z.string().max(100) })).nullable(),
});
export type ExaminedView = z.output<typeof examinedSchema>;
