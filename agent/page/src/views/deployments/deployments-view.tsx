import { Link } from 'wouter-preact';
import type { ListedDeployment } from '../../../../src/wire/deployments.ts';
import { useFilter } from '../../lib/filter.ts';
import { useListNews } from '../../lib/list-news.ts';
import { usePages } from '../../lib/pages.ts';
import { idIn, pathOf } from '../../lib/paths.ts';
import { useTitle } from '../../lib/title.ts';
import { Away } from '../../ui/away.tsx';
import { Chip } from '../../ui/chip.tsx';
import { FilterForm, PROJECT_FIELD } from '../../ui/filter-form.tsx';
import { ListNewsNotice } from '../../ui/list-news.tsx';
import { MorePages } from '../../ui/more-pages.tsx';
import { PersonName } from '../../ui/people.tsx';
import { Shown } from '../../ui/shown.tsx';
import { Standing } from '../../ui/standing.tsx';
import { Time } from '../../ui/time.tsx';
import { WideTable } from '../../ui/wide-table.tsx';
import { WhatRunsWhere } from './current.tsx';
import { DeploymentBox } from './deployment-box.tsx';

const STATES = [
  ['', 'all'],
  ['blocked', 'waiting for approvals'],
  ['created', 'approved, not running yet'],
  ['running', 'running'],
  ['success', 'success'],
  ['failed,canceled', 'failed or canceled'],
] as const;

const FIELDS = [
  { name: 'text', label: 'Find (job, ref, commit)', type: 'search' },
  { name: 'state', label: 'State', options: STATES },
  { name: 'environment', label: 'Environment' },
  PROJECT_FIELD,
] as const;

function Row({ deployment }: { readonly deployment: ListedDeployment }) {
  const { id, environment, job, job_id: jobId, job_url: url, ref, sha, kind, trigger, started } = deployment;
  return (
    <tr>
      <td>
        <Link href={`${pathOf('deployments')}?id=${id}`}>
          <Shown text={job} />
        </Link>
        <div class="quiet">
          <Link href={`${pathOf('deployments')}?id=${id}`}>deployment {id}</Link> · <Away url={url}>job {jobId}</Away>
        </div>
        <div class="quiet">
          <Shown text={deployment.project_path ?? `project ${deployment.project_id}`} />
        </div>
      </td>
      <td>
        <Shown text={environment.name} />
        {environment.tier !== null && environment.tier !== environment.name && (
          <div class="quiet">
            tier <Shown text={environment.tier} />
          </div>
        )}
      </td>
      <td>
        <Standing deployment={deployment} />
        {kind !== 'deploy' && (
          <div>
            <Chip>{kind === 'rerun' ? 'run again' : 'rollback'}</Chip>
          </div>
        )}
      </td>
      <td>
        <Shown text={ref} />
        <div class="quiet">
          <code>{sha.slice(0, 12)}</code>
        </div>
      </td>
      <td>
        <PersonName person={trigger} />
        <div class="quiet">
          <Time at={deployment.created_at} />
        </div>
      </td>
      <td>
        {started === null ? (
          'nobody yet'
        ) : (
          <>
            <PersonName person={started.by} />
            <div class="quiet">
              <Time at={started.at} />
            </div>
          </>
        )}
      </td>
    </tr>
  );
}

/** Environments, what runs where, what waits for whom, and the history of each run. */
export default function DeploymentsView() {
  useTitle('Deployments');
  const [{ id, ...filter }, set] = useFilter([...FIELDS.map(({ name }) => name), 'id']);
  const { text, state, project, environment } = filter;
  const query = new URLSearchParams({
    order: 'newest',
    ...(text && { text }),
    ...(state && { state }),
    ...(project && { project }),
    ...(environment && { environment }),
  }).toString();
  const pages = usePages<ListedDeployment>(`deployments?${query}`, 50);
  const news = useListNews('deployments', 'deployment', pages);
  const opened = idIn(id);
  return (
    <>
      <h1>Deployments</h1>
      {opened !== null && (
        <DeploymentBox
          key={opened}
          id={opened}
          onClose={() => set('id', '')}
          onChanged={() => void news.refresh(opened).catch(news.show)}
        />
      )}
      <WhatRunsWhere project={project} environment={environment} />
      <h2>All deployments</h2>
      <FilterForm fields={FIELDS} values={filter} onChange={set} />
      <ListNewsNotice what="Deployments" news={news} />
      <WideTable
        label="Deployments"
        heads={['Job', 'Environment', 'Where it stands', 'Ref', 'Requested by', 'Started by']}
      >
        {pages.items.map((one) => (
          <Row key={one.id} deployment={one} />
        ))}
      </WideTable>
      <MorePages
        pages={pages}
        what="Deployments"
        none="Nothing is deployed to a protected environment. Protect one in the policy, under environments."
      />
    </>
  );
}
