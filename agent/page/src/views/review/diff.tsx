import { useMemo, useState } from 'preact/hooks';
import type { ValueChange } from '../../../../src/domain/configuration-diff.ts';
import type { SectionRows, UnchangedRow } from '../../../../src/domain/configuration-rows.ts';
import type { JsonObject } from '../../../../src/domain/json.ts';
import type { RiskFlag } from '../../../../src/domain/risk-flags.ts';
import { ChangedRow, SameRow } from './diff-row.tsx';
import { PartEnd } from './seen.tsx';

/** Unchanged lines that are shown on either side of a change of a script; elsewhere neighbours mean nothing. */
const CONTEXT_ROWS = 2;
/** So many rows are one part, which has been seen when its end was on the screen. */
const ROWS_OF_PART = 12;
/** So many rows are drawn at once; more come when asked for, and count as not seen until then. */
const ROWS_AT_ONCE = 2_000;

type Row = ValueChange | UnchangedRow;
type Piece =
  | { readonly kind: 'rows'; readonly rows: readonly Row[]; readonly from: number }
  | { readonly kind: 'fold'; readonly rows: readonly UnchangedRow[]; readonly from: number };

/** Rows in pieces: what is unchanged and far from any change is folded, and can be unfolded. */
function piecesOf(rows: readonly Row[], context: number): readonly Piece[] {
  const near = new Uint8Array(rows.length);
  rows.forEach((row, index) => {
    if (row.kind !== 'unchanged')
      near.fill(1, Math.max(0, index - context), Math.min(rows.length, index + context + 1));
  });
  const pieces: Piece[] = [];
  for (let from = 0; from < rows.length; ) {
    let to = from + 1;
    while (to < rows.length && near[to] === near[from]) to += 1;
    const own = rows.slice(from, to);
    pieces.push(
      near[from] === 1 ? { kind: 'rows', rows: own, from } : { kind: 'fold', rows: own as UnchangedRow[], from },
    );
    from = to;
  }
  return pieces;
}

/** Rows that are not folded away. */
const rowsIn = (pieces: readonly Piece[]): number =>
  pieces.reduce((sum, piece) => sum + (piece.kind === 'rows' ? piece.rows.length : 0), 0);

/** The first pieces with so many rows that are not folded; the last of them may be cut. */
function drawnOf(pieces: readonly Piece[], most: number): readonly Piece[] {
  const drawn: Piece[] = [];
  let left = most;
  for (const piece of pieces) {
    if (left <= 0) break;
    if (piece.kind === 'fold') drawn.push(piece);
    else {
      drawn.push({ ...piece, rows: piece.rows.slice(0, left) });
      left -= piece.rows.length;
    }
  }
  return drawn;
}

const plural = (count: number, what: string) => `${count} ${what}${count === 1 ? '' : 's'}`;

function Fold({ rows, configuration }: { readonly rows: readonly UnchangedRow[]; readonly configuration: JsonObject }) {
  const [isOpen, setOpen] = useState(false);
  const [shown, setShown] = useState(ROWS_AT_ONCE);
  return (
    <>
      <button type="button" class="fold" aria-expanded={isOpen} onClick={() => setOpen(!isOpen)}>
        {isOpen ? 'Fold' : 'Show'} {plural(rows.length, 'unchanged value')}
      </button>
      {isOpen && rows.slice(0, shown).map((row) => <SameRow key={row.path} row={row} configuration={configuration} />)}
      {isOpen && rows.length > shown && (
        <button type="button" class="fold" onClick={() => setShown(shown + ROWS_AT_ONCE)}>
          Show the next {Math.min(ROWS_AT_ONCE, rows.length - shown)} of {rows.length}
        </button>
      )}
    </>
  );
}

