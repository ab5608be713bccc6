import { useSearchParams } from 'wouter-preact';

/** What an inbox is narrowed to; it stands in the address, so that it can be sent to somebody. */
export interface Filters {
  readonly text: string;
  readonly project: string;
  readonly environment: string;
}

const NAMES = ['text', 'project', 'environment'] as const;

/** The filters of the address, and how to change them. */
export function useFilters(): readonly [Filters, (name: keyof Filters, value: string) => void] {
  const [search, setSearch] = useSearchParams();
  const filters = { text: '', project: '', environment: '' };
  for (const name of NAMES) filters[name] = search.get(name)?.slice(0, 200) ?? '';
  const set = (name: keyof Filters, value: string): void => {
    setSearch(
      (old) => {
        const next = new URLSearchParams(old);
        if (value === '') next.delete(name);
        else next.set(name, value);
        return next;
      },
      { replace: true },
    );
  };
  return [filters, set];
}

/** Path of one lane of the inbox, so narrowed. */
export function lanePath(lane: string, filters: Filters): string {
  const query = new URLSearchParams({ lane });
  for (const name of NAMES) if (filters[name].trim() !== '') query.set(name, filters[name].trim());
  return `inbox?${query}`;
}
