import type { Log } from '../ports/log.ts';
import type { Store } from '../ports/store.ts';
import { recent } from './recent.ts';

/** A probe is an fsync; whoever asks for `/readyz` has no token. */
const WRITE_PROBE_MS = 2_000;

/** Whether the store takes a write, tried now and then; that it changes is said once. */
export function writeProbe(store: Pick<Store, 'probe'>, log: Log): () => Promise<boolean> {
  let wasWritable = true;
  return recent(WRITE_PROBE_MS, () =>
    store.probe().then(
      () => {
        if (!wasWritable) log.info({}, 'the store can be written again');
        wasWritable = true;
        return true;
      },
      (error) => {
        if (wasWritable)
          log.error({ error: String(error) }, 'the store cannot be written: nothing is decided until it can');
        wasWritable = false;
        return false;
      },
    ),
  );
}
