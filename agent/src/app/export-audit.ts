import { auditText } from '../domain/audit.ts';
import { envelopeJson, type Signer } from '../domain/dsse.ts';
import { pemOf } from '../domain/hub-key.ts';
import { signedHead } from './checkpoint.ts';
import { byCaller, type Caller, type HubContext } from './hub-context.ts';
import { settle } from './settle.ts';

/** Rows read at a time: some megabytes at most. */
const ROWS_AT_A_TIME = 500;

/**
 * The whole audit as lines of JSON: every row as it was hashed, and last the signed head with the key that signed it. That
 * it was exported, and by whom, is the last of its rows.
 */
export async function* exportAudit(context: HubContext, signer: Signer, caller: Caller): AsyncGenerator<string> {
  const deciding = { ...byCaller(caller), now: context.clock.now(), policy: await context.policy() };
  await settle(context, deciding, (s) => s.audit('audit_exported', {}, { token: caller.token.id }));
  const signed = await signedHead(context, signer);
  if (signed === null) return;
  for (let after = 0; after < signed.head.seq; ) {
    const limit = Math.min(ROWS_AT_A_TIME, signed.head.seq - after);
    const rows = await context.store.auditRows({ sight: null }, { after, limit });
    if (rows.length === 0) return;
    // A page at a time: a chunk for each of a million rows takes longer than the rows themselves.
    yield rows.map((row) => `${JSON.stringify({ ...auditText(row), hash: row.hash })}\n`).join('');
    after = rows.at(-1)!.seq;
  }
  yield `${JSON.stringify({ signed_head: envelopeJson(signed.envelope), public_key: pemOf(signer.publicKey) })}\n`;
}
