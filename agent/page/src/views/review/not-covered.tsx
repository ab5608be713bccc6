import { filesSectionOf } from '../../../../src/domain/covered-files.ts';
import { interpolations } from '../../../../src/domain/interpolations.ts';
import type { JsonObject } from '../../../../src/domain/json.ts';
import { uncoveredWords } from '../../../../src/domain/uncovered.ts';
import type { HoldDetail } from '../../../../src/wire/api.ts';
import { Shown } from '../../ui/shown.tsx';

type NotCoveredRow = HoldDetail['facts']['not_covered'][number];

function Row({ row, uses }: { readonly row: NotCoveredRow; readonly uses: readonly string[] }) {
  return (
    <tr>
      <th scope="row">
        <code>
          <Shown text={row.path} />
        </code>
      </th>
      <td>{row.value === null ? <span class="quiet">not shown</span> : <Shown text={row.value} />}</td>
      <td>
        <Shown text={row.reason} />
        {uses.length > 0 && (
          <>
            {' '}
            Used in <Shown text={uses.join(', ')} />.
          </>
        )}
      </td>
    </tr>
  );
}

function Table({
  rows,
  uses,
  caption,
}: {
  readonly rows: readonly NotCoveredRow[];
  readonly uses: ReadonlyMap<string, readonly string[]>;
  readonly caption: string;
}) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls sideways must be reached by keyboard.
    <section class="wide" aria-label={caption} tabIndex={0}>
      <table>
        <caption>{caption}</caption>
        <thead>
          <tr>
            <th scope="col">What</th>
            <th scope="col">In this run</th>
            <th scope="col">Why it is not covered</th>
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <Row key={row.path} row={row} uses={uses.get(row.path) ?? []} />
          ))}
        </tbody>
      </table>
    </section>
  );
}

/** What an approval says nothing about: first what covered texts take in all the same, then the rest. */
export function NotCovered({ hold, configuration }: { readonly hold: HoldDetail; readonly configuration: JsonObject }) {
  const rows = hold.facts.not_covered;
  const variables = rows.flatMap(({ path }) =>
    path.startsWith('variables.') ? [path.slice('variables.'.length)] : [],
  );
  const used = interpolations(configuration, variables);
  const uses = new Map(used.map(({ name, paths }) => [`variables.${name}`, paths]));
  const taken = rows.filter(({ path }) => uses.has(path));
  const rest = rows.filter(({ path }) => !uses.has(path));
  const { commit } = hold.facts;
  const covers = (filesSectionOf(configuration)?.files ?? null) !== null;
  return (
    <section aria-labelledby="not-covered-title" class="box">
      <h2 id="not-covered-title">Not covered by the approval</h2>
      <ul>
        {uncoveredWords(configuration).map((words) => (
          <li key={words}>{words}</li>
        ))}
      </ul>
      <p>
        The sources are those of commit{' '}
        <code>
          <Shown text={commit.sha.slice(0, 12)} />
        </code>
        {covers
          ? '; another commit of this ref runs with other files under the same approval, but for those that are covered.'
          : '; another commit of this ref runs with other files under the same approval.'}
      </p>
      {taken.length > 0 && (
        <Table
          rows={taken}
          uses={uses}
          caption={`${taken.length} values that are not covered, and that covered texts put in`}
        />
      )}
      {rest.length > 0 && (
        <details>
          <summary>{rest.length} more values of this run that are not covered</summary>
          <Table rows={rest} uses={uses} caption="Values of this run that are not covered" />
        </details>
      )}
    </section>
  );
}
