import { MAX_USES } from '../../../../src/domain/lifetime.ts';
import type { Inputs, RefLimit } from '../../../../src/domain/scope.ts';
import type { HoldDetail } from '../../../../src/wire/api.ts';
import type { BackgroundView } from '../../../../src/wire/inbox.ts';
import { now } from '../../lib/times.ts';
import { type Allowance, inputChoices, lastDay, lifetimeChoices, refChoices } from './allow.ts';

const REFS: Readonly<Record<RefLimit, string>> = {
  exact: 'this ref only',
  protected: 'every protected ref',
  any: 'every ref, whoever may push it',
};
const INPUTS: Readonly<Record<Inputs, string>> = {
  admitted: 'artifacts of approved jobs only',
  same_pipeline: 'artifacts of the same pipeline',
  any: 'artifacts of any job',
};
const LIFETIMES: Readonly<Record<Allowance['lifetime'], string>> = {
  run: 'only this run',
  uses: 'a number of runs',
  until: 'until a date',
  standing: 'until revoked',
};

function Choice<T extends string>({
  name,
  words,
  value,
  choices,
  texts,
  onChange,
}: {
  readonly name: string;
  readonly words: string;
  readonly value: T;
  readonly choices: readonly T[];
  readonly texts: Readonly<Record<T, string>>;
  onChange(value: T): void;
}) {
  return (
    <div class="choice">
      <label for={name}>{words}</label>
      <select
        id={name}
        value={value}
        disabled={choices.length < 2}
        onChange={(event) => {
          const chosen = choices.find((choice) => choice === event.currentTarget.value);
          if (chosen !== undefined) onChange(chosen);
        }}
      >
        {choices.map((choice) => (
          <option key={choice} value={choice}>
            {texts[choice]}
          </option>
        ))}
      </select>
    </div>
  );
}

/** Where, for how long and with what an approve counts, as far as the policy lets anybody choose. */
export function AllowancePicker({
  hold,
  background,
  allowance,
  onChange,
}: {
  readonly hold: HoldDetail;
  readonly background: BackgroundView | null;
  readonly allowance: Allowance;
  onChange(allowance: Allowance): void;
}) {
  const last = lastDay(background, now.value);
  const today = new Date(now.value).toISOString().slice(0, 10);
  return (
    <fieldset class="allowance">
      <legend>What your approve covers</legend>
      <Choice
        name="lifetime"
        words="How long"
        value={allowance.lifetime}
        choices={lifetimeChoices(background)}
        texts={LIFETIMES}
        onChange={(lifetime) => onChange({ ...allowance, lifetime })}
      />
      {allowance.lifetime === 'uses' && (
        <div class="choice">
          <label for="uses">Runs</label>
          <input
            id="uses"
            type="number"
            required
            min={1}
            max={MAX_USES}
            value={allowance.uses}
            onInput={(event) => {
              const uses = event.currentTarget.valueAsNumber;
              if (Number.isInteger(uses) && uses >= 1 && uses <= MAX_USES) onChange({ ...allowance, uses });
            }}
          />
        </div>
      )}
      {allowance.lifetime === 'until' && (
        <div class="choice">
          <label for="until">Last day (UTC)</label>
          <input
            id="until"
            type="date"
            required
            min={today}
            {...(last === null ? {} : { max: last })}
            value={allowance.until}
            onInput={(event) => {
              const { value } = event.currentTarget;
              if (/^\d{4}-\d\d-\d\d$/.test(value)) onChange({ ...allowance, until: value });
            }}
          />
        </div>
      )}
      <Choice
        name="ref"
        words="Where"
        value={allowance.ref}
        choices={refChoices(hold)}
        texts={REFS}
        onChange={(ref) => onChange({ ...allowance, ref })}
      />
      <Choice
        name="inputs"
        words="Artifacts"
        value={allowance.inputs}
        choices={inputChoices(hold)}
        texts={INPUTS}
        onChange={(inputs) => onChange({ ...allowance, inputs })}
      />
      <Choice
        name="runners"
        words="Runners"
        value={allowance.isThisRunner ? 'this' : 'all'}
        choices={['all', 'this']}
        texts={{ all: 'every runner behind Holdpoint', this: `only ${hold.runner}` }}
        onChange={(runners) => onChange({ ...allowance, isThisRunner: runners === 'this' })}
      />
    </fieldset>
  );
}
