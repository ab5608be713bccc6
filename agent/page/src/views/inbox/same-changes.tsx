import { useEffect } from 'preact/hooks';
import { Link } from 'wouter-preact';
import type { ChangeGroupView } from '../../../../src/wire/approvals.ts';
import { ask } from '../../lib/ask.ts';
import { useLoad } from '../../lib/load.ts';
import { pathOf } from '../../lib/paths.ts';
import { Shown } from '../../ui/shown.tsx';

/** Changes that wait in several places, each answered in one step. */
export function SameChanges({
  turn,
  onShown,
}: {
  /** Another one: read again. */
  readonly turn: number;
  /** The Reviews that stand here. */
  onShown(reviews: ReadonlySet<number>): void;
}) {
  const found = useLoad(`changes ${turn}`, (signal) =>
    ask<{ readonly items: readonly ChangeGroupView[] }>('GET', 'reviews/changes', undefined, signal),
  );
  const groups = (found.value?.items ?? []).filter(
    ({ items }) => items.filter(({ may_vote }) => may_vote.allowed).length > 1,
  );
  const key = groups.flatMap(({ items }) => items.map(({ review }) => review)).join(' ');
  useEffect(() => onShown(new Set(key === '' ? [] : key.split(' ').map(Number))), [key]);
  if (groups.length === 0) return null;
  return (
    <section class="box" aria-labelledby="same-title">
      <h2 id="same-title">The same change in many places</h2>
      <ul class="plain-list">
        {groups.map(({ change, summary, items }) => (
          <li key={change}>
            <Link href={`${pathOf('inbox')}?change=${encodeURIComponent(change)}`}>
              {items.length} jobs in {new Set(items.map(({ project_id }) => project_id)).size} project
              {new Set(items.map(({ project_id }) => project_id)).size === 1 ? '' : 's'}: <Shown text={summary} />
            </Link>
          </li>
        ))}
      </ul>
    </section>
  );
}
