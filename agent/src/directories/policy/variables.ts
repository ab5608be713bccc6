import { z } from 'zod';
import type { Saying } from './approving.ts';

/** What holds for variables of the job. */
export const variablesShape = {
  variables: z
    .strictObject({
      opaque: z
        .array(z.string().min(1).max(255))
        .max(1_000)
        .optional()
        .describe('Names of variables that may be approved although nobody has seen their value.'),
    })
    .optional(),
};
type Read = z.output<z.ZodObject<typeof variablesShape>>;

/** The settings that this part of the file says. */
export function variablesOf({ variables }: Read) {
  return { opaque: variables?.opaque } satisfies Saying;
}
