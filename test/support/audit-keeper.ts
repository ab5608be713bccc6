import type { AuditKeeper } from '../../agent/src/app/checkpoint.ts';
import { hubKeyOf, verifySignature } from '../../agent/src/system/hub-key.ts';

/** What signs the audit of a hub in a test: a key that is the same each time, and a witness in memory. */
export function auditKeeper(seed = 1): AuditKeeper & { kept: string | null } {
  const keeper = {
    signer: hubKeyOf(new Uint8Array(32).fill(seed)),
    verify: verifySignature,
    kept: null as string | null,
    witness: {
      load: () => keeper.kept,
      save: (envelope: string) => {
        keeper.kept = envelope;
      },
    },
  };
  return keeper;
}
