import { useMemo, useState } from 'preact/hooks';
import { Link } from 'wouter-preact';
import type { ChangeGroupView } from '../../../../src/wire/approvals.ts';
import { ask } from '../../lib/ask.ts';
import { type Loaded, useLoad } from '../../lib/load.ts';
import { pathOf } from '../../lib/paths.ts';
import { useTitle } from '../../lib/title.ts';
import { Notice, Pending } from '../../ui/notice.tsx';
import { Shown } from '../../ui/shown.tsx';
import { readBaseline, usualChoice } from '../review/baselines.ts';
import { Diff } from '../review/diff.tsx';
import { type Baseline, examine } from '../review/examine.ts';
import { Flags } from '../review/flags.tsx';
import { useSeen, WatchSeen } from '../review/seen.tsx';
import { ChangeDecide } from './change-decide.tsx';
import { MemberTable } from './member-table.tsx';
import { lookAtAll, type Member } from './members.ts';

interface Found {
  readonly group: ChangeGroupView;
  readonly members: readonly Member[];
  /** What the first of them is compared with. */
  readonly baseline: Baseline | null;
}

async function read(change: string, signal: AbortSignal): Promise<Found | null> {
  const { items } = await ask<{ readonly items: readonly ChangeGroupView[] }>(
    'GET',
    'reviews/changes',
    undefined,
    signal,
  );
  const group = items.find((one) => one.change === change);
  if (group === undefined) return null;
  const members = await lookAtAll(group, signal);
  const first = members.find(({ digest }) => digest !== null)?.hold ?? null;
  return { group, members, baseline: first === null ? null : await readBaseline(usualChoice(first), signal) };
}

/** One change in many places: seen once, answered once, each place by its own rules. */
export function ChangeView({ change }: { readonly change: string }) {
  useTitle('One change in many places');
  const found: Loaded<{ readonly of: Found | null }> = useLoad(`change ${change}`, async (signal) => ({
    of: await read(change, signal),
  }));
  if (found.value === null) return <Pending what="The change" {...found} />;
  const { of } = found.value;
  if (of === null) {
    return (
      <Notice tone="news">
        Nothing waits with this change any more. <Link href={pathOf('inbox')}>Back to the inbox</Link>
      </Notice>
    );
  }
  return <Change found={of} again={found.again} />;
}

function Change({ found, again }: { readonly found: Found; again(): void }) {
  const { group, members, baseline } = found;
  const able = useMemo(() => members.filter(({ digest, why }) => digest !== null && why === null), [members]);
  const [left, setLeft] = useState<ReadonlySet<number>>(new Set());
  const seen = useSeen();
  const first = members.find(({ digest }) => digest !== null)?.hold ?? null;
  const examined = useMemo(() => (first === null ? null : examine(first, baseline, null)), [first, baseline]);
  const chosen = able.filter(({ item }) => !left.has(item.review));
  return (
    <WatchSeen value={seen.watch}>
      <h1>One change in {members.length} places</h1>
      <p class="verdict">
        <Shown text={group.summary} />
      </p>
      {group.left_off > 0 && (
        <Notice tone="news">{group.left_off} more questions ask the same; they come when these are answered.</Notice>
      )}
      {examined?.kind === 'checked' ? (
        <>
          <Flags flags={examined.flags.filter(({ section }) => section !== null)} />
          <h2>What would change, as in the first of them</h2>
          <Diff sections={examined.sections} flags={examined.flags} configuration={examined.configuration} />
        </>
      ) : (
        <Notice tone="bad">None of them could be checked in this browser, so none can be approved from here.</Notice>
      )}
      <MemberTable
        members={members}
        left={left}
        onToggle={(review) =>
          setLeft((old) =>
            old.has(review) ? new Set([...old].filter((one) => one !== review)) : new Set([...old, review]),
          )
        }
      />
      <ChangeDecide chosen={chosen} seen={seen} onDone={again} />
    </WatchSeen>
  );
}
