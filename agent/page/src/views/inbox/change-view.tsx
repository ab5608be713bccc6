import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { Link } from 'wouter-preact';
import type { ChangeGroupView } from '../../../../src/wire/approvals.ts';
import { ask } from '../../lib/ask.ts';
import { type Loaded, useLoad } from '../../lib/load.ts';
import { pathOf } from '../../lib/paths.ts';
import { useTitle } from '../../lib/title.ts';
import { Notice, Pending } from '../../ui/notice.tsx';
import { Shown } from '../../ui/shown.tsx';
import { Diff } from '../review/diff.tsx';
import { examine } from '../review/examine.ts';
import { Flags } from '../review/flags.tsx';
import { useSeen, WatchSeen } from '../review/seen.tsx';
import { type Became, becameInWords } from './answer.ts';
import { ChangeDecide } from './change-decide.tsx';
import { MemberTable } from './member-table.tsx';
import { useMembers } from './use-members.ts';

async function read(change: string, signal: AbortSignal): Promise<ChangeGroupView | null> {
  const { items } = await ask<{ readonly items: readonly ChangeGroupView[] }>(
    'GET',
    'reviews/changes',
    undefined,
    signal,
  );
  const found = items.find((one) => one.change === change);
  if (found === undefined) return null;
  // In the order in which their jobs came, which is not that in which the questions were opened.
  return { ...found, items: found.items.toSorted((a, b) => (a.holds.at(-1) ?? 0) - (b.holds.at(-1) ?? 0)) };
}

/** One change in many places: seen once, answered once, each place by its own rules. */
export function ChangeView({ change }: { readonly change: string }) {
  useTitle('One change in many places');
  const found: Loaded<{ readonly of: ChangeGroupView | null }> = useLoad(`change ${change}`, async (signal) => ({
    of: await read(change, signal),
  }));
  if (found.value === null) return <Pending what="the change" {...found} />;
  const { of } = found.value;
  if (of === null) {
    return (
      <Notice tone="news">
        Nothing waits with this change any more. <Link href={pathOf('inbox')}>Back to the inbox</Link>
      </Notice>
    );
  }
  return <Change group={of} again={found.again} />;
}

const NOBODY: ReadonlySet<number> = new Set();

function Change({ group, again }: { readonly group: ChangeGroupView; again(): void }) {
  const members = useMembers(group);
  const [left, setLeft] = useState(NOBODY);
  const [became, setBecame] = useState<ReadonlyMap<number, Became> | null>(null);
  useEffect(() => {
    setLeft(NOBODY);
    setBecame(null);
  }, [group]);
  const bar = useRef<HTMLElement>(null);
  const seen = useSeen(bar);
  const able = useMemo(() => members.filter(({ digest, why }) => digest !== null && why === null), [members]);
  // They come in their order, so the first that could be checked stays the first.
  const first = members.find(({ digest }) => digest !== null) ?? null;
  const examined = useMemo(
    () => (first?.hold == null ? null : examine(first.hold, first.baseline, null)),
    [first?.hold, first?.baseline],
  );
  const chosen = able.filter(({ item }) => !left.has(item.review));
  const unchecked = group.items.length - members.length;
  const byReview = new Map(members.map((member) => [member.item.review, member]));
  const places = group.items.map((item) => {
    const hold = item.holds.at(-1);
    return {
      item,
      member: byReview.get(item.review) ?? null,
      became: hold === undefined ? null : (became?.get(hold) ?? null),
    };
  });
  const toggle = (review: number): void =>
    setLeft((old) => (old.has(review) ? new Set([...old].filter((one) => one !== review)) : new Set([...old, review])));
  return (
    <WatchSeen value={seen.watch}>
      <h1>
        One change in {group.items.length} {group.items.length === 1 ? 'place' : 'places'}
      </h1>
      <p class="verdict">
        <Shown text={group.summary} />
      </p>
      {became !== null && (
        <Answered
          became={[...became.values()]}
          hasMore={became.size < group.items.length || group.left_off > 0}
          onDone={again}
        />
      )}
      {group.left_off > 0 && (
        <Notice tone="news">{group.left_off} more questions ask the same; they come when these are answered.</Notice>
      )}
      {examined?.kind === 'checked' ? (
        <>
          <Flags flags={examined.flags.filter(({ section }) => section !== null)} />
          <h2>{became === null ? 'What would change' : 'What was answered'}, as in the first of them</h2>
          <Diff sections={examined.sections} flags={examined.flags} configuration={examined.configuration} />
        </>
      ) : unchecked > 0 ? (
        <p class="quiet">The first of them is being checked in this browser …</p>
      ) : (
        <Notice tone="bad">None of them could be checked in this browser, so none can be approved from here.</Notice>
      )}
      <MemberTable places={places} left={left} onToggle={toggle}>
        {became === null && (
          <div class="choose">
            <p>
              Each gets your vote with its own digest, computed in this browser, and each is approved only as far as its
              own rules are met: for its own ref and environment, for as long as the policy gives without a wish.
            </p>
            <p>
              <span role="status">
                {chosen.length} of {group.items.length} chosen.
              </span>{' '}
              <button type="button" disabled={left.size === 0} onClick={() => setLeft(NOBODY)}>
                Select all
              </button>{' '}
              <button
                type="button"
                disabled={chosen.length === 0}
                onClick={() => setLeft(new Set(group.items.map(({ review }) => review)))}
              >
                Select none
              </button>
            </p>
          </div>
        )}
      </MemberTable>
      {became === null && (
        <ChangeDecide chosen={chosen} unchecked={unchecked} seen={seen} bar={bar} onAnswered={setBecame} />
      )}
    </WatchSeen>
  );
}

/** What became of all of them, where the eye is after the answer. */
function Answered({
  became,
  hasMore,
  onDone,
}: {
  readonly became: readonly Became[];
  /** Some were not answered. */
  readonly hasMore: boolean;
  onDone(): void;
}) {
  const box = useRef<HTMLDivElement>(null);
  useEffect(() => {
    box.current?.focus();
    box.current?.scrollIntoView({ block: 'center' });
  }, []);
  const isAll = became.every(({ kind }) => kind === 'goes' || kind === 'ended');
  return (
    <div ref={box} tabIndex={-1}>
      <Notice tone={isAll ? 'good' : 'warn'}>
        <p>
          <strong>{becameInWords(became)}</strong> Each row below says what became of it.
        </p>
        {(hasMore || !isAll) && (
          <>
            <button type="button" onClick={onDone}>
              Show what is left
            </button>{' '}
          </>
        )}
        <Link href={pathOf('inbox')}>Back to the inbox</Link>
      </Notice>
    </div>
  );
}
