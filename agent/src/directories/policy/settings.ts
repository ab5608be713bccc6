import type { z } from 'zod';
import type { PolicySettings } from '../../domain/policy.ts';
import { approvingOf, approvingShape, type Saying } from './approving.ts';
import { breakGlassOf, breakGlassShape } from './break-glass.ts';
import { contentsOf, contentsShape } from './contents.ts';
import { coveringOf, coveringShape } from './covering.ts';
import { timeoutsOf, timeoutsShape } from './timeouts.ts';
import { tolerateOf, tolerateShape } from './tolerate.ts';
import { variablesOf, variablesShape } from './variables.ts';
import { watchingOf, watchingShape } from './watching.ts';

/** Everything that may be said for all jobs at the top of the file, and for some jobs in an entry: one spread for each part. */
export const settingsShape = {
  ...approvingShape,
  ...coveringShape,
  ...variablesShape,
  ...contentsShape,
  ...tolerateShape,
  ...timeoutsShape,
  ...breakGlassShape,
  ...watchingShape,
};

/** What a part of the file says, and nothing of what it does not say; `base` fills the halves that are unsaid. */
export function settingsOf(
  read: z.output<z.ZodObject<typeof settingsShape>>,
  base: PolicySettings,
): Partial<PolicySettings> {
  const said: Saying = {
    ...approvingOf(read),
    ...coveringOf(read, base),
    ...variablesOf(read),
    ...contentsOf(read),
    ...tolerateOf(read),
    ...timeoutsOf(read, base),
    ...breakGlassOf(read, base),
    ...watchingOf(read),
  };
  return Object.fromEntries(Object.entries(said).filter(([, value]) => value !== undefined));
}
