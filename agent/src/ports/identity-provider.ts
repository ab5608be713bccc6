import type { Claimed } from '../domain/session.ts';

/** What an authorization is asked for. */
export interface AuthorizationWish {
  /** Where the provider sends the browser back to. */
  readonly redirectUri: string;
  /** `api`: a token for the CI server's API as well, to retry a job in the person's own name. */
  readonly access: 'sign_in' | 'api';
  /** The person proves who they are again, and the provider says when. */
  readonly fresh: boolean;
}
/** What a begun authorization is held to; it stays here, and only `state` leaves with the browser. */
export interface PendingAuthorization extends AuthorizationWish {
  readonly state: string;
  readonly nonce: string;
  readonly verifier: string;
  /** Epoch ms. */
  readonly begunAt: number;
}
/** Who the provider says it was. Epoch ms. */
export interface Authorized {
  /** Id in the CI server whose jobs are held. */
  readonly user: number;
  readonly claimed: Claimed;
  /** When the person signed in there; null where the provider does not say. */
  readonly authTime: number | null;
  /** When what the provider gave ends. */
  readonly endsAt: number;
  /** In memory for as long as it is needed, and nowhere else (T24). */
  readonly accessToken: string;
}

/**
 * An identity provider that people sign in with: one issuer, and no other's word counts. Calls reject with
 * `sign_in_failed` when an answer is not what was asked for, `provider_unreachable` when the provider could not be asked.
 */
export interface IdentityProvider {
  readonly name: string;
  /** It gives tokens for the API of the CI server whose jobs are held. */
  readonly givesApi: boolean;
  /** Its word on groups counts for people whom the directory does not name. */
  readonly claimsCount: boolean;
  begin(wish: AuthorizationWish): Promise<{ readonly url: string; readonly pending: PendingAuthorization }>;
  /** `callback`: the address that the browser came back to, query included. */
  finish(pending: PendingAuthorization, callback: URL): Promise<Authorized>;
  /** Where a browser signs out of the provider too; null where it offers nothing of the kind. */
  signOutUrl(returnTo: string): Promise<string | null>;
  /** Takes a token back at the provider, as far as it offers that; never rejects. */
  revoke(accessToken: string): Promise<void>;
  close(): Promise<void>;
}
