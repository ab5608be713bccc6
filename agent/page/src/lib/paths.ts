import { PAGE_PATHS, type PageView } from '../../../src/wire/page-paths.ts';

/** Address of a view; `id` where it is of one thing. */
export function pathOf(view: PageView, id?: number): string {
  return PAGE_PATHS[view].replace(':id', String(id ?? ''));
}

/** The id in the address; null for anything that is none. */
export function idIn(text: string | undefined): number | null {
  return text !== undefined && /^[1-9]\d{0,14}$/.test(text) ? Number(text) : null;
}

/** An address that came from outside, if it is one to open in a browser; anything else is no link. */
export function safeUrl(text: string | null): string | null {
  if (text === null || !URL.canParse(text)) return null;
  const { protocol, username, password } = new URL(text);
  return (protocol === 'https:' || protocol === 'http:') && username === '' && password === '' ? text : null;
}
