import { useEffect, useState } from 'preact/hooks';
import type { DenialView, ListedApproval } from '../../../../src/wire/approvals.ts';
import { useAct } from '../../lib/act.ts';
import { ask } from '../../lib/ask.ts';
import { useFilter } from '../../lib/filter.ts';
import { onLive } from '../../lib/live.ts';
import { usePages } from '../../lib/pages.ts';
import { useTitle } from '../../lib/title.ts';
import { Chip } from '../../ui/chip.tsx';
import { Choice, Field } from '../../ui/field.tsx';
import { MorePages } from '../../ui/more-pages.tsx';
import { Notice } from '../../ui/notice.tsx';
import { PersonName } from '../../ui/people.tsx';
import { Shown } from '../../ui/shown.tsx';
import { Time } from '../../ui/time.tsx';
import { WideTable } from '../../ui/wide-table.tsx';
import { CompareTwo } from './compare-two.tsx';
import { RevokeDialog } from './revoke-dialog.tsx';

/** Unused for so long, an approval is worth a look: it lapses after as many days in any case. */
const UNUSED_DAYS = 30;
const DAY_MS = 86_400_000;

const SHOWN = [
  ['', 'in force'],
  ['unused', `in force, unused for ${UNUSED_DAYS} days`],
  ['all', 'all, revoked and over ones too'],
] as const;

function isUnused({ last_used_at, created_at }: ListedApproval): boolean {
  return Date.now() - Date.parse(last_used_at ?? created_at) > UNUSED_DAYS * DAY_MS;
}

function Standing({ approval }: { readonly approval: ListedApproval }) {
  if (approval.revoked_at !== null) return <Chip tone="stop">Revoked</Chip>;
  return approval.valid ? <Chip tone="go">In force</Chip> : <Chip>Over</Chip>;
}

function By({ approval }: { readonly approval: ListedApproval }) {
  if (approval.auto !== null) {
    return (
      <>
        nobody voted: <PersonName person={approval.auto} /> pushed and made all of it
      </>
    );
  }
  return (
    <>
      {approval.votes.map(({ person }, i) => (
        <span key={person.id}>
          {i > 0 && ', '}
          <PersonName person={person} />
        </span>
      ))}
    </>
  );
}

function Row({
  approval,
  isChosen,
  onChoose,
  onRevoke,
}: {
  readonly approval: ListedApproval;
  readonly isChosen: boolean;
  onChoose(): void;
  onRevoke(): void;
}) {
  const { id, valid, last_used_at: used, runners, times_used: times, uses_left: left } = approval;
  return (
    <tr>
      <td>
        <Shown text={approval.job} />
        <div class="quiet">
          <Shown text={approval.project_path ?? `project ${approval.project_id}`} />
        </div>
        <code title={approval.digest}>{approval.digest.slice(0, 19)}…</code>
      </td>
      <td>
        <Standing approval={approval} />
        <div class="quiet">
          <Shown text={approval.lifetime.replace(/T.*$/, '')} />
          {left !== null && `, ${left} left`}
        </div>
      </td>
      <td>
        <ul class="plain-list">
          {approval.scope_words.map((words) => (
            <li key={words}>
              <Shown text={words} />
            </li>
          ))}
        </ul>
      </td>
      <td>
        <By approval={approval} />
        <div class="quiet">
          <Time at={approval.created_at} />
        </div>
      </td>
      <td>
        {used === null ? 'never' : <Time at={used} />}
        <div class="quiet">
          {times} {times === 1 ? 'run' : 'runs'}
          {runners.length > 0 && (
            <>
              {' on '}
              <Shown text={runners.join(', ')} />
            </>
          )}
        </div>
      </td>
      <td>
        <label class="tick">
          <input type="checkbox" checked={isChosen} onChange={onChoose} aria-label={`Compare approval ${id}`} />
          Compare
        </label>
        {valid && (
          <button type="button" class="danger" onClick={onRevoke} aria-label={`Revoke approval ${id}`}>
            Revoke
          </button>
        )}
      </td>
    </tr>
  );
}

