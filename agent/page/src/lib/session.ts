import type { SessionView, SignedOut } from '../../../src/wire/session.ts';
import { ask } from './ask.ts';
import { session } from './who.ts';

/** Asks the hub who is signed in. */
export async function readSession(): Promise<SessionView> {
  const answer = await ask<SessionView>('GET', 'session');
  session.value = answer;
  return answer;
}

/** Signs in with a token that was pasted; it is not kept anywhere in the page. */
export async function signIn(token: string, user: string | null): Promise<void> {
  session.value = await ask<SessionView>('POST', 'session', { token, ...(user === null ? {} : { user }) });
}

/** Signs out; the answer is where to go so that the identity provider signs out too. */
export async function signOut(): Promise<string | null> {
  const answer = await ask<SignedOut>('DELETE', 'session');
  session.value = undefined;
  await readSession();
  return answer.provider_url;
}
