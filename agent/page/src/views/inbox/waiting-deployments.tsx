import { useEffect } from 'preact/hooks';
import { Link } from 'wouter-preact';
import type { ListedDeployment } from '../../../../src/wire/deployments.ts';
import { ask } from '../../lib/ask.ts';
import { onLive } from '../../lib/live.ts';
import { useLoad } from '../../lib/load.ts';
import { pathOf } from '../../lib/paths.ts';
import { PersonName } from '../../ui/people.tsx';
import { Shown } from '../../ui/shown.tsx';
import { Standing } from '../../ui/standing.tsx';
import { Time } from '../../ui/time.tsx';

/** So many stand here; the rest is in their own place. */
const MAX_SHOWN = 10;

/** Deployments that wait for approvals or for somebody who runs them: the second gate has its own people. */
export function WaitingDeployments({ turn }: { /** Another one: read again. */ readonly turn: number }) {
  const found = useLoad(`waiting deployments ${turn}`, (signal) =>
    ask<{ readonly items: readonly ListedDeployment[]; readonly next_cursor: string | null }>(
      'GET',
      'deployments?state=blocked,created&limit=100',
      undefined,
      signal,
    ),
  );
  const { again } = found;
  useEffect(() => onLive(({ type }) => type === 'deployment' && again()), [again]);
  const items = found.value?.items ?? [];
  if (items.length === 0) return null;
  const many = `${items.length}${found.value?.next_cursor === null ? '' : '+'}`;
  return (
    <section class="box" aria-labelledby="deployments-title">
      <h2 id="deployments-title">
        Deployments that wait <span class="counts">{many}</span>
      </h2>
      <ul class="plain-list">
        {items.slice(0, MAX_SHOWN).map((one) => (
          <li key={one.id}>
            <Link href={`${pathOf('deployments')}?id=${one.id}`}>
              <Shown text={`${one.job} to ${one.environment.name}`} />
            </Link>{' '}
            <Standing deployment={one} />{' '}
            <span class="quiet">
              <Shown text={one.project_path ?? `project ${one.project_id}`} />, <Shown text={one.ref} />, by{' '}
              <PersonName person={one.trigger} />, <Time at={one.created_at} />
            </span>
          </li>
        ))}
      </ul>
      {items.length > MAX_SHOWN && <Link href={`${pathOf('deployments')}?state=blocked`}>All of them</Link>}
    </section>
  );
}
