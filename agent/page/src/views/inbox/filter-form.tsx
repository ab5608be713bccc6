import type { Filters } from './filters.ts';

/** What the inbox is narrowed to. */
export function FilterForm({
  filters,
  onChange,
}: {
  readonly filters: Filters;
  onChange(name: keyof Filters, value: string): void;
}) {
  const field = (name: keyof Filters, words: string) => (
    <div class="choice">
      <label for={`filter-${name}`}>{words}</label>
      <input
        id={`filter-${name}`}
        type="search"
        value={filters[name]}
        maxLength={200}
        spellcheck={false}
        onInput={(event) => onChange(name, event.currentTarget.value)}
      />
    </div>
  );
  return (
    <search>
      <form class="filters" onSubmit={(event) => event.preventDefault()}>
        {field('text', 'Find (job, ref, person)')}
        {field('project', 'Project (path or id)')}
        {field('environment', 'Environment')}
      </form>
    </search>
  );
}