function Rows({
  rows,
  from,
  configuration,
}: {
  readonly rows: readonly Row[];
  readonly from: number;
  readonly configuration: JsonObject;
}) {
  return (
    <>
      {rows.map((row, index) => {
        const isEnd =
          row.kind !== 'unchanged' && ((from + index) % ROWS_OF_PART === 0 || rows[index + 1]?.kind !== row.kind);
        const key = `${from + index} ${row.path}`;
        if (row.kind === 'unchanged') return <SameRow key={key} row={row} configuration={configuration} />;
        return (
          <div key={key} class="change">
            <ChangedRow change={row} configuration={configuration} />
            {isEnd && <PartEnd />}
          </div>
        );
      })}
    </>
  );
}

/** Names of sections for people. */
const NAMES: Readonly<Record<SectionRows['section'], string>> = {
  script: 'Script',
  files: 'Files of the repository',
  image: 'Image',
  services: 'Services',
  variables: 'Variables',
  artifacts: 'Artifacts',
  cache: 'Cache',
  secrets: 'Secrets',
  rest: 'Everything else',
};

function ChangedSection({
  of,
  flags,
  configuration,
}: {
  readonly of: SectionRows;
  readonly flags: readonly RiskFlag[];
  readonly configuration: JsonObject;
}) {
  const [shown, setShown] = useState(ROWS_AT_ONCE);
  const pieces = useMemo(() => piecesOf(of.rows, of.section === 'script' ? CONTEXT_ROWS : 0), [of.rows, of.section]);
  const own = flags.filter((flag) => flag.section === of.section);
  const drawn = drawnOf(pieces, shown);
  const hidden = rowsIn(pieces) - rowsIn(drawn);
  return (
    <section class="section" aria-label={`${NAMES[of.section]}: ${of.changed} changed`}>
      <h3>
        {NAMES[of.section]}{' '}
        <span class="counts">
          {plural(of.changed, 'change')}, {of.unchanged} unchanged
        </span>
      </h3>
      {own.length > 0 && (
        <p class={own.some(({ weight }) => weight === 'stop') ? 'section-flags section-stop' : 'section-flags'}>
          {own.map(({ risk }) => risk.replaceAll('_', ' ')).join(', ')}
        </p>
      )}
      <div class="rows">
        {drawn.map((piece) =>
          piece.kind === 'rows' ? (
            <Rows key={piece.from} rows={piece.rows} from={piece.from} configuration={configuration} />
          ) : (
            <Fold key={piece.from} rows={piece.rows} configuration={configuration} />
          ),
        )}
        {hidden > 0 && (
          <>
            <button type="button" class="fold" onClick={() => setShown(shown + ROWS_AT_ONCE)}>
              Show the next {Math.min(ROWS_AT_ONCE, hidden)} of {hidden} more rows
            </button>
            <Unshown key={shown} />
          </>
        )}
      </div>
    </section>
  );
}

/** What is not drawn yet counts as not seen: its end is where nothing is ever on the screen. */
function Unshown() {
  return (
    <span class="never">
      <PartEnd />
    </span>
  );
}

/** The whole difference: sections that changed, then what did not, folded and counted. */
export function Diff({
  sections,
  flags,
  configuration,
}: {
  readonly sections: readonly SectionRows[];
  readonly flags: readonly RiskFlag[];
  readonly configuration: JsonObject;
}) {
  const changed = sections.filter((section) => section.changed > 0);
  const same = sections.filter((section) => section.changed === 0 && section.unchanged > 0);
  return (
    <div class="diff">
      {changed.map((section) => (
        <ChangedSection key={section.section} of={section} flags={flags} configuration={configuration} />
      ))}
      {/* Also a difference without any change is looked at to its end. */}
      <div class="change">
        <PartEnd />
      </div>
      {same.map(({ section, rows, unchanged }) => (
        <section key={section} class="section section-same" aria-label={`${NAMES[section]}: nothing changed`}>
          <h3>
            {NAMES[section]} <span class="counts">nothing changed, {unchanged} unchanged</span>
          </h3>
          <Fold rows={rows as readonly UnchangedRow[]} configuration={configuration} />
        </section>
      ))}
    </div>
  );
}
