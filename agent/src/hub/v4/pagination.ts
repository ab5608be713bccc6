import type { V4Answer, V4Request } from './route.ts';

const DEFAULT_PER_PAGE = 20;
/** GitLab's own, and what one question to the store may cost. */
export const MAX_PER_PAGE = 100;
/** Nobody reads so far; an offset beyond it would be an overflow. */
const MAX_PAGE = 1_000_000;

/** A part of a list. */
export interface Part {
  readonly page: number;
  readonly perPage: number;
  readonly offset: number;
}

/** The part that was asked for; GitLab takes the first page for any below it, and 100 for any number above. */
export function partOf(query: { readonly page?: number | undefined; readonly per_page?: number | undefined }): Part {
  const page = Math.min(Math.max(query.page ?? 1, 1), MAX_PAGE);
  const wished = query.per_page ?? DEFAULT_PER_PAGE;
  const perPage = wished < 1 ? DEFAULT_PER_PAGE : Math.min(wished, MAX_PER_PAGE);
  return { page, perPage, offset: (page - 1) * perPage };
}

/** The part of a list that is there whole. */
export function sliceOf<T>(all: readonly T[], { offset, perPage }: Part): readonly T[] {
  return all.slice(offset, offset + perPage);
}

/** An answer with the headers by which GitLab's clients walk through a list. */
export function pageAnswer(
  request: Pick<V4Request, 'params' | 'rawPath'>,
  origin: string,
  part: Part,
  total: number,
  body: readonly unknown[],
): V4Answer {
  const { page, perPage } = part;
  const pages = Math.max(1, Math.ceil(total / perPage));
  const previous = page > 1 ? Math.min(page - 1, pages) : null;
  const next = page < pages ? page + 1 : null;
  const link = (to: number, rel: string): string => {
    const query = new URLSearchParams();
    for (const [name, value] of Object.entries(request.params))
      if (typeof value === 'string' || typeof value === 'number') query.set(name, String(value));
    query.set('page', String(to));
    query.set('per_page', String(perPage));
    return `<${origin}${request.rawPath}?${query}>; rel="${rel}"`;
  };
  const links = [
    ...(previous === null ? [] : [link(previous, 'prev')]),
    ...(next === null ? [] : [link(next, 'next')]),
    link(1, 'first'),
    link(pages, 'last'),
  ];
  return {
    body,
    headers: {
      'x-total': String(total),
      'x-total-pages': String(pages),
      'x-page': String(page),
      'x-per-page': String(perPage),
      'x-next-page': next === null ? '' : String(next),
      'x-prev-page': previous === null ? '' : String(previous),
      link: links.join(', '),
    },
  };
}
