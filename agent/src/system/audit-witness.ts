import { readFileSync } from 'node:fs';
import { writeWhole } from './state-dir.ts';

/** A head of the audit is some hundred bytes. */
const MAX_CHARS = 10_000;

/** The last signed head of the audit in a file beside the store; null when there is none. */
export function auditWitness(path: string): { load(): string | null; save(envelope: string): void } {
  return {
    load() {
      try {
        const text = readFileSync(path, 'utf8').trim();
        return text.length > MAX_CHARS ? null : text;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
        throw error;
      }
    },
    save: (envelope) => writeWhole(path, `${envelope}\n`),
  };
}
