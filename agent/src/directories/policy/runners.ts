import { z } from 'zod';
import type { RunnerDemand } from '../../domain/policy.ts';
import { name } from './scalars.ts';

/** Runners that have to be gated, whatever agent.yml says: the stricter of both holds. */
export const runnersSchema = z
  .array(
    z.strictObject({
      name: name.describe('Pattern over names of runners[] entries.'),
      mode: z.enum(['monitor', 'enforce']).describe('monitor: at least recorded. enforce: gated.'),
    }),
  )
  .max(1_000)
  .optional();

/** What this part of the file says. */
export function runnersOf(read: z.output<typeof runnersSchema>): readonly RunnerDemand[] {
  return (read ?? []).map(({ name: runner, mode }) => ({ runner, mode }));
}
