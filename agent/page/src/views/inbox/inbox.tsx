import { useEffect, useRef, useState } from 'preact/hooks';
import { useLocation, useSearchParams } from 'wouter-preact';
import type { InboxItemView } from '../../../../src/wire/inbox.ts';
import { useKeys } from '../../lib/keys.ts';
import { onLive } from '../../lib/live.ts';
import { usePages } from '../../lib/pages.ts';
import { say } from '../../lib/say.ts';
import { now } from '../../lib/times.ts';
import { useTitle } from '../../lib/title.ts';
import { useVirtual } from '../../lib/virtual.ts';
import { Notice } from '../../ui/notice.tsx';
import { ChangeView } from './change-view.tsx';
import { Empty } from './empty.tsx';
import { FilterForm } from './filter-form.tsx';
import { lanePath, useFilters } from './filters.ts';
import { ItemRow, pathOfItem } from './item-row.tsx';
import { KeyHelp } from './key-help.tsx';
import { LaneEnd } from './lane-end.tsx';
import { type InboxRow, type Lane, nextItem, rowsOf } from './rows.ts';
import { SameChanges } from './same-changes.tsx';
import { WaitingDeployments } from './waiting-deployments.tsx';

const ROW_PX = 92;
const NONE: ReadonlySet<number> = new Set();

/** The inbox, or one change of it that waits in many places. */
export function Inbox() {
  const [search] = useSearchParams();
  const change = search.get('change');
  return change === null ? <Waiting /> : <ChangeView key={change} change={change} />;
}

/** What waits: for the reader first, then for others, then what the reader opened. */
function Waiting() {
  useTitle('Inbox');
  const [turn, setTurn] = useState(0);
  const [, navigate] = useLocation();
  const [filters, setFilter] = useFilters();
  const mine = usePages<InboxItemView>(lanePath('me', filters));
  const others = usePages<InboxItemView>(lanePath('others', filters));
  const opened = usePages<InboxItemView>(lanePath('opened', filters));
  const lanes: readonly Lane[] = [
    { lane: 'me', title: 'Waits for you', none: 'Nothing waits for you.', pages: mine },
    {
      lane: 'others',
      title: 'Jobs of others, for others to decide',
      none: 'No job of others waits for others.',
      pages: others,
    },
    {
      lane: 'opened',
      title: 'Your jobs, for others to decide',
      none: 'No job of yours waits for others.',
      pages: opened,
    },
  ];
  const [grouped, setGrouped] = useState<ReadonlySet<number>>(NONE);
  const rows = rowsOf(lanes, mine.items.length > 1 ? grouped : NONE);
  const [current, setCurrent] = useState<string | null>(null);
  const cursor = useRef<string | null>(null);
  const [isHelpOpen, setHelpOpen] = useState(false);
  const changes = useChanges();
  const { virtual, above, list } = useVirtual(rows.length, (index) => rows[index]!.key, ROW_PX);

  const move = (step: 1 | -1): void => {
    // Keys come faster than the page is drawn: each goes on from the one before.
    const from = rows.findIndex(({ key }) => key === cursor.current);
    const next = nextItem(rows, from, step);
    if (next < 0) return;
    const row = rows[next]!;
    cursor.current = row.key;
    setCurrent(row.key);
    virtual.scrollToIndex(next, { align: 'auto' });
    if (row.kind === 'item') say(`${row.item.job}, ${row.item.project_path ?? ''}, ${row.item.summary}`);
  };
  const open = (part: '' | '#approve' | '#reject'): void => {
    const row = rows.find(({ key }) => key === cursor.current);
    if (row?.kind === 'item') navigate(`${pathOfItem(row.item)}${part}`);
  };
  const refresh = (): void => {
    for (const { pages } of lanes) pages.again();
    changes.forget();
    setTurn(turn + 1);
  };
  useKeys([
    { key: 'j', does: 'next', act: () => move(1) },
    { key: 'k', does: 'previous', act: () => move(-1) },
    { key: 'Enter', does: 'open', act: () => open('') },
    { key: 'a', does: 'open to approve', act: () => open('#approve') },
    { key: 'r', does: 'open to reject', act: () => open('#reject') },
    { key: '/', does: 'go to Find', act: () => document.getElementById('filter-text')?.focus() },
    { key: '?', does: 'this help', act: () => setHelpOpen(true) },
  ]);
  const drawn = virtual.getVirtualItems();
  const lastDrawn = drawn.at(-1)?.index ?? 0;
  useEffect(() => {
    // The end of what was read comes near: the next page is read before it is reached.
    const end = rows.slice(0, lastDrawn + 1).find(({ kind }) => kind === 'end');
    if (end?.lane.pages.hasMore && !end.lane.pages.isLoading && end.lane.pages.problem === null) end.lane.pages.more();
  }, [rows, lastDrawn]);
  const isEmpty = lanes.every(({ pages }) => pages.items.length === 0 && !pages.isLoading && pages.problem === null);
  return (
    <>
      <div class="title-row">
        <h1>Inbox</h1>
        <button type="button" class="plain" onClick={() => setHelpOpen(true)}>
          Keys <kbd>?</kbd>
        </button>
      </div>
      <FilterForm filters={filters} onChange={setFilter} />
      {changes.isStale && (
        <Notice tone="news">
          <span>Something has changed since this list was read.</span>{' '}
          <button type="button" onClick={refresh}>
            Show it as it is now
          </button>
        </Notice>
      )}
      <WaitingDeployments turn={turn} />
      {mine.items.length > 1 && <SameChanges turn={turn} onShown={setGrouped} />}
      {isEmpty ? (
        <Empty isFiltered={Object.values(filters).some((value) => value !== '')} />
      ) : (
        <ul ref={list} class="virtual" style={{ height: `${virtual.getTotalSize()}px` }} aria-label="Reviews">
          {drawn.map(({ index, start, key }) => {
            const row = rows[index];
            if (row === undefined) return null;
            return (
              <li
                key={key}
                class="virtual-row"
                data-index={index}
                ref={virtual.measureElement}
                style={{ transform: `translateY(${start - above}px)` }}
              >
                <RowOf row={row} isCurrent={row.key === current} />
              </li>
            );
          })}
        </ul>
      )}
      {isHelpOpen && <KeyHelp onClose={() => setHelpOpen(false)} />}
    </>
  );
}

function RowOf({ row, isCurrent }: { readonly row: InboxRow; readonly isCurrent: boolean }) {
  switch (row.kind) {
    case 'title': {
      const { items, hasMore } = row.lane.pages;
      return (
        <h2 class="lane">
          {row.lane.title}{' '}
          <span class="counts">
            {items.length}
            {hasMore ? '+' : ''}
          </span>
          {row.grouped > 0 && (
            <>
              {', '}
              <span class="counts">{row.grouped === items.length ? 'all' : row.grouped} in groups above</span>
            </>
          )}
        </h2>
      );
    }
    case 'item':
      return <ItemRow item={row.item} isCurrent={isCurrent} now={now.value} />;
    case 'end':
      return <LaneEnd lane={row.lane} />;
    default:
      return row satisfies never;
  }
}

/**
 * Whether anything has changed since the list was read: a row must not jump away under somebody's finger. Not how much: one
 * vote changes a review and each hold on it, and tells of all of them.
 */
function useChanges(): { readonly isStale: boolean; forget(): void } {
  const [isStale, setStale] = useState(false);
  useEffect(
    () =>
      onLive((event) => {
        if (event.type === 'hold' || event.type === 'review' || event.type === 'all') setStale(true);
      }),
    [],
  );
  return { isStale, forget: () => setStale(false) };
}
