import { z } from 'zod';
import type { PolicySettings } from '../../domain/policy.ts';
import { INPUTS, REF_LIMITS } from '../../domain/scope.ts';
import type { Saying } from './approving.ts';
import { lifetimeLimit } from './scalars.ts';

/** What an approval may cover, and for how long. */
export const coveringShape = {
  scopes: z
    .strictObject({
      inputs: z
        .strictObject({
          default: z.enum(INPUTS).optional().describe('What an approval without --scope gets.'),
          environments: z
            .enum(INPUTS)
            .optional()
            .describe('The same for a job with an environment whose artifacts all come from gated jobs.'),
          max: z.enum(INPUTS).optional().describe('The widest that anybody may choose.'),
        })
        .optional()
        .describe('Where artifacts may come from that the runner unpacks over the checkout.'),
      refs: z.enum(REF_LIMITS).optional().describe('The widest that refs may be.'),
    })
    .optional(),
  lifetimes: z
    .strictObject({
      default: lifetimeLimit.optional().describe('What an approval without --lifetime gets.'),
      max: lifetimeLimit.optional().describe('The longest that anybody may choose.'),
      environments: lifetimeLimit.optional().describe('The longest for a job with an environment.'),
    })
    .optional(),
};
type Read = z.output<z.ZodObject<typeof coveringShape>>;

/** The settings that this part of the file says; halves that it does not say are those of `base`. */
export function coveringOf({ scopes, lifetimes }: Read, base: PolicySettings) {
  return {
    scopes: scopes && {
      inputs: {
        default: scopes.inputs?.default ?? base.scopes.inputs.default,
        environments: scopes.inputs?.environments ?? base.scopes.inputs.environments,
        max: scopes.inputs?.max ?? base.scopes.inputs.max,
      },
      refs: scopes.refs ?? base.scopes.refs,
    },
    lifetimes: lifetimes && {
      default: lifetimes.default ?? base.lifetimes.default,
      max: lifetimes.max ?? base.lifetimes.max,
      environments: lifetimes.environments ?? base.lifetimes.environments,
    },
  } satisfies Saying;
}
