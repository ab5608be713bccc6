/** A labelled field of a filter or a form. */
export function Field({
  id,
  label,
  value,
  type = 'text',
  onChange,
}: {
  readonly id: string;
  readonly label: string;
  readonly value: string;
  readonly type?: 'text' | 'date' | 'search';
  onChange(value: string): void;
}) {
  return (
    <div class="choice">
      <label for={id}>{label}</label>
      <input
        id={id}
        type={type}
        value={value}
        maxLength={255}
        spellcheck={false}
        onChange={(event) => onChange(event.currentTarget.value.trim())}
      />
    </div>
  );
}

/** A labelled choice. */
export function Choice({
  id,
  label,
  value,
  options,
  onChange,
}: {
  readonly id: string;
  readonly label: string;
  readonly value: string;
  readonly options: readonly (readonly [value: string, words: string])[];
  onChange(value: string): void;
}) {
  return (
    <div class="choice">
      <label for={id}>{label}</label>
      <select id={id} value={value} onChange={(event) => onChange(event.currentTarget.value)}>
        {options.map(([one, words]) => (
          <option key={one} value={one}>
            {words}
          </option>
        ))}
      </select>
    </div>
  );
}

/** A labelled text of some lines: why somebody does what they do. */
export function CommentField({
  id,
  label,
  value,
  onChange,
}: {
  readonly id: string;
  readonly label: string;
  readonly value: string;
  onChange(value: string): void;
}) {
  return (
    <>
      <label for={id}>{label}</label>
      <textarea
        id={id}
        rows={2}
        maxLength={4_000}
        value={value}
        onInput={(event) => onChange(event.currentTarget.value)}
      />
    </>
  );
}
