import { useEffect, useState } from 'preact/hooks';
import { useLocation } from 'wouter-preact';
import { Frame } from './frame.tsx';
import { follow } from './lib/live.ts';
import { pathOf } from './lib/paths.ts';
import { followPointer } from './lib/pointer.ts';
import { wordsOf } from './lib/problem.ts';
import { said } from './lib/say.ts';
import { readSession } from './lib/session.ts';
import { tick } from './lib/times.ts';
import { session } from './lib/who.ts';
import { Pending } from './ui/notice.tsx';
import { SignIn } from './views/sign-in.tsx';

/** The page: asks who is signed in, and shows the view of the address or the way to sign in. */
export function App() {
  const [path] = useLocation();
  const [problem, setProblem] = useState<string | null>(null);
  const who = session.value;
  const person = who?.person ?? null;
  const ask = (): void => {
    setProblem(null);
    readSession().catch((error: unknown) => setProblem(wordsOf(error)));
  };
  useEffect(ask, []);
  useEffect(tick, []);
  useEffect(followPointer, []);
  const id = person?.id ?? null;
  useEffect(() => {
    if (id === null) return undefined;
    // A hub that cannot be asked now is asked again with the next line.
    return follow(() => void readSession().catch(() => {}));
  }, [id]);
  return (
    <>
      {who === undefined ? (
        <Pending what="who is signed in" problem={problem} again={ask} />
      ) : person === null || path === pathOf('signIn') ? (
        <SignIn who={who} />
      ) : (
        <Frame person={person} />
      )}
      <div class="unseen" aria-live="polite" role="log" aria-label="Changes">
        {said.value}
      </div>
    </>
  );
}
