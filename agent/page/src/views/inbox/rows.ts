import type { InboxItemView } from '../../../../src/wire/inbox.ts';
import type { Pages } from '../../lib/pages.ts';

/** One lane of the inbox, as far as it has been read. */
export interface Lane {
  readonly lane: InboxItemView['lane'];
  readonly title: string;
  readonly none: string;
  readonly pages: Pages<InboxItemView>;
}

/** What stands in the list: titles, Reviews, and what is said below a lane. */
export type InboxRow =
  | { readonly kind: 'title'; readonly key: string; readonly lane: Lane; readonly grouped: number }
  | { readonly kind: 'item'; readonly key: string; readonly lane: Lane; readonly item: InboxItemView }
  | { readonly kind: 'end'; readonly key: string; readonly lane: Lane };

/** All lanes as one list of rows; Reviews that stand in a group above the list are counted and not told twice. */
export function rowsOf(lanes: readonly Lane[], grouped: ReadonlySet<number>): readonly InboxRow[] {
  return lanes.flatMap((lane): InboxRow[] => {
    const { items, hasMore, isLoading, problem } = lane.pages;
    const single = lane.lane === 'me' ? items.filter(({ review }) => !grouped.has(review)) : items;
    const isQuiet = items.length > 0 && !hasMore && !isLoading && problem === null;
    return [
      { kind: 'title', key: `${lane.lane} title`, lane, grouped: items.length - single.length },
      ...single.map((item): InboxRow => ({ kind: 'item', key: `${lane.lane} ${item.review}`, lane, item })),
      ...(isQuiet ? [] : [{ kind: 'end' as const, key: `${lane.lane} end`, lane }]),
    ];
  });
}

/** The next row that is a Review, from one index in one direction; the same index where there is none. */
export function nextItem(rows: readonly InboxRow[], from: number, step: 1 | -1): number {
  for (let at = from + step; at >= 0 && at < rows.length; at += step) if (rows[at]!.kind === 'item') return at;
  return from;
}
