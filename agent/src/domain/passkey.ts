import { sha256 } from '@noble/hashes/sha2.js';
import { utf8ToBytes } from '@noble/hashes/utils.js';

/** Keys of one person: a few devices and a spare. */
export const MAX_PASSKEYS = 10;

/** A passkey of a person. It counts for nothing until a second person has confirmed it. Epoch ms. */
export interface Passkey {
  readonly id: number;
  readonly person: { readonly id: number; readonly username: string };
  readonly name: string;
  /** Base64url, as the browser names it. */
  readonly credentialId: string;
  /** Base64url of its COSE key. */
  readonly publicKey: string;
  /** How often it says that it was used; one that goes back is a copy. */
  readonly counter: number;
  readonly transports: readonly string[];
  readonly createdAt: number;
  readonly confirmed: { readonly at: number; readonly by: number; readonly username: string } | null;
  readonly lastUsedAt: number | null;
  readonly removedAt: number | null;
}

/** True for one that may prove something. */
export function counts(passkey: Passkey): boolean {
  return passkey.confirmed !== null && passkey.removedAt === null;
}

/** Letters and digits that nobody takes for one another. */
const ALPHABET = '23456789ABCDEFGHJKLMNPQRSTUVWXYZ';

/**
 * Eight letters of the key itself, which its owner tells whoever confirms it: who has taken over a session cannot have
 * their own key confirmed in its place without being asked for them (T18).
 */
export function codeOf(passkey: Pick<Passkey, 'credentialId' | 'publicKey'>): string {
  const hash = sha256(utf8ToBytes(`holdpoint.passkey/v1\0${passkey.credentialId}\0${passkey.publicKey}`));
  const letters = [...hash.slice(0, 8)].map((byte) => ALPHABET[byte % ALPHABET.length]).join('');
  return `${letters.slice(0, 4)}-${letters.slice(4)}`;
}

/** A code as somebody typed it, in the form that it is compared in. */
export function typedCode(text: string): string {
  const letters = text.toUpperCase().replace(/[^0-9A-Z]/g, '');
  return `${letters.slice(0, 4)}-${letters.slice(4)}`;
}
