import { type Answer, fail, ok, warn } from '../finding.ts';
import type { Check } from '../observation.ts';
import { given } from '../words.ts';

/** A parked job costs a handful of syncs, and so does each decision. */
const WARN_MS = 20;
const FAIL_MS = 200;

export const sync: Check = {
  id: 'sync',
  title: 'Speed of the disk',
  means:
    'Each parked job and each decision is synced to disk before it is answered. Measured with a small file in state_dir that is written, synced and removed: the one thing that doctor writes.',
  agent: true,
  notOfHub: null,
  look: (look) =>
    given(look.sync, ({ medianMs, worstMs }): Answer => {
      const text = `a sync takes ${medianMs.toFixed(1)} ms (the slowest of some ${worstMs.toFixed(1)} ms)`;
      const mend = 'put state_dir on a faster disk, away from what else writes there';
      if (medianMs > FAIL_MS) return [fail(text, mend)];
      return medianMs > WARN_MS ? [warn(text, mend)] : [ok(text)];
    }),
};
