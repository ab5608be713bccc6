import { Link } from 'wouter-preact';
import type { HoldView } from '../../../../src/wire/api.ts';
import { useFilter } from '../../lib/filter.ts';
import { usePages } from '../../lib/pages.ts';
import { pathOf } from '../../lib/paths.ts';
import { useTitle } from '../../lib/title.ts';
import { StateChip } from '../../ui/chip.tsx';
import { FilterForm, PROJECT_FIELD } from '../../ui/filter-form.tsx';
import { MorePages } from '../../ui/more-pages.tsx';
import { PersonName } from '../../ui/people.tsx';
import { Shown } from '../../ui/shown.tsx';
import { Time } from '../../ui/time.tsx';
import { WideTable } from '../../ui/wide-table.tsx';

/** What can be looked for, as `state` of the list says it. */
const STATES = [
  ['', 'all'],
  ['waiting_for_approval', 'waiting'],
  ['pending,running', 'approved or running'],
  ['success', 'success'],
  ['failed,canceled', 'failed or canceled'],
  ['rejected,expired', 'rejected or expired'],
] as const;

const FIELDS = [
  { name: 'state', label: 'State', options: STATES },
  PROJECT_FIELD,
  { name: 'job', label: 'Job (its whole name)' },
] as const;

function Row({ hold }: { readonly hold: HoldView }) {
  return (
    <tr>
      <td>
        <Link href={pathOf('hold', hold.id)}>
          <Shown text={hold.job} />
        </Link>
        <div class="quiet">
          <Shown text={hold.project_path ?? `project ${hold.project_id}`} />
        </div>
      </td>
      <td>
        <StateChip state={hold.state} />
      </td>
      <td>
        <Shown text={hold.ref} />
        {hold.environment !== null && (
          <div class="quiet">
            to <Shown text={hold.environment} />
          </div>
        )}
      </td>
      <td>
        <PersonName person={hold.trigger} />
      </td>
      <td>
        <Time at={hold.opened_at} />
      </td>
    </tr>
  );
}

/** Every Hold that the reader may see: the newest first, those that wait the oldest first. */
export function HoldsView() {
  useTitle('Holds');
  const [filter, set] = useFilter(['state', 'project', 'job']);
  const state = STATES.find(([value]) => value === filter.state)?.[0] ?? '';
  const { project, job } = filter;
  const query = new URLSearchParams({
    ...(state && { state }),
    ...(project && { project }),
    ...(job && { job }),
    // What waits is answered in the order in which it came; of all else the newest is looked for.
    order: state === 'waiting_for_approval' ? 'oldest' : 'newest',
  }).toString();
  const pages = usePages<HoldView>(`holds?${query}`);
  return (
    <>
      <h1>Holds</h1>
      <FilterForm fields={FIELDS} values={{ ...filter, state }} onChange={set} />
      <WideTable label="Holds" heads={['Job', 'State', 'Ref', 'Requested by', 'Opened']}>
        {pages.items.map((hold) => (
          <Row key={hold.id} hold={hold} />
        ))}
      </WideTable>
      <MorePages pages={pages} what="Holds" none="No Hold fits." />
    </>
  );
}
