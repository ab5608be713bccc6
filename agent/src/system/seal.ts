import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { HoldpointError } from '../domain/errors.ts';
import type { Seal } from '../ports/seal.ts';
import { KEY_BYTES } from './key-file.ts';

/** The nonce length that GCM is made for (NIST SP 800-38D §8.2); random, and a lot writes far fewer than 2^32 files. */
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
/** First bytes of every sealed text: a foreign file is told apart from an altered one, and a later version from this. */
const MAGIC = Buffer.from('HPSEAL1\n');

/** AES-256-GCM under these 32 bytes. */
export function sealUnder(key: Uint8Array): Seal {
  if (key.length !== KEY_BYTES) {
    throw new HoldpointError('bad_config', `the seal key has ${key.length} bytes, wanted ${KEY_BYTES}`);
  }
  const kept = Buffer.from(key);
  return {
    seal(plain, context) {
      const nonce = randomBytes(NONCE_BYTES);
      const cipher = createCipheriv('aes-256-gcm', kept, nonce);
      cipher.setAAD(Buffer.from(context));
      const body = cipher.update(plain);
      return Buffer.concat([MAGIC, nonce, body, cipher.final(), cipher.getAuthTag()]);
    },
    open(sealed, context) {
      const bytes = Buffer.from(sealed.buffer, sealed.byteOffset, sealed.byteLength);
      if (bytes.length < MAGIC.length + NONCE_BYTES + TAG_BYTES || !bytes.subarray(0, MAGIC.length).equals(MAGIC)) {
        throw new HoldpointError('bad_input', 'not a file sealed by this program');
      }
      const nonce = bytes.subarray(MAGIC.length, MAGIC.length + NONCE_BYTES);
      const decipher = createDecipheriv('aes-256-gcm', kept, nonce, { authTagLength: TAG_BYTES });
      decipher.setAAD(Buffer.from(context));
      decipher.setAuthTag(bytes.subarray(bytes.length - TAG_BYTES));
      try {
        const plain = decipher.update(bytes.subarray(MAGIC.length + NONCE_BYTES, bytes.length - TAG_BYTES));
        return Buffer.concat([plain, decipher.final()]);
      } catch (cause) {
        throw new HoldpointError('bad_input', 'altered, or sealed under another key or for another job', { cause });
      }
    },
  };
}

/** Seals under the first; opens what either of them has sealed: while one takes the other's place. */
export function eitherSeal(next: Seal, former: Seal): Seal {
  return {
    seal: (plain, context) => next.seal(plain, context),
    open(sealed, context) {
      try {
        return next.open(sealed, context);
      } catch {
        return former.open(sealed, context);
      }
    },
  };
}
