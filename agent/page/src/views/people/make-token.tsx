import { useState } from 'preact/hooks';
import type { CreatedToken } from '../../../../src/wire/tokens.ts';
import { useAct } from '../../lib/act.ts';
import { ask } from '../../lib/ask.ts';
import { session } from '../../lib/who.ts';
import { Choice, Field } from '../../ui/field.tsx';
import { Notice } from '../../ui/notice.tsx';

const LIVES = [
  ['28800', '8 hours'],
  ['86400', 'a day'],
  ['604800', 'a week'],
  ['2592000', '30 days'],
] as const;

/** Makes a token of one's own; its text is shown this once. */
export function MakeToken({ onMade }: { onMade(): void }) {
  const scopes = session.value?.scopes ?? [];
  const [name, setName] = useState('');
  const [lives, setLives] = useState<string>('28800');
  const [wanted, setWanted] = useState<readonly string[]>(['read']);
  const [made, setMade] = useState<CreatedToken | null>(null);
  const act = useAct();
  const make = async (event: SubmitEvent): Promise<void> => {
    event.preventDefault();
    const body = { scopes: wanted, expires_in_s: Number(lives), ...(name === '' ? {} : { name }) };
    const done = await act.run(
      async () => setMade(await ask<CreatedToken>('POST', 'tokens', body)),
      'the token is made',
    );
    if (done) onMade();
  };
  return (
    <details class="box">
      <summary>Make a token for a script or the command line</summary>
      {made !== null && (
        <Notice tone="good">
          <p>
            Copy it now, it is not shown again: <code>{made.token}</code>
          </p>
          <button type="button" onClick={() => setMade(null)}>
            I have it
          </button>
        </Notice>
      )}
      <form onSubmit={make} autocomplete="off">
        <Field id="token-name" label="What it is for" value={name} onChange={setName} />
        <Choice id="token-lives" label="Lives for" value={lives} options={LIVES} onChange={setLives} />
        <fieldset>
          <legend>It may</legend>
          {scopes.map((scope) => (
            <label key={scope} class="tick">
              <input
                type="checkbox"
                checked={wanted.includes(scope)}
                onChange={() =>
                  setWanted((old) => (old.includes(scope) ? old.filter((one) => one !== scope) : [...old, scope]))
                }
              />
              {scope}
            </label>
          ))}
        </fieldset>
        {act.problem !== null && <Notice tone="bad">Not made: {act.problem}</Notice>}
        <button type="submit" disabled={act.isBusy || wanted.length === 0}>
          Make it
        </button>
      </form>
    </details>
  );
}
