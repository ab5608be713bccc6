import { z } from 'zod';
import type { PolicySettings } from '../../domain/policy.ts';
import type { Saying } from './approving.ts';
import { duration } from './scalars.ts';

/** How long a job may be allowed to run. */
export const timeoutsShape = {
  timeout: z
    .strictObject({
      min: duration.optional().describe('A job that may run for less is held, whatever is approved.'),
      max: duration.optional().describe('A job that may run for longer is held, whatever is approved.'),
    })
    .refine(({ min, max }) => min === undefined || max === undefined || min <= max, 'min is above max')
    .optional(),
};
type Read = z.output<z.ZodObject<typeof timeoutsShape>>;

const seconds = (ms: number | undefined, absent: number | null): number | null =>
  ms === undefined ? absent : Math.floor(ms / 1000);

/** The settings that this part of the file says; halves that it does not say are those of `base`. */
export function timeoutsOf({ timeout }: Read, base: PolicySettings) {
  return {
    timeout: timeout && {
      minS: seconds(timeout.min, base.timeout.minS),
      maxS: seconds(timeout.max, base.timeout.maxS),
    },
  } satisfies Saying;
}
