import type { JsonObject } from '../domain/json.ts';
import { ALL_REVOKED } from '../domain/token.ts';
import type { Store, StoreWriter } from '../ports/store.ts';

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

const TOKENS_AT_A_TIME = 500;

/** Ends every token that counts: what was revoked since the backup would count again. Answers how many. */
async function revokeTokens(tx: StoreWriter, actor: string, now: number): Promise<number> {
  let revoked = 0;
  for (let after = 0; ; ) {
    const tokens = await tx.tokens(null, { after, limit: TOKENS_AT_A_TIME });
    if (tokens.length === 0) return revoked;
    after = tokens.at(-1)!.id;
    for (const token of tokens) {
      if (token.revokedAt !== null || token.expiresAt <= now) continue;
      await tx.updateToken({ ...token, revokedAt: now, revokedBy: actor, revokedReason: ALL_REVOKED });
      revoked += 1;
    }
  }
}

/** Writes into the restored store that it is one, and what is known to be lost; with `revoke` no token counts any more. */
export async function noteRestored(
  store: Store,
  { at, seq, hash, lost, by }: Restored,
  { revoke, now }: { readonly revoke: boolean; readonly now: number },
): Promise<{ readonly revoked: number }> {
  return store.write(async (tx) => {
    const actor = 'system';
    const revoked = revoke ? await revokeTokens(tx, actor, now) : 0;
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
