import type { JsonObject } from '../domain/json.ts';
import { ALL_REVOKED } from '../domain/token.ts';
import type { Store, StoreWriter } from '../ports/store.ts';
import { usableTokens } from './revoke-tokens.ts';

/** What was restored, for the audit. */
export interface Restored {
  /** Epoch ms of the backup. */
  readonly at: number;
  /** Last row of the audit in it. */
  readonly seq: number;
  readonly hash: string;
  /** Last row that was signed before the loss; null where nobody could say. */
  readonly lost: { readonly seq: number; readonly hash: string; readonly signed: number } | null;
  /** Who did it, as the operating system names them. */
  readonly by: string;
}

/** Ends every token that counts: what was revoked since the backup would count again. Answers how many. */
async function revokeAll(tx: StoreWriter, actor: string, now: number): Promise<number> {
  const tokens = await usableTokens(tx, null, now);
  for (const token of tokens)
    await tx.updateToken({ ...token, revokedAt: now, revokedBy: actor, revokedReason: ALL_REVOKED });
  return tokens.length;
}

/** Writes into the restored store that it is one, and what is known to be lost; with `revoke` no token counts any more. */
export async function noteRestored(
  store: Store,
  { at, seq, hash, lost, by }: Restored,
  { revoke, now }: { readonly revoke: boolean; readonly now: number },
): Promise<{ readonly revoked: number }> {
  return store.write(async (tx) => {
    const actor = 'system';
    const revoked = revoke ? await revokeAll(tx, actor, now) : 0;
    const time = (ms: number) => new Date(ms).toISOString();
    const detail: JsonObject = {
      backup: time(at),
      seq,
      hash,
      by,
      tokens_revoked: revoked,
      lost: lost === null ? null : { seq: lost.seq, hash: lost.hash, signed: time(lost.signed), rows: lost.seq - seq },
    };
    const none = { hold: null, review: null, approval: null, digest: null, policy: null };
    await tx.audit({ at: now, actor, address: null, event: 'store_restored', ...none, detail });
    return { revoked };
  });
}