/** What is approved, where, by whom, until when and how much it is used; compare two, take one back. */
export default function ApprovalsView() {
  useTitle('Approved configurations');
  const [{ project, show }, set] = useFilter(['project', 'show']);
  const pages = usePages<ListedApproval>(
    `approvals${project === '' ? '' : `?project=${encodeURIComponent(project)}`}`,
    100,
  );
  const [chosen, setChosen] = useState<readonly number[]>([]);
  const [revoking, setRevoking] = useState<ListedApproval | null>(null);
  const [isStale, setStale] = useState(false);
  useEffect(() => onLive(({ type }) => (type === 'approval' || type === 'all') && setStale(true)), []);
  const fits = (approval: ListedApproval): boolean =>
    show === 'all' || (approval.valid && (show !== 'unused' || isUnused(approval)));
  const items = pages.items.filter(fits);
  const toggle = (id: number) =>
    setChosen((old) => (old.includes(id) ? old.filter((one) => one !== id) : [...old.slice(-1), id]));
  return (
    <>
      <h1>Approved configurations</h1>
      <search>
        <form class="filters" onSubmit={(event) => event.preventDefault()}>
          <Choice id="show" label="Show" value={show} options={SHOWN} onChange={(value) => set('show', value)} />
          <Field
            id="project"
            label="Project (path or id)"
            value={project}
            onChange={(value) => set('project', value)}
          />
        </form>
      </search>
      {isStale && (
        <Notice tone="news">
          Approvals have changed.{' '}
          <button
            type="button"
            class="plain"
            onClick={() => {
              setStale(false);
              pages.again();
            }}
          >
            Show them as they are now
          </button>
        </Notice>
      )}
      {chosen.length === 2 && <CompareTwo from={Math.min(...chosen)} to={Math.max(...chosen)} />}
      <WideTable
        label="Approved configurations"
        heads={['Job', 'Standing', 'Lets run', 'Approved by', 'Last used', 'Act']}
      >
        {items.map((approval) => (
          <Row
            key={approval.id}
            approval={approval}
            isChosen={chosen.includes(approval.id)}
            onChoose={() => toggle(approval.id)}
            onRevoke={() => setRevoking(approval)}
          />
        ))}
      </WideTable>
      {items.length === 0 && pages.items.length > 0 && <p class="quiet">Of those that were read, none fits.</p>}
      <MorePages
        pages={pages}
        what="Approved configurations"
        none="Nothing is approved yet: every job of a protected runner waits."
      />
      <Denials />
      {revoking !== null && (
        <RevokeDialog
          approval={revoking}
          onClose={(done) => {
            setRevoking(null);
            if (done) pages.again();
          }}
        />
      )}
    </>
  );
}

/** Configurations that were rejected and are refused at once. */
function Denials() {
  const pages = usePages<DenialView>('denials', 50);
  const act = useAct();
  const denials = pages.items.filter((one) => one.in_force);
  const lift = async ({ id }: DenialView): Promise<void> => {
    if (await act.run(() => ask('POST', `denials/${id}/lift`, {}), `denial ${id} is lifted`)) pages.again();
  };
  return (
    <section aria-labelledby="denials-title">
      <h2 id="denials-title">Rejected and remembered</h2>
      {act.problem !== null && <Notice tone="bad">Not lifted: {act.problem}</Notice>}
      {denials.length > 0 && (
        <WideTable label="Rejected and remembered" heads={['Job', 'Rejected by', 'Why', 'Until', 'Act']}>
          {denials.map((denial) => (
            <tr key={denial.id}>
              <td>
                <Shown text={denial.job} />
                <div class="quiet">project {denial.project_id}</div>
                <code title={denial.digest}>{denial.digest.slice(0, 19)}…</code>
              </td>
              <td>
                <Shown text={denial.by} />
              </td>
              <td>
                <Shown text={denial.reason} />
              </td>
              <td>
                <Time at={denial.until} />
              </td>
              <td>
                <button
                  type="button"
                  disabled={act.isBusy}
                  onClick={() => lift(denial)}
                  aria-label={`Lift denial ${denial.id}`}
                >
                  Lift
                </button>
              </td>
            </tr>
          ))}
        </WideTable>
      )}
      {denials.length === 0 && !pages.isLoading && pages.problem === null && (
        <p class="quiet">Nothing is refused at present.</p>
      )}
      {pages.problem !== null && <Notice tone="bad">Rejected ones cannot be shown: {pages.problem}</Notice>}
    </section>
  );
}
