/** Bodies of `/api/v1/session`: who is signed in on the page, and how. */
import { z } from 'zod';
import { SIGN_IN_WAYS } from '../domain/session.ts';
import { personSchema } from './standing.ts';

const time = z.iso.datetime();

/** A token that was pasted, or the one-time token of the first start with the user name of the first administrator. */
export const signInBody = z.strictObject({
  token: z.string().regex(/^[\x21-\x7e]{1,200}$/, 'a token is one word without blanks'),
  user: z.string().min(1).max(255).optional(),
});

/** Who is signed in; all of it null or empty for nobody. */
export const sessionSchema = z.strictObject({
  person: personSchema.nullable(),
  scopes: z.array(z.string()),
  /** Id of the session among the person's tokens. */
  id: z.number().int().nullable(),
  way: z.enum(SIGN_IN_WAYS).nullable(),
  expires_at: time.nullable(),
  /** When it ends if nobody uses it from now on. */
  idle_at: time.nullable(),
  /** Goes back as header `x-holdpoint-csrf` with every request that changes something. */
  csrf: z.string().nullable(),
  /** When the identity provider saw the person sign in there. */
  auth_time: time.nullable(),
  /** How somebody can sign in here. */
  ways: z.array(
    z.discriminatedUnion('kind', [
      z.strictObject({ kind: z.literal('token') }),
      /** Open `url` with `?return=` and the path to come back to. */
      z.strictObject({ kind: z.literal('oidc'), name: z.string(), url: z.string() }),
    ]),
  ),
  /** Why nobody can sign in from where this was asked; null where they can. */
  refused: z.string().nullable(),
});

/** After a sign-out: where to go so that the identity provider signs out too, if it offers that. */
export const signedOutSchema = z.strictObject({ signed_out: z.literal(true), provider_url: z.string().nullable() });

export type SessionView = z.output<typeof sessionSchema>;
export type SignedOut = z.output<typeof signedOutSchema>;

/** Where to come back to after a fresh sign-in. */
export const freshBody = z.strictObject({ return: z.string().max(2_000).optional() });
/** The browser goes to `url`, of the provider with this name; it comes back with `?fresh=` or `?retry=`, `done` or an error's code. */
export const providerUrlSchema = z.strictObject({ url: z.string(), provider: z.string() });
