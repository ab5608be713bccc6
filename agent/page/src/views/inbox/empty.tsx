import { Link } from 'wouter-preact';
import type { HoldView } from '../../../../src/wire/api.ts';
import { ask } from '../../lib/ask.ts';
import { useLoad } from '../../lib/load.ts';
import { pathOf } from '../../lib/paths.ts';
import { StateChip } from '../../ui/chip.tsx';
import { Shown } from '../../ui/shown.tsx';
import { Time } from '../../ui/time.tsx';

/** The newest Hold of all that the reader may see: that nothing waits is good news where something has been. */
function LastOne() {
  const found = useLoad('last hold', (signal) =>
    ask<{ readonly items: readonly HoldView[] }>('GET', 'holds?order=newest&limit=1', undefined, signal),
  );
  const last = found.value?.items[0];
  if (last === undefined) return null;
  return (
    <p class="quiet">
      The last one was{' '}
      <Link href={pathOf('hold', last.id)}>
        <Shown text={last.job} />
      </Link>{' '}
      in <Shown text={last.project_path ?? `project ${last.project_id}`} />, <Time at={last.opened_at} />:{' '}
      <StateChip state={last.state} />
    </p>
  );
}

/** Nothing waits, and where what has been decided can be found. */
export function Empty({ isFiltered }: { readonly isFiltered: boolean }) {
  return (
    <div class="empty">
      <p class="empty-title">
        {isFiltered ? 'Nothing that waits fits these filters.' : 'No configuration waits for anybody.'}
      </p>
      {!isFiltered && <LastOne />}
      <p class="quiet">
        Jobs whose configuration is approved run at once. What has run, and what was decided, stands under{' '}
        <a href="/holds">Holds</a>. This page shows new ones by itself.
      </p>
    </div>
  );
}
