import { useState } from 'preact/hooks';
import type { ApprovalView, ListedApproval } from '../../../../src/wire/approvals.ts';
import { useFilter } from '../../lib/filter.ts';
import { useListNews } from '../../lib/list-news.ts';
import { usePages } from '../../lib/pages.ts';
import { useTitle } from '../../lib/title.ts';
import { FilterForm, PROJECT_FIELD } from '../../ui/filter-form.tsx';
import { ListNewsNotice } from '../../ui/list-news.tsx';
import { MorePages } from '../../ui/more-pages.tsx';
import { Notice } from '../../ui/notice.tsx';
import { OpenGlasses } from '../../ui/open-glasses.tsx';
import { Shown } from '../../ui/shown.tsx';
import { WideTable } from '../../ui/wide-table.tsx';
import { ApprovalRow } from './approval-row.tsx';
import { byJob } from './by-job.ts';
import { CompareTwo } from './compare-two.tsx';
import { Denials } from './denials.tsx';
import { RevokeDialog } from './revoke-dialog.tsx';

/** Unused for so long, an approval is worth a look: it lapses after 90 days in any case. */
const UNUSED_DAYS = 30;

const SHOWN = [
  ['', 'in force'],
  ['unused', `in force, unused for ${UNUSED_DAYS} days`],
  ['all', 'all, revoked and over ones too'],
] as const;

const FIELDS = [
  { name: 'text', label: 'Find (job, project, ref, digest)', type: 'search' },
  PROJECT_FIELD,
  { name: 'job', label: 'Job (its whole name)' },
  { name: 'show', label: 'Show', options: SHOWN },
] as const;
const HEADS = ['Approval', 'Lets run', 'Approved by', 'Last used', 'Act'];

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
  const [revoking, setRevoking] = useState<ListedApproval | null>(null);
  const [revoked, setRevoked] = useState<number | null>(null);
  const toggle = (id: number) =>
    setChosen((old) => (old.includes(id) ? old.filter((one) => one !== id) : [...old.slice(-1), id]));
  const close = (after: ApprovalView | null): void => {
    if (revoking !== null && after !== null) {
      pages.put({ ...revoking, ...after });
      setRevoked(after.id);
    }
    setRevoking(null);
  };
  const isNarrowed = text !== '' || project !== '' || job !== '' || show === 'unused';
  return (
    <>
      <h1>Approved configurations</h1>
      <OpenGlasses />
      <FilterForm fields={FIELDS} values={filter} onChange={set} />
      {revoked !== null && (
        <Notice tone="good">Approval {revoked} is revoked; the next job with this configuration waits.</Notice>
      )}
      <ListNewsNotice what="Approvals" news={news} />
      {chosen.length === 2 && <CompareTwo from={Math.min(...chosen)} to={Math.max(...chosen)} />}
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
          ...group.approvals.map((approval) => (
            <ApprovalRow
              key={approval.id}
              approval={approval}
              isChosen={chosen.includes(approval.id)}
              onChoose={() => toggle(approval.id)}
              onRevoke={() => setRevoking(approval)}
            />
          )),
        ])}
      </WideTable>
      <MorePages
        pages={pages}
        what="Approved configurations"
        none={isNarrowed ? 'None fits.' : 'Nothing is approved: every job of a protected runner waits.'}
      />
      <Denials />
      {revoking !== null && <RevokeDialog approval={revoking} onClose={close} />}
    </>
  );
}
