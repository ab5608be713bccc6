import { useMemo } from 'preact/hooks';
import { Choice, NarrowingField } from './field.tsx';

/** One thing that a list is narrowed down by. */
export interface FilterField<K extends string> {
  readonly name: K;
  readonly label: string;
  readonly type?: 'text' | 'date' | 'search';
  /** What there is to choose from; without it a text is typed. */
  readonly options?: readonly (readonly [value: string, words: string])[];
}

/** By which project, as the API takes it. */
export const PROJECT_FIELD = { name: 'project', label: 'Project (path or id)' } as const;

/** What a list is narrowed down by; the values stand in the address. */
export function FilterForm<K extends string>({
  fields,
  values,
  onChange,
}: {
  readonly fields: readonly FilterField<K>[];
  readonly values: Readonly<Record<NoInfer<K>, string>>;
  onChange(name: NoInfer<K>, value: string): void;
}) {
  // On a phone what is listed comes first.
  const isOpen = useMemo(
    () => matchMedia('(min-width: 40rem)').matches || fields.some(({ name }) => values[name] !== ''),
    [],
  );
  return (
    <search>
      <details class="narrowing" open={isOpen}>
        <summary>Narrow it down</summary>
        <form class="filters" onSubmit={(event) => event.preventDefault()}>
          {fields.map(({ name, label, type, options }) =>
            options === undefined ? (
              <NarrowingField
                key={name}
                id={name}
                label={label}
                {...(type && { type })}
                value={values[name]}
                onChange={(value) => onChange(name, value)}
              />
            ) : (
              <Choice
                key={name}
                id={name}
                label={label}
                value={values[name]}
                options={options}
                onChange={(value) => onChange(name, value)}
              />
            ),
          )}
        </form>
      </details>
    </search>
  );
}
