import type { StepUpView } from '../../../src/wire/passkeys.ts';
import { ask } from './ask.ts';

/** Thrown where the vote needs a sign-in that is newer than the one of this session. */
export class FreshSignIn extends Error {
  constructor() {
    super('this approve needs a fresh sign-in: sign in again, then approve');
    this.name = 'FreshSignIn';
  }
}

/**
 * What an approve has to bring beside the session, where the policy asks for more: the answer of a passkey to a challenge
 * that is made of this very decision. Nothing where the session will do.
 */
export async function stepUp(path: string, decision: object): Promise<{ readonly assertion?: object }> {
  const asked = await ask<StepUpView>('POST', `${path}/challenge`, decision);
  if (asked.met) return {};
  if (asked.options === null) {
    if (asked.needed === 'fresh_sign_in') throw new FreshSignIn();
    throw new Error(asked.problem ?? 'this approve needs a passkey, and none of yours may be used here');
  }
  const { startAuthentication } = await import('@simplewebauthn/browser');
  const optionsJSON = asked.options as unknown as Parameters<typeof startAuthentication>[0]['optionsJSON'];
  return { assertion: await startAuthentication({ optionsJSON }) };
}

/** Leads to the identity provider for a sign-in of now, and back to where the reader is. */
export async function signInAgain(): Promise<void> {
  const back = `${location.pathname}${location.search}`;
  const { url } = await ask<{ readonly url: string }>('POST', 'session/oidc/fresh', { return: back });
  location.assign(url);
}
