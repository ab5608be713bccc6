import type { Pages } from '../lib/pages.ts';
import { Notice } from './notice.tsx';

/** What stands below a list: more of it, that it is being read, that there is nothing, or why not. */
export function MorePages<T>({
  pages,
  what,
  none,
}: {
  readonly pages: Pages<T>;
  readonly what: string;
  readonly none: string;
}) {
  if (pages.problem !== null) {
    return (
      <Notice tone="bad">
        <p>
          {what} cannot be shown: {pages.problem}
        </p>
        <button type="button" onClick={pages.items.length === 0 ? pages.again : pages.more}>
          Try again
        </button>
      </Notice>
    );
  }
  if (pages.isLoading)
    return (
      <p class="quiet" role="status">
        Reading {what} …
      </p>
    );
  if (pages.items.length === 0) return <p class="quiet">{none}</p>;
  return pages.hasMore ? (
    <button type="button" onClick={pages.more}>
      Show more
    </button>
  ) : null;
}
