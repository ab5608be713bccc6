import { useState } from 'preact/hooks';
import type { ApprovalView, ListedApproval } from '../../../../src/wire/approvals.ts';
import { useFilter } from '../../lib/filter.ts';
import { useListNews } from '../../lib/list-news.ts';
import { usePages } from '../../lib/pages.ts';
import { useTitle } from '../../lib/title.ts';
import { FilterForm, PROJECT_FIELD } from '../../ui/filter-form.tsx';
import { ListNewsNotice } from '../../ui/list-news.tsx';
import { MorePages } from '../../ui/more-pages.tsx';
import { OpenGlasses } from '../../ui/open-glasses.tsx';
import { Shown } from '../../ui/shown.tsx';
import { WideTable } from '../../ui/wide-table.tsx';
import { ApprovalRow } from './approval-row.tsx';
import { byJob } from './by-job.ts';
import { CompareBar, CompareTwo } from './compare-two.tsx';
import { Denials } from './denials.tsx';
import { RevokeDialog } from './revoke-dialog.tsx';
import { RevokedNotice } from './revoked-notice.tsx';

/** Unused for so long, an approval is worth a look: it lapses after 90 days in any case. */
const UNUSED_DAYS = 30;

const SHOWN = [
  ['', 'in force'],
  ['unused', `in force, unused for ${UNUSED_DAYS} days`],
  ['all', 'all, revoked and over ones too'],
] as const;

const FIELDS = [
  { name: 'text', label: 'Find (job, project, ref, environment, digest)', type: 'search' },
  PROJECT_FIELD,
  { name: 'job', label: 'Job (its whole name)' },
  { name: 'show', label: 'Show', options: SHOWN },
] as const;
const HEADS = ['Approval', 'What may run, and where', 'Approved by', 'Last used', 'Compare or revoke'];

/** What is approved, where, by whom, until when and how much it is used; compare two, take one back. */
export default function ApprovalsView() {
  useTitle('Approved configurations');
  const [filter, set] = useFilter(FIELDS.map(({ name }) => name));
  const { text, project, job, show } = filter;
  const query = new URLSearchParams({
    order: 'newest',
    ...(text && { text }),
    ...(project && { project }),
    ...(job && { job }),
    ...(show !== 'all' && { valid: 'true' }),
    ...(show === 'unused' && { unused_days: String(UNUSED_DAYS) }),
  }).toString();
  const pages = usePages<ListedApproval>(`approvals?${query}`, 100);
  const news = useListNews('approvals', 'approval', pages);
  const [chosen, setChosen] = useState<readonly number[]>([]);
  const [isComparing, setComparing] = useState(false);
  const [revoking, setRevoking] = useState<ListedApproval | null>(null);
  const [revoked, setRevoked] = useState<number | null>(null);
  const toggle = (id: number) =>
    setChosen((old) => (old.includes(id) ? old.filter((one) => one !== id) : [...old.slice(-1), id]));
  const close = (after: ApprovalView | null): void => {
    if (revoking !== null && after !== null) {
      pages.put({ ...revoking, ...after });
      setRevoked(after.id);
      // Who they are by name and why stand in the list alone.
      void news.refresh(after.id).catch(() => {});
    }
    setRevoking(null);
  };
  const isNarrowed = text !== '' || project !== '' || job !== '' || show === 'unused';
  return (
    <>
      <h1>Approved configurations</h1>
      <OpenGlasses />
      <FilterForm fields={FIELDS} values={filter} onChange={set} />
      <ListNewsNotice what="Approvals" news={news} />
      <WideTable label="Approved configurations" heads={HEADS}>
        {byJob(pages.items).flatMap((group) => [
          <tr key={group.key} class="group">
            <th scope="rowgroup" colSpan={HEADS.length}>
              <Shown text={group.job} />{' '}
              <span class="quiet">
                in <Shown text={group.project} />
              </span>
            </th>
          </tr>,
          ...group.approvals.flatMap((approval) => [
            <ApprovalRow
              key={approval.id}
              approval={approval}
              isChosen={chosen.includes(approval.id)}
              onChoose={() => toggle(approval.id)}
              onRevoke={() => setRevoking(approval)}
            />,
            approval.id === revoked && (
              <RevokedNotice key={`${approval.id} told`} id={approval.id} columns={HEADS.length} />
            ),
          ]),
        ])}
      </WideTable>
      <CompareBar chosen={chosen} onCompare={() => setComparing(true)} onClear={() => setChosen([])} />
      <MorePages
        pages={pages}
        what="Approved configurations"
        none={isNarrowed ? 'None fits.' : 'Nothing is approved: every job of a protected runner waits.'}
      />
      <Denials />
      {isComparing && chosen.length === 2 && (
        <CompareTwo from={Math.min(...chosen)} to={Math.max(...chosen)} onClose={() => setComparing(false)} />
      )}
      {revoking !== null && <RevokeDialog approval={revoking} onClose={close} />}
    </>
  );
}
