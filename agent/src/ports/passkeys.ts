import type { Passkey } from '../domain/passkey.ts';

/** A key that a browser has just made. */
export type NewKey = Pick<Passkey, 'credentialId' | 'publicKey' | 'counter' | 'transports'>;
/** What a browser sent as the answer to a challenge, nothing of it believed yet. */
export type Signed = Readonly<Record<string, unknown>>;

/**
 * WebAuthn as far as it is calculation. `origin` is where the page is; `verify…` answer null for whatever was not made for
 * it, was not made with the person's own consent, or does not verify.
 */
export interface Passkeys {
  registrationOptions(
    origin: string,
    person: { readonly id: number; readonly username: string; readonly name: string },
    challenge: Uint8Array,
    known: readonly Passkey[],
  ): Promise<object>;
  verifyRegistration(origin: string, response: Signed, challenge: string): Promise<NewKey | null>;
  assertionOptions(origin: string, challenge: Uint8Array, keys: readonly Passkey[]): Promise<object>;
  /** The counter that the key has now. */
  verifyAssertion(
    origin: string,
    response: Signed,
    challenge: string,
    key: Passkey,
  ): Promise<{ readonly counter: number } | null>;
}
