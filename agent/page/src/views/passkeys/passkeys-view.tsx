import { useState } from 'preact/hooks';
import type { PasskeyView } from '../../../../src/wire/passkeys.ts';
import { ask } from '../../lib/ask.ts';
import { useLoad } from '../../lib/load.ts';
import { addPasskey, canAdd } from '../../lib/passkey.ts';
import { wordsOf } from '../../lib/problem.ts';
import { say } from '../../lib/say.ts';
import { useTitle } from '../../lib/title.ts';
import { Notice, Pending } from '../../ui/notice.tsx';
import { Shown } from '../../ui/shown.tsx';
import { Time } from '../../ui/time.tsx';

/** One's own passkeys, and those of others that wait for somebody like the reader. */
export function PasskeysView() {
  useTitle('Passkeys');
  const list = useLoad('passkeys', (signal) =>
    ask<{ readonly items: readonly PasskeyView[] }>('GET', 'passkeys', undefined, signal),
  );
  const [problem, setProblem] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const run = async (work: () => Promise<unknown>, done: string): Promise<void> => {
    setBusy(true);
    setProblem(null);
    try {
      await work();
      say(done);
      list.again();
    } catch (error) {
      setProblem(wordsOf(error));
    } finally {
      setBusy(false);
    }
  };
  if (list.value === null) return <Pending what="passkeys" problem={list.problem} again={list.again} />;
  const own = list.value.items.filter(({ mine }) => mine);
  const others = list.value.items.filter(({ mine }) => !mine);
  return (
    <>
      <h1>Passkeys</h1>
      <p>
        Where the policy asks for one, an approve needs a passkey: your device signs exactly what you approve. It counts
        once a second person has confirmed it with its code.
      </p>
      {problem !== null && <Notice tone="bad">{problem}</Notice>}
      <section class="box" aria-labelledby="own-title">
        <h2 id="own-title">Yours</h2>
        {own.length === 0 && <p class="quiet">You have none.</p>}
        {own.map((key) => (
          <Own key={key.id} passkey={key} busy={busy} run={run} />
        ))}
        <Add busy={busy} run={run} />
      </section>
      {others.length > 0 && (
        <section class="box" aria-labelledby="others-title">
          <h2 id="others-title">Waiting for a second person</h2>
          <p>
            Ask the owner, face to face or by telephone, whether they added it, and for the code that their page shows.
            Never take it from a message: whoever has their session has their messages, too.
          </p>
          {others.map((key) => (
            <Confirm key={key.id} passkey={key} busy={busy} run={run} />
          ))}
        </section>
      )}
    </>
  );
}

interface Acting {
  readonly busy: boolean;
  run(work: () => Promise<unknown>, done: string): Promise<void>;
}

function Own({ passkey, busy, run }: Acting & { readonly passkey: PasskeyView }) {
  const { id, name, confirmed_by: by, code, created_at: created, last_used_at: used } = passkey;
  return (
    <article class="passkey">
      <h3>
        <Shown text={name} />
      </h3>
      <p>
        Added <Time at={created} />
        {used !== null && (
          <>
            , used <Time at={used} />
          </>
        )}
        .
      </p>
      {by === null ? (
        <Notice tone="warn">
          Not confirmed yet. Tell an administrator, or a maintainer of a project of yours, this code yourself:{' '}
          <strong class="code">{code}</strong>
        </Notice>
      ) : (
        <p>
          Confirmed by <Shown text={by} />.
        </p>
      )}
      <button
        type="button"
        class="danger"
        disabled={busy}
        aria-label={`Remove ${name}`}
        onClick={() => run(() => ask('POST', `passkeys/${id}/remove`), 'The passkey is removed')}
      >
        Remove
      </button>
    </article>
  );
}

function Add({ busy, run }: Acting) {
  if (!canAdd())
    return <p class="quiet">This browser makes no passkeys here: it wants https, or http://localhost, and a device.</p>;
  const submit = async (event: SubmitEvent): Promise<void> => {
    event.preventDefault();
    const form = event.currentTarget instanceof HTMLFormElement ? event.currentTarget : null;
    if (form === null) return;
    const name = String(new FormData(form).get('name')).trim();
    await run(() => addPasskey(name), 'The passkey is added; a second person has to confirm it');
    form.reset();
  };
  return (
    <form onSubmit={submit} autocomplete="off">
      <label for="passkey-name">Name of the device</label>
      <input id="passkey-name" name="name" required maxLength={100} />
      <button type="submit" class="primary" disabled={busy}>
        Add a passkey
      </button>
    </form>
  );
}

function Confirm({ passkey, busy, run }: Acting & { readonly passkey: PasskeyView }) {
  const field = `code-${passkey.id}`;
  const submit = async (event: SubmitEvent): Promise<void> => {
    event.preventDefault();
    const form = event.currentTarget instanceof HTMLFormElement ? event.currentTarget : null;
    if (form === null) return;
    const code = String(new FormData(form).get('code'));
    await run(() => ask('POST', `passkeys/${passkey.id}/confirm`, { code }), 'The passkey is confirmed');
  };
  return (
    <form onSubmit={submit} autocomplete="off">
      <p>
        <strong>
          <Shown text={passkey.owner} />
        </strong>{' '}
        (user {passkey.owner_id}) added “<Shown text={passkey.name} />” <Time at={passkey.created_at} />.
      </p>
      <label for={field}>Code that the owner told you</label>
      <input id={field} name="code" required maxLength={50} spellcheck={false} autocapitalize="characters" />
      <button type="submit" class="primary" disabled={busy}>
        Confirm it
      </button>
    </form>
  );
}
