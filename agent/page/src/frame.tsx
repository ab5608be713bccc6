import { useEffect, useRef, useState } from 'preact/hooks';
import { Link, useLocation } from 'wouter-preact';
import { isLive } from './lib/live.ts';
import { pathOf } from './lib/paths.ts';
import { wordsOf } from './lib/problem.ts';
import { unsay } from './lib/say.ts';
import { signOut } from './lib/session.ts';
import { Notice } from './ui/notice.tsx';
import { type PersonLike, PersonName } from './ui/people.tsx';
import { NAVIGATION, View } from './views.tsx';

/** What stands around every view: where one can go, who is signed in, and whether the page hears of changes. */
export function Frame({ person }: { readonly person: PersonLike }) {
  const [path] = useLocation();
  const main = useRef<HTMLElement>(null);
  const [problem, setProblem] = useState<string | null>(null);
  const first = useRef(true);
  useEffect(() => {
    if (first.current) first.current = false;
    else main.current?.focus();
    return unsay;
  }, [path]);
  const leave = (): void => {
    signOut().then(
      (provider) => {
        if (provider !== null) location.assign(provider);
      },
      (error: unknown) => setProblem(wordsOf(error)),
    );
  };
  return (
    <>
      <a class="skip" href="#main">
        Skip to the content
      </a>
      <header class="frame">
        <Link href={pathOf('inbox')} class="brand">
          Holdpoint
        </Link>
        <nav aria-label="Views">
          {NAVIGATION.map(({ view, words }) => (
            <Link key={view} href={pathOf(view)} aria-current={path.startsWith(pathOf(view)) ? 'page' : undefined}>
              {words}
            </Link>
          ))}
        </nav>
        <div class="who">
          <span class={isLive.value ? 'live' : 'live live-off'} title="Whether this page hears of changes by itself">
            {isLive.value ? 'Live' : 'Not live: reconnecting'}
          </span>
          <PersonName person={person} />
          <Link href={pathOf('passkeys')}>Passkeys</Link>
          <button type="button" class="plain" onClick={leave}>
            Sign out
          </button>
        </div>
      </header>
      {problem !== null && <Notice tone="bad">You are still signed in: {problem}</Notice>}
      <main id="main" ref={main} tabIndex={-1}>
        <View />
      </main>
    </>
  );
}
