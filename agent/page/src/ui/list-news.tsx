import type { ListNews } from '../lib/list-news.ts';
import { Notice } from './notice.tsx';

/** Says that a list has changed meanwhile, and shows it as it is with a click: nothing moves while somebody reads. */
export function ListNewsNotice({ what, news }: { readonly what: string; readonly news: ListNews }) {
  if (!news.isStale) return null;
  return (
    <Notice tone="news">
      {what} have changed.{' '}
      <button type="button" class="plain" onClick={news.show}>
        Show them as they are now
      </button>
    </Notice>
  );
}
