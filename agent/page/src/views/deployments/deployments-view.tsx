import { useEffect, useState } from 'preact/hooks';
import type { DeploymentView } from '../../../../src/wire/deployments.ts';
import { useFilter } from '../../lib/filter.ts';
import { onLive } from '../../lib/live.ts';
import { usePages } from '../../lib/pages.ts';
import { idIn } from '../../lib/paths.ts';
import { useTitle } from '../../lib/title.ts';
import { Chip, StateChip } from '../../ui/chip.tsx';
import { Choice, Field } from '../../ui/field.tsx';
import { MorePages } from '../../ui/more-pages.tsx';
import { Notice } from '../../ui/notice.tsx';
import { PersonName } from '../../ui/people.tsx';
import { Shown } from '../../ui/shown.tsx';
import { Time } from '../../ui/time.tsx';
import { WideTable } from '../../ui/wide-table.tsx';
import { DeploymentBox } from './deployment-box.tsx';

const STATES = [
  ['', 'all'],
  ['blocked', 'blocked: approvals are missing'],
  ['created', 'approved, not started'],
  ['running', 'running'],
  ['success', 'success'],
  ['failed,canceled', 'failed or canceled'],
] as const;

/** What runs where now: the newest that succeeded, by project and environment. */
function current(deployments: readonly DeploymentView[]): readonly DeploymentView[] {
  const newest = new Map<string, DeploymentView>();
  for (const one of deployments) {
    if (one.state !== 'success') continue;
    const key = `${one.project_id} ${one.environment.name}`;
    const known = newest.get(key);
    if (known === undefined || known.id < one.id) newest.set(key, one);
  }
  return [...newest.values()].sort((a, b) => (a.environment.name < b.environment.name ? -1 : 1));
}

function Row({ deployment, onOpen }: { readonly deployment: DeploymentView; onOpen(): void }) {
  const { id, environment, state, job, ref, sha, kind, trigger, created_at: created } = deployment;
  return (
    <tr>
      <td>
        <Shown text={environment.name} />
        {environment.tier !== null && (
          <div class="quiet">
            <Shown text={environment.tier} />
          </div>
        )}
      </td>
      <td>
        <StateChip state={state} />
        {kind !== 'deploy' && (
          <div>
            <Chip>
              <Shown text={kind.replaceAll('_', ' ')} />
            </Chip>
          </div>
        )}
      </td>
      <td>
        <Shown text={job} />{' '}
        <button type="button" class="plain" onClick={onOpen}>
          Open deployment {id}
        </button>
        <div class="quiet">
          <Shown text={deployment.project_path ?? `project ${deployment.project_id}`} />
        </div>
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
          <Time at={created} />
        </div>
      </td>
    </tr>
  );
}

/** Environments, what runs where, what is blocked and by which rule, and the history of each run. */
export default function DeploymentsView() {
  useTitle('Deployments');
  const [{ state, project, environment, id }, set] = useFilter(['state', 'project', 'environment', 'id']);
  const query = new URLSearchParams({
    ...(state && { state }),
    ...(project && { project }),
    ...(environment && { environment }),
  }).toString();
  const pages = usePages<DeploymentView>(`deployments?${query}`, 100);
  const [isStale, setStale] = useState(false);
  useEffect(() => onLive(({ type }) => (type === 'deployment' || type === 'all') && setStale(true)), []);
  const opened = idIn(id);
  const again = (): void => {
    setStale(false);
    pages.again();
  };
  // The list begins with the oldest: of a part of it, or of what a filter leaves, nobody could say what is newest.
  const now = pages.hasMore ? [] : current(pages.items);
  return (
    <>
      <h1>Deployments</h1>
      {opened !== null && <DeploymentBox key={opened} id={opened} onClose={() => set('id', '')} onChanged={again} />}
      {isStale && (
        <Notice tone="news">
          Deployments have changed.{' '}
          <button type="button" class="plain" onClick={again}>
            Show them as they are now
          </button>
        </Notice>
      )}
      {now.length > 0 && state === '' && (
        <section class="box" aria-labelledby="current-title">
          <h2 id="current-title">What runs where</h2>
          <ul class="plain-list">
            {now.map((one) => (
              <li key={one.id}>
                <strong>
                  <Shown text={one.environment.name} />
                </strong>{' '}
                of <Shown text={one.project_path ?? `project ${one.project_id}`} />: <code>{one.sha.slice(0, 12)}</code>{' '}
                of <Shown text={one.ref} />, <Time at={one.finished_at ?? one.created_at} />
              </li>
            ))}
          </ul>
        </section>
      )}
      <search>
        <form class="filters" onSubmit={(event) => event.preventDefault()}>
          <Choice id="state" label="State" value={state} options={STATES} onChange={(value) => set('state', value)} />
          <Field
            id="environment"
            label="Environment"
            value={environment}
            onChange={(value) => set('environment', value)}
          />
          <Field
            id="project"
            label="Project (path or id)"
            value={project}
            onChange={(value) => set('project', value)}
          />
        </form>
      </search>
      <WideTable label="Deployments" heads={['Environment', 'State', 'Job', 'Ref', 'Requested by']}>
        {[...pages.items].reverse().map((one) => (
          <Row key={one.id} deployment={one} onOpen={() => set('id', String(one.id))} />
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
