import { useCallback } from 'preact/hooks';
import { useSearchParams } from 'wouter-preact';

/** Filters of a view as they stand in the address, and how to set one; an empty value is no filter. */
export function useFilter<K extends string>(
  names: readonly K[],
): readonly [Readonly<Record<K, string>>, (name: K, value: string) => void, string] {
  const [search, setSearch] = useSearchParams();
  const values = Object.fromEntries(names.map((name) => [name, search.get(name) ?? ''])) as Record<K, string>;
  const set = useCallback(
    (name: K, value: string) =>
      setSearch(
        (old) => {
          const next = new URLSearchParams(old);
          if (value === '') next.delete(name);
          else next.set(name, value);
          return next;
        },
        { replace: true },
      ),
    [setSearch],
  );
  const given = names.filter((name) => values[name] !== '').map((name) => [name, values[name]]);
  return [values, set, new URLSearchParams(given).toString()];
}
