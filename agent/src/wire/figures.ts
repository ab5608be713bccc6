/** Body of `/api/v1/figures`: how people and jobs wait on each other; times in milliseconds. */
import { z } from 'zod';

const time = z.iso.datetime();
const text = z.string().max(65_536);
const count = z.number().int();

export const figuresSchema = z.strictObject({
  since: time,
  waiting: z.strictObject({ open: count, oldest_at: time.nullable() }),
  answered: z.strictObject({ count, p50_ms: z.number().nullable(), p95_ms: z.number().nullable() }),
  /** By the day (UTC) of the answer, oldest first. */
  days: z.array(z.strictObject({ day: z.iso.date(), answered: count, p50_ms: z.number(), p95_ms: z.number() })),
  /** Those with most votes first, at most 50. */
  people: z.array(
    z.strictObject({ id: count, username: text, approves: count, rejects: count, hasty: count, timed: count }),
  ),
  /** Votes of members of groups that rules name. */
  groups: z.array(z.strictObject({ id: count, votes: count })),
  /** Approves within five seconds of opening, of those of which the opening is known. */
  hasty: z.strictObject({ count, of: count }),
  /** Why people were asked: nothing of the job was approved before, something else was, this very one for another place. */
  causes: z.array(z.strictObject({ cause: z.enum(['first', 'changed', 'elsewhere']), count })),
  /** True when more has happened than is looked at. */
  cut: z.boolean(),
});
export type FiguresView = z.output<typeof figuresSchema>;
