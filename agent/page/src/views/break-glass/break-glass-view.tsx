import { Link } from 'wouter-preact';
import type { BreakGlassView as Glass } from '../../../../src/wire/break-glass.ts';
import { useFilter } from '../../lib/filter.ts';
import { useListNews } from '../../lib/list-news.ts';
import { usePages } from '../../lib/pages.ts';
import { pathOf } from '../../lib/paths.ts';
import { useTitle } from '../../lib/title.ts';
import { Chip } from '../../ui/chip.tsx';
import { FilterForm } from '../../ui/filter-form.tsx';
import { ListNewsNotice } from '../../ui/list-news.tsx';
import { MorePages } from '../../ui/more-pages.tsx';
import { PersonName } from '../../ui/people.tsx';
import { Shown } from '../../ui/shown.tsx';
import { Time } from '../../ui/time.tsx';
import { CloseGlass } from './close-glass.tsx';

const FIELDS = [
  {
    name: 'show',
    label: 'Show',
    options: [
      ['', 'what somebody else has yet to look at'],
      ['all', 'all, closed ones too'],
    ],
  },
] as const;
const CHIPS = {
  open: ['wait', 'To be looked at'],
  overdue: ['stop', 'Nobody has looked in time'],
  closed: ['plain', 'Closed'],
} as const;
const FINDINGS = { justified: 'justified', not_justified: 'not justified' } as const;

/** One run without its approval: who, why, until when it may start, and who has looked at it since. */
function Pass({ glass, onClosed }: { readonly glass: Glass; onClosed(after: Glass): void }) {
  const [tone, words] = CHIPS[glass.state];
  const { id, hold, closed } = glass;
  return (
    <section class="box" aria-labelledby={`glass-${id}`}>
      <h2 id={`glass-${id}`}>
        <Shown text={glass.job} /> <Chip tone={tone}>{words}</Chip>
      </h2>
      <p>
        <PersonName person={glass.person} /> broke the glass <Time at={glass.at} /> (rule <Shown text={glass.rule} />)
        {glass.frozen && ', during a freeze'}:
      </p>
      <blockquote>
        <Shown text={glass.reason} />
      </blockquote>
      <p>
        For one run: <Link href={pathOf('hold', hold)}>hold {hold}</Link> of{' '}
        <Shown text={glass.project_path ?? `project ${glass.project_id}`} />, <Shown text={glass.ref} />
        {glass.environment !== null && (
          <>
            , to <Shown text={glass.environment} />
          </>
        )}
        . It counts for nothing else. Last moment to start: <Time at={glass.until} />.
      </p>
      {closed === null ? (
        <>
          <p>
            Somebody else has to look at it; last moment for that: <Time at={glass.review_by} />.
          </p>
          <CloseGlass id={id} onClosed={onClosed} />
        </>
      ) : (
        <>
          <p>
            Closed by <PersonName person={closed.by} /> <Time at={closed.at} />: {FINDINGS[closed.finding]}
          </p>
          <blockquote>
            <Shown text={closed.comment} />
          </blockquote>
        </>
      )}
    </section>
  );
}

/** What was run without its approval, and whether somebody else has looked at it. */
export default function BreakGlassView() {
  useTitle('Break-glass');
  const [filter, set] = useFilter(['show']);
  const pages = usePages<Glass>(`break-glass?state=${filter.show === 'all' ? 'all' : 'open'}`);
  const news = useListNews('break-glass?state=all', 'break_glass', pages);
  return (
    <>
      <h1>Break-glass</h1>
      <p class="quiet">
        What ran, or may run, although nobody approved it: one run each, by whom the policy names, never silently.
      </p>
      <FilterForm fields={FIELDS} values={filter} onChange={set} />
      <ListNewsNotice what="These" news={news} />
      {pages.items.map((glass) => (
        <Pass key={glass.id} glass={glass} onClosed={pages.put} />
      ))}
      <MorePages
        pages={pages}
        what="What was run without approval"
        none={
          filter.show === 'all'
            ? 'Nobody ever broke the glass.'
            : 'Nothing that was run without its approval waits to be looked at.'
        }
      />
    </>
  );
}
