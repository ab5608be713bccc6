import {
  createCipheriv,
  createDecipheriv,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  hkdfSync,
  type KeyObject,
} from 'node:crypto';

/** A key that is made for one answer or one process, and never written down. */
export interface SealingKey {
  /** 32 bytes of X25519, base64url. */
  readonly publicKey: string;
  /** What was sealed to it for this purpose; null for anything else. */
  open(sealed: string, purpose: string): Uint8Array | null;
}

const KEY_BYTES = 32;
const TAG_BYTES = 16;
const raw = (key: KeyObject): Buffer => Buffer.from(key.export({ format: 'jwk' }).x!, 'base64url');
const publicOf = (x: string): KeyObject => createPublicKey({ key: { kty: 'OKP', crv: 'X25519', x }, format: 'jwk' });

/** The key and the nonce of one text: both ends' public halves go in, so that it is for this pair alone. */
function keyOf(secret: Buffer, theirs: Buffer, ours: Buffer, purpose: string): { key: Buffer; nonce: Buffer } {
  const salt = Buffer.concat([theirs, ours]);
  const bytes = Buffer.from(hkdfSync('sha256', secret, salt, `holdpoint between hubs\0${purpose}`, KEY_BYTES + 12));
  return { key: bytes.subarray(0, KEY_BYTES), nonce: bytes.subarray(KEY_BYTES) };
}

/** Seals bytes to whoever has the private half of this key: X25519 with a key for this one text, HKDF-SHA-256, AES-256-GCM. */
export function sealTo(publicKey: string, plain: Uint8Array, purpose: string): string {
  const one = generateKeyPairSync('x25519');
  const theirs = publicOf(publicKey);
  const secret = diffieHellman({ privateKey: one.privateKey, publicKey: theirs });
  const mine = raw(one.publicKey);
  const { key, nonce } = keyOf(secret, raw(theirs), mine, purpose);
  const cipher = createCipheriv('aes-256-gcm', key, nonce);
  return Buffer.concat([mine, cipher.update(plain), cipher.final(), cipher.getAuthTag()]).toString('base64url');
}

/** A fresh key. */
export function sealingKey(): SealingKey {
  const { privateKey, publicKey } = generateKeyPairSync('x25519');
  const own = raw(publicKey);
  return {
    publicKey: own.toString('base64url'),
    open(sealed, purpose) {
      try {
        const bytes = Buffer.from(sealed, 'base64url');
        const theirs = bytes.subarray(0, KEY_BYTES);
        const secret = diffieHellman({ privateKey, publicKey: publicOf(theirs.toString('base64url')) });
        const { key, nonce } = keyOf(secret, own, theirs, purpose);
        const decipher = createDecipheriv('aes-256-gcm', key, nonce, { authTagLength: TAG_BYTES });
        decipher.setAuthTag(bytes.subarray(bytes.length - TAG_BYTES));
        const body = bytes.subarray(KEY_BYTES, bytes.length - TAG_BYTES);
        return Buffer.concat([decipher.update(body), decipher.final()]);
      } catch {
        return null;
      }
    },
  };
}
