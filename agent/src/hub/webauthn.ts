import {
  type AuthenticationResponseJSON,
  generateAuthenticationOptions,
  generateRegistrationOptions,
  type RegistrationResponseJSON,
  verifyAuthenticationResponse,
  verifyRegistrationResponse,
} from '@simplewebauthn/server';
import { z } from 'zod';
import { HoldpointError } from '../domain/errors.ts';
import type { Passkey } from '../domain/passkey.ts';
import { CHALLENGE_MS } from '../domain/step-up.ts';
import type { Passkeys } from '../ports/passkeys.ts';

const text = z.string().max(16_384);
const both = {
  id: z.string().max(2_048),
  rawId: z.string().max(2_048),
  type: z.literal('public-key'),
  clientExtensionResults: z.record(z.string(), z.unknown()).default({}),
  authenticatorAttachment: z.string().optional(),
};
const registrationSchema = z.object({
  ...both,
  response: z.object({
    clientDataJSON: text,
    attestationObject: text,
    transports: z.array(z.string().max(50)).max(20).optional(),
  }),
});
const assertionSchema = z.object({
  ...both,
  response: z.object({
    clientDataJSON: text,
    authenticatorData: text,
    signature: text,
    userHandle: z.string().max(1_024).optional(),
  }),
});

/** Host that a passkey is made for. Throws `wrong_state` where browsers make none: a key belongs to a name, never to an address. */
function hostOf(origin: string): string {
  const { hostname } = new URL(origin);
  if (/^[0-9.]+$|:/.test(hostname)) {
    throw new HoldpointError(
      'wrong_state',
      `browsers make no passkeys for the address ${hostname}: open the page at a name, on this machine http://localhost`,
    );
  }
  return hostname;
}

const shown = (key: Passkey) => ({ id: key.credentialId, transports: [...key.transports] });
const TRANSPORTS = ['ble', 'cable', 'hybrid', 'internal', 'nfc', 'smart-card', 'usb'];
// Whoever only has the device is not its owner: PIN or finger are asked for each time.
const VERIFIED = 'required' as const;

/** Passkeys by @simplewebauthn/server. */
export function webauthn(): Passkeys {
  return {
    async registrationOptions(origin, { id, username, name }, challenge, known) {
      return generateRegistrationOptions({
        rpName: 'Holdpoint',
        rpID: hostOf(origin),
        userName: username,
        userDisplayName: name,
        // By the id that never changes: a renamed person keeps their keys (T17).
        userID: new Uint8Array(Buffer.from(`user:${id}`)),
        challenge: new Uint8Array(challenge),
        timeout: CHALLENGE_MS,
        attestationType: 'none',
        excludeCredentials: known.map(shown),
        authenticatorSelection: { residentKey: 'discouraged', userVerification: VERIFIED },
      });
    },
    async verifyRegistration(origin, response, challenge) {
      const read = registrationSchema.safeParse(response);
      if (!read.success) return null;
      try {
        const { verified, registrationInfo } = await verifyRegistrationResponse({
          response: read.data as RegistrationResponseJSON,
          expectedChallenge: challenge,
          expectedOrigin: origin,
          expectedRPID: hostOf(origin),
          requireUserVerification: true,
        });
        if (!verified) return null;
        const { credential } = registrationInfo;
        return {
          credentialId: credential.id,
          publicKey: Buffer.from(credential.publicKey).toString('base64url'),
          counter: credential.counter,
          transports: (read.data.response.transports ?? []).filter((one) => TRANSPORTS.includes(one)),
        };
      } catch (error) {
        if (error instanceof HoldpointError) throw error;
        return null;
      }
    },
    async assertionOptions(origin, challenge, keys) {
      return generateAuthenticationOptions({
        rpID: hostOf(origin),
        challenge: new Uint8Array(challenge),
        timeout: CHALLENGE_MS,
        allowCredentials: keys.map(shown),
        userVerification: VERIFIED,
      });
    },
    async verifyAssertion(origin, response, challenge, key) {
      const read = assertionSchema.safeParse(response);
      if (!read.success || read.data.id !== key.credentialId) return null;
      try {
        const { verified, authenticationInfo } = await verifyAuthenticationResponse({
          response: read.data as AuthenticationResponseJSON,
          expectedChallenge: challenge,
          expectedOrigin: origin,
          expectedRPID: hostOf(origin),
          requireUserVerification: true,
          credential: {
            id: key.credentialId,
            publicKey: new Uint8Array(Buffer.from(key.publicKey, 'base64url')),
            counter: key.counter,
          },
        });
        return verified ? { counter: authenticationInfo.newCounter } : null;
      } catch (error) {
        if (error instanceof HoldpointError) throw error;
        return null;
      }
    },
  };
}
