import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { closeSync, existsSync, fstatSync, fsyncSync, linkSync, openSync, readSync, rmSync, writeSync } from 'node:fs';
import { HoldpointError } from '../domain/errors.ts';
import type { Seal } from '../ports/seal.ts';

const KEY_BYTES = 32;
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

/** Made beside its place and linked there: a crash leaves a whole key or none. */
function makeKeyFile(path: string): void {
  if (existsSync(path)) return;
  const temporary = `${path}.${randomBytes(8).toString('hex')}`;
  try {
    const fd = openSync(temporary, 'wx', 0o600);
    try {
      writeSync(fd, randomBytes(KEY_BYTES));
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    linkSync(temporary, path);
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code;
    if (code === 'EEXIST') return;
    throw new HoldpointError(
      'bad_config',
      `seal key ${path} cannot be made (${code}): make its folder, or name another with keys.seal`,
      { cause },
    );
  } finally {
    rmSync(temporary, { force: true });
  }
}

/**
 * AES-256-GCM under the 32 bytes of a key file; the file is made (mode 0600) when there is none.
 * Throws `bad_config` when others may read it (T25) or it is not 32 bytes long.
 */
export function openSeal(keyFile: string): Seal {
  makeKeyFile(keyFile);
  let fd: number;
  try {
    fd = openSync(keyFile, 'r');
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code;
    throw new HoldpointError('bad_config', `seal key ${keyFile} cannot be read (${code})`, { cause });
  }
  try {
    const stat = fstatSync(fd);
    if ((stat.mode & 0o077) !== 0) {
      const mode = (stat.mode & 0o777).toString(8).padStart(4, '0');
      throw new HoldpointError('bad_config', `seal key ${keyFile} has mode ${mode}, wanted 0600: chmod 600 ${keyFile}`);
    }
    if (!stat.isFile() || stat.size !== KEY_BYTES) {
      throw new HoldpointError(
        'bad_config',
        `seal key ${keyFile} has ${stat.size} bytes, wanted ${KEY_BYTES}: what was sealed needs the key it was sealed with`,
      );
    }
    const key = Buffer.alloc(KEY_BYTES);
    readSync(fd, key, 0, KEY_BYTES, 0);
    return sealUnder(key);
  } finally {
    closeSync(fd);
  }
}
