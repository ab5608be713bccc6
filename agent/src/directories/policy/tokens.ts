import { z } from 'zod';
import { DEFAULT_POLICY, type Policy } from '../../domain/policy.ts';
import { IN_JOBS } from '../../domain/token-use.ts';
import { duration } from './scalars.ts';

const HOUR_MS = 3_600_000;
/** At least as long as a token may go unnoted between two uses, and never longer than any of them lives. */
const idle = duration.refine((ms) => ms >= HOUR_MS && ms <= 30 * 24 * HOUR_MS, 'wanted a time of 1h to 30d');

/** What holds for tokens of people. */
export const tokensSchema = z
  .strictObject({
    idle: idle.optional().describe('A token that nobody used for so long has ended.'),
    in_jobs: z.enum(IN_JOBS).optional().describe('What becomes of a use that looks like a job.'),
  })
  .optional();

/** What this part of the file says; what it does not say is as shipped. */
export function tokensOf(read: z.output<typeof tokensSchema>): Policy['tokens'] {
  return {
    idleMs: read?.idle ?? DEFAULT_POLICY.tokens.idleMs,
    inJobs: read?.in_jobs ?? DEFAULT_POLICY.tokens.inJobs,
  };
}
