import { useEffect, useRef, useState } from 'preact/hooks';
import { afterPress } from '../lib/pointer.ts';

/** Nobody types on after so long a pause: what is typed until then is one question. */
const PAUSE_MS = 250;

/**
 * A labelled field that narrows a list down: what is searched as it is typed, anything else when it is left or entered. A
 * click that ends the typing is a click first (see {@link afterPress}).
 */
export function NarrowingField({
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
  const [typed, setTyped] = useState(value);
  /** What the list was last narrowed to from here: an older answer of the address must not undo what is typed since. */
  const told = useRef(value);
  const callOff = useRef<() => void>(() => {});
  useEffect(() => {
    if (value === told.current) return;
    told.current = value;
    setTyped(value);
  }, [value]);
  useEffect(() => () => callOff.current(), []);
  const tell = (text: string): void => {
    callOff.current();
    callOff.current = afterPress(() => {
      const next = text.trim();
      if (next === told.current) return;
      told.current = next;
      onChange(next);
    });
  };
  const tellSoon = (text: string): void => {
    callOff.current();
    const timer = setTimeout(() => tell(text), PAUSE_MS);
    callOff.current = () => clearTimeout(timer);
  };
  return (
    <div class="choice">
      <label for={id}>{label}</label>
      <input
        id={id}
        type={type}
        value={typed}
        maxLength={255}
        spellcheck={false}
        onInput={(event) => {
          setTyped(event.currentTarget.value);
          if (type === 'search') tellSoon(event.currentTarget.value);
        }}
        onChange={(event) => tell(event.currentTarget.value)}
      />
    </div>
  );
}

/** A labelled field of a form. */
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
