import { useRef, useState } from 'preact/hooks';
import { useLocation, useSearchParams } from 'wouter-preact';
import { returnPath } from '../../../src/wire/page-paths.ts';
import type { SessionView } from '../../../src/wire/session.ts';
import { pathOf } from '../lib/paths.ts';
import { wordsOf } from '../lib/problem.ts';
import { signIn } from '../lib/session.ts';
import { useTitle } from '../lib/title.ts';
import { Notice } from '../ui/notice.tsx';
import { PersonName } from '../ui/people.tsx';
import { Shown } from '../ui/shown.tsx';

/** Where to go after the sign-in: the address that was opened, or what a sign-in link says. */
function useReturn(): string {
  const [path] = useLocation();
  const [search] = useSearchParams();
  const asked = path === pathOf('signIn') ? search.get('return') : `${path}${location.search}`;
  return returnPath(asked);
}

/** Why the way through the provider led back here; what stands in the address may be anybody's text, so only codes are read. */
function problemWords(code: string | null): string | null {
  switch (code) {
    case null:
      return null;
    case 'provider_unreachable':
      return 'The provider could not be asked: try again in a moment.';
    case 'rate_limited':
      return 'Too many sign-ins from here in a minute: try again in a moment.';
    default:
      return 'You were not signed in. Try again; if it says so once more, ask an administrator, who finds the reason in the audit.';
  }
}

/** The ways to sign in here; afterwards the address that was opened is shown. */
export function SignIn({ who }: { readonly who: SessionView }) {
  useTitle('Sign in');
  const [, navigate] = useLocation();
  const back = useReturn();
  const providers = who.ways.flatMap((way) => (way.kind === 'oidc' ? [way] : []));
  const problem = problemWords(useSearchParams()[0].get('problem'));
  const takesTokens = who.ways.some(({ kind }) => kind === 'token');
  return (
    <main class="sign-in" id="main">
      <h1>Sign in to Holdpoint</h1>
      {who.person !== null && (
        <Notice tone="news">
          <p>
            You are signed in as <PersonName person={who.person} />.
          </p>
          <button type="button" onClick={() => navigate(back)}>
            Go on
          </button>
        </Notice>
      )}
      {problem !== null && who.person === null && <Notice tone="bad">{problem}</Notice>}
      {who.refused !== null && (
        <Notice tone="bad">
          Nobody can sign in from here: <Shown text={who.refused} />
        </Notice>
      )}
      {providers.map(({ name, url }) => (
        <p key={url}>
          <a class="button primary" href={`${url}?return=${encodeURIComponent(back)}`}>
            Sign in with <Shown text={name} />
          </a>
        </p>
      ))}
      {takesTokens && <TokenForm onDone={() => navigate(back, { replace: true })} isOnlyWay={providers.length === 0} />}
    </main>
  );
}

/** The token of a first-start link, which stands behind the `#` and goes away as soon as it is read. */
function takeFirstToken(): string {
  const found = /^#first=([\x21-\x7e]{1,200})$/.exec(location.hash)?.[1] ?? '';
  if (found !== '') history.replaceState(null, '', `${location.pathname}${location.search}`);
  return found;
}

function TokenForm({ onDone, isOnlyWay }: { onDone(): void; readonly isOnlyWay: boolean }) {
  const form = useRef<HTMLFormElement>(null);
  const [first] = useState(takeFirstToken);
  const [problem, setProblem] = useState<string | null>(null);
  const [isBusy, setBusy] = useState(false);
  const submit = async (event: Event): Promise<void> => {
    event.preventDefault();
    if (form.current === null) return;
    const data = new FormData(form.current);
    const [token, user] = [String(data.get('token')).trim(), String(data.get('user')).trim()];
    setBusy(true);
    setProblem(null);
    try {
      await signIn(token, user === '' ? null : user);
      form.current?.reset();
      onDone();
    } catch (error) {
      setProblem(wordsOf(error));
    } finally {
      setBusy(false);
    }
  };
  return (
    <form ref={form} onSubmit={submit} class={isOnlyWay ? '' : 'second'} autocomplete="off">
      <label for="token">Token</label>
      <input
        id="token"
        name="token"
        type="password"
        required
        defaultValue={first}
        autocomplete="off"
        spellcheck={false}
        aria-describedby="token-help"
      />
      <p id="token-help" class="quiet">
        Made with <code>holdpoint token create</code>. It is used for this sign-in and not kept in the browser.
      </p>
      <details open={first !== ''}>
        <summary>First start: the one-time token</summary>
        <label for="user">User name of the first administrator</label>
        <input id="user" name="user" autocomplete="off" spellcheck={false} />
        <p class="quiet">Only with the one-time token that the hub printed at its first start.</p>
      </details>
      {problem !== null && <Notice tone="bad">{problem}</Notice>}
      <button type="submit" class="primary" disabled={isBusy}>
        {isBusy ? 'Signing in …' : 'Sign in with the token'}
      </button>
    </form>
  );
}
