import { z } from 'zod';
import type { PolicySettings } from '../../domain/policy.ts';
import type { Saying } from './approving.ts';
import { rules } from './rules.ts';
import { duration } from './scalars.ts';

const DAY_MS = 86_400_000;

/** Who may run something without its approval. */
export const breakGlassShape = {
  break_glass: z
    .strictObject({
      rules: z
        .union([z.array(z.never()).max(0), rules])
        .optional()
        .describe('Whoever satisfies one of these may do it, alone. None: nobody.'),
      for: duration
        .refine((ms) => ms <= DAY_MS, 'wanted a time of at most 1d: what waits longer is no emergency')
        .optional()
        .describe('What was let go has to start within this time, or it waits again.'),
      review_within: duration.optional().describe('Somebody else has to have looked at it within this time.'),
      during_freeze: z.boolean().optional().describe('Whether it passes a hard freeze as well.'),
    })
    .optional(),
};
type Read = z.output<z.ZodObject<typeof breakGlassShape>>;

/** The settings that this part of the file says; halves that it does not say are those of `base`. */
export function breakGlassOf({ break_glass: read }: Read, base: PolicySettings) {
  return {
    breakGlass: read && {
      rules: read.rules ?? base.breakGlass.rules,
      forMs: read.for ?? base.breakGlass.forMs,
      reviewWithinMs: read.review_within ?? base.breakGlass.reviewWithinMs,
      duringFreeze: read.during_freeze ?? base.breakGlass.duringFreeze,
    },
  } satisfies Saying;
}
