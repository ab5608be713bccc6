import type { Seal } from '../ports/seal.ts';

/** AES-256-GCM under the 32 bytes of a key file; the file is made (mode 0600) when there is none. Throws `bad_config` when it is open to others. */
export function openSeal(_keyFile: string): Seal {
  throw new Error('being written');
}
