import { useCallback } from 'preact/hooks';
import { Link, useSearchParams } from 'wouter-preact';
import type { HoldView } from '../../../../src/wire/api.ts';
import { usePages } from '../../lib/pages.ts';
import { pathOf } from '../../lib/paths.ts';
import { useTitle } from '../../lib/title.ts';
import { StateChip } from '../../ui/chip.tsx';
import { MorePages } from '../../ui/more-pages.tsx';
import { PersonName } from '../../ui/people.tsx';
import { Shown } from '../../ui/shown.tsx';
import { Time } from '../../ui/time.tsx';

/** What can be looked for, as `state` of the list says it. */
const STATES = [
  ['', 'all'],
  ['waiting_for_approval', 'waiting'],
  ['pending,running', 'approved or running'],
  ['success', 'success'],
  ['failed,canceled', 'failed or canceled'],
  ['rejected,expired', 'rejected or expired'],
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

/** Every Hold that the reader may see. */
export function HoldsView() {
  useTitle('Holds');
  const [search, setSearch] = useSearchParams();
  const state = STATES.find(([value]) => value === search.get('state'))?.[0] ?? '';
  const project = search.get('project') ?? '';
  const query = new URLSearchParams({ ...(state && { state }), ...(project && { project }) }).toString();
  const pages = usePages<HoldView>(`holds?${query}`);
  const set = useCallback(
    (name: string, value: string) =>
      setSearch(
        (old) => {
          const next = new URLSearchParams(old);
          if (value === '') next.delete(name);
          else next.set(name, value);
          return next;
        },
        { replace: true },
      ),
    [setSearch],
  );
  return (
    <>
      <h1>Holds</h1>
      <search>
        <form class="filters" onSubmit={(event) => event.preventDefault()}>
          <div class="choice">
            <label for="state">State</label>
            <select id="state" value={state} onChange={(event) => set('state', event.currentTarget.value)}>
              {STATES.map(([value, words]) => (
                <option key={value} value={value}>
                  {words}
                </option>
              ))}
            </select>
          </div>
          <div class="choice">
            <label for="project">Project (path or id)</label>
            <input
              id="project"
              value={project}
              onChange={(event) => set('project', event.currentTarget.value.trim())}
            />
          </div>
        </form>
      </search>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls sideways must be reached by keyboard. */}
      <section class="wide" aria-label="Holds" tabIndex={0}>
        <table>
          <thead>
            <tr>
              <th scope="col">Job</th>
              <th scope="col">State</th>
              <th scope="col">Ref</th>
              <th scope="col">Requested by</th>
              <th scope="col">Opened</th>
            </tr>
          </thead>
          <tbody>
            {pages.items.map((hold) => (
              <Row key={hold.id} hold={hold} />
            ))}
          </tbody>
        </table>
      </section>
      <MorePages pages={pages} what="Holds" none="No Hold fits." />
    </>
  );
}
