import type { FiguresView as Figures } from '../../../../src/wire/figures.ts';
import { ask } from '../../lib/ask.ts';
import { useFilter } from '../../lib/filter.ts';
import { useLoad } from '../../lib/load.ts';
import { useTitle } from '../../lib/title.ts';
import { Choice } from '../../ui/field.tsx';
import { Notice, Pending } from '../../ui/notice.tsx';
import { Shown } from '../../ui/shown.tsx';
import { Time } from '../../ui/time.tsx';
import { WideTable } from '../../ui/wide-table.tsx';
import { WaitingChart } from './waiting-chart.tsx';

const SPANS = [
  ['', '30 days'],
  ['7', '7 days'],
  ['90', '90 days'],
  ['365', 'a year'],
] as const;

const CAUSES: Readonly<Record<Figures['causes'][number]['cause'], string>> = {
  first: 'nothing of the job was approved before',
  changed: 'the configuration had changed',
  elsewhere: 'it was approved, but not for that ref, environment or artifacts',
};

/** `90 s`, `12 min`, `3.5 h`, `2 d`. */
function durationText(ms: number | null): string {
  if (ms === null) return 'none yet';
  if (ms < 120_000) return `${Math.round(ms / 1_000)} s`;
  if (ms < 7_200_000) return `${Math.round(ms / 60_000)} min`;
  if (ms < 172_800_000) return `${(ms / 3_600_000).toFixed(1)} h`;
  return `${(ms / 86_400_000).toFixed(1)} d`;
}

const share = (count: number, of: number): string => (of === 0 ? 'none yet' : `${Math.round((count * 100) / of)} %`);

function Fact({ name, value }: { readonly name: string; readonly value: string }) {
  return (
    <div class="fact">
      <dt>{name}</dt>
      <dd>{value}</dd>
    </div>
  );
}

function People({ figures }: { readonly figures: Figures }) {
  if (figures.people.length === 0) return <p class="quiet">Nobody has voted.</p>;
  return (
    <WideTable label="Votes by person" heads={['Person', 'Approves', 'Rejects', 'Approved within 5 s of opening']}>
      {figures.people.map((person) => (
        <tr key={person.id}>
          <td>
            <Shown text={person.username} />
          </td>
          <td>{person.approves}</td>
          <td>{person.rejects}</td>
          <td>
            {person.hasty} of {person.timed}
          </td>
        </tr>
      ))}
    </WideTable>
  );
}

/** How long jobs wait, who decides, how hastily, and why people are asked. */
export default function FiguresView() {
  useTitle('Figures');
  const [{ days }, set] = useFilter(['days']);
  const found = useLoad(`figures ${days}`, (signal) =>
    ask<Figures>('GET', `figures${/^\d{1,3}$/.test(days) ? `?days=${days}` : ''}`, undefined, signal),
  );
  const figures = found.value;
  return (
    <>
      <h1>Figures</h1>
      <search>
        <form class="filters" onSubmit={(event) => event.preventDefault()}>
          <Choice id="days" label="Of the last" value={days} options={SPANS} onChange={(value) => set('days', value)} />
        </form>
      </search>
      {figures === null ? (
        <Pending what="figures" {...found} />
      ) : (
        <>
          {figures.cut && <Notice tone="news">More has happened than is counted here: the newest is.</Notice>}
          <section class="box" aria-labelledby="waiting-title">
            <h2 id="waiting-title">Waiting</h2>
            <dl class="facts">
              <Fact name="Questions open now" value={String(figures.waiting.open)} />
              <Fact name="Answered" value={String(figures.answered.count)} />
              <Fact name="Half were answered within" value={durationText(figures.answered.p50_ms)} />
              <Fact name="95 % were answered within" value={durationText(figures.answered.p95_ms)} />
              <Fact name="Approved within 5 s of opening" value={share(figures.hasty.count, figures.hasty.of)} />
            </dl>
            {figures.waiting.oldest_at !== null && (
              <p>
                The oldest open question was put <Time at={figures.waiting.oldest_at} />.
              </p>
            )}
            <WaitingChart days={figures.days} since={figures.since} />
          </section>
          <section class="box" aria-labelledby="causes-title">
            <h2 id="causes-title">Why people were asked</h2>
            <ul class="plain-list">
              {figures.causes.map(({ cause, count }) => (
                <li key={cause}>
                  {count} times: {CAUSES[cause]}
                </li>
              ))}
            </ul>
          </section>
          <section class="box" aria-labelledby="people-title">
            <h2 id="people-title">Who decides</h2>
            <People figures={figures} />
            {figures.groups.length > 0 && (
              <p class="quiet">
                By group: {figures.groups.map(({ id, votes }) => `group ${id}: ${votes}`).join(', ')}.
              </p>
            )}
          </section>
        </>
      )}
    </>
  );
}
