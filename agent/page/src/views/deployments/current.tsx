import { useEffect } from 'preact/hooks';
import { Link } from 'wouter-preact';
import type { CurrentDeployment } from '../../../../src/wire/deployments.ts';
import { onLive } from '../../lib/live.ts';
import { usePages } from '../../lib/pages.ts';
import { pathOf } from '../../lib/paths.ts';
import { Away } from '../../ui/away.tsx';
import { MorePages } from '../../ui/more-pages.tsx';
import { PeopleNames, type PersonLike } from '../../ui/people.tsx';
import { Shown } from '../../ui/shown.tsx';
import { Time } from '../../ui/time.tsx';
import { WideTable } from '../../ui/wide-table.tsx';

function By({ what, people }: { readonly what: string; readonly people: readonly PersonLike[] }) {
  if (people.length === 0) return null;
  return (
    <div>
      <span class="quiet">{what}:</span> <PeopleNames people={people} />
    </div>
  );
}

function Row({ now }: { readonly now: CurrentDeployment }) {
  const { id, environment, job, job_id: jobId, job_url: url, stopped, sha, ref, since, approved_by: by } = now;
  return (
    <tr>
      <td>
        <Shown text={environment.name} />
        <div class="quiet">
          <Shown text={now.project_path ?? `project ${now.project_id}`} />
        </div>
      </td>
      <td>
        {stopped ? 'nothing: it was stopped' : <code>{sha.slice(0, 12)}</code>}
        <div class="quiet">
          <Shown text={ref} />
        </div>
      </td>
      <td>
        <Shown text={job} />
        <div class="quiet">
          <Link href={`${pathOf('deployments')}?id=${id}`}>deployment {id}</Link> · <Away url={url}>job {jobId}</Away>
        </div>
      </td>
      <td>
        <By what="configuration" people={by.configuration} />
        <By what="deployment" people={by.deployment} />
      </td>
      <td>
        <Time at={since} />
      </td>
    </tr>
  );
}

/** What runs in each environment now: one answer of the hub, however long the list of deployments is. */
export function WhatRunsWhere({ project, environment }: { readonly project: string; readonly environment: string }) {
  const query = new URLSearchParams({ ...(project && { project }), ...(environment && { environment }) }).toString();
  const pages = usePages<CurrentDeployment>(`deployments/current?${query}`, 100);
  const { again } = pages;
  useEffect(
    // What ends well is what runs from then on; everything else changes nothing here.
    () =>
      onLive(
        (event) => (event.type === 'all' || (event.type === 'deployment' && event.state === 'success')) && again(),
      ),
    [again],
  );
  return (
    <section aria-labelledby="current-title">
      <h2 id="current-title">What runs where</h2>
      {pages.items.length > 0 && (
        <WideTable
          label="What runs in each environment"
          heads={['Environment', 'Commit', 'Job', 'Approved by', 'Since']}
        >
          {pages.items.map((now) => (
            <Row key={now.environment.id} now={now} />
          ))}
        </WideTable>
      )}
      <MorePages pages={pages} what="What runs where" none="Nothing has been deployed with success yet." />
    </section>
  );
}
