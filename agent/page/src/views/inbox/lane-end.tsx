import { MorePages } from '../../ui/more-pages.tsx';
import type { Lane } from './rows.ts';

/** What stands below a lane: that more is read, that nothing is in it, or why it cannot be read. */
export function LaneEnd({ lane }: { readonly lane: Lane }) {
  return (
    <div class="lane-end">
      <MorePages pages={lane.pages} what="Reviews" none={lane.none} />
    </div>
  );
}
