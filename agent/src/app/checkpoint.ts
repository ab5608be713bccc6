import type { ChainReport } from '../domain/audit.ts';
import {
  HEAD_PAYLOAD,
  type HeadStatement,
  readHead,
  requireSigned,
  signHead,
  type Verify,
} from '../domain/audit-head.ts';
import { canonicalJson } from '../domain/canonical-json.ts';
import { type Envelope, envelopeJson, readEnvelope, type Signer } from '../domain/dsse.ts';
import { HoldpointError } from '../domain/errors.ts';
import { keyidOf } from '../domain/hub-key.ts';
import type { JsonObject } from '../domain/json.ts';
import { formerKeys, readRotation } from '../domain/key-rotation.ts';
import type { StoreReader } from '../ports/store.ts';
import { auditRoot } from './audit-tree.ts';
import type { HubContext } from './hub-context.ts';
import { settle } from './settle.ts';
import { verifyAudit } from './verify-audit.ts';

/** What signs the audit, and what keeps the last signed head. */
export interface AuditKeeper {
  readonly signer: Signer;
  readonly verify: Verify;
  /** A place that is not the store: whoever cuts the audit in the store has to get at this too. */
  readonly witness: { load(): string | null; save(envelope: string): void };
}

/** A signed head in words that prove it. */
export interface SignedHead {
  readonly head: HeadStatement;
  readonly envelope: Envelope;
}

/** Whose audit is signed, and what time it is. */
type Signing = Pick<HubContext, 'store'> & { readonly clock: Pick<HubContext['clock'], 'now'> };

/** Signs where the audit ends now. Null while nothing has happened. */
export async function signedHead(context: Signing, signer: Signer): Promise<SignedHead | null> {
  const { seq, hash } = await context.store.auditHead();
  if (seq === 0) return null;
  const head = { seq, hash, root: await auditRoot(context.store, seq), at: context.clock.now() };
  return { head, envelope: signHead(signer, head) };
}

/** Rows or time between two checkpoints that stay in the store; the witness is newer. */
const CHECKPOINT_ROWS = 1_000;
const CHECKPOINT_MS = 600_000;

/**
 * Signs the end of the audit if it has moved: for the witness each time, and for the store now and then. `force`: for the
 * store at once, as at a stop. Answers the head that was signed.
 */
export async function checkpoint(context: Signing, keeper: AuditKeeper, force = false): Promise<HeadStatement | null> {
  const { store, clock } = context;
  const [last, end] = [await store.lastCheckpoint(), await store.auditHead()];
  const witnessed = witnessedHead(keeper)?.seq ?? 0;
  const due = last === null || end.seq - last.seq >= CHECKPOINT_ROWS || clock.now() - last.at >= CHECKPOINT_MS;
  const keep = (due || force) && end.seq > (last?.seq ?? 0);
  if (!keep && end.seq <= witnessed) return null;
  const signed = await signedHead(context, keeper.signer);
  if (signed === null) return null;
  const { seq, at } = signed.head;
  const envelope = JSON.stringify(envelopeJson(signed.envelope));
  if (keep) await store.write((tx) => tx.putCheckpoint({ seq, at, keyid: signed.envelope.keyid, envelope }));
  keeper.witness.save(envelope);
  return signed.head;
}

/** Rotations that are read; a key that is rotated every week has as many in thirty years. */
const MAX_ROTATIONS = 1_500;

/** The keys that this hub has signed with before, as far as each has handed over to the next. */
export async function formerKeysOf(
  store: StoreReader,
  { signer, verify }: AuditKeeper,
): Promise<readonly Uint8Array[]> {
  const filter = { events: ['hub_key_rotated'], sight: null };
  const rows = await store.auditRows(filter, { after: 0, limit: MAX_ROTATIONS, newest: true });
  const found = rows.map(({ detail }) => readRotation(detail, verify)).filter((each) => each !== null);
  return formerKeys(signer.publicKey, found.reverse());
}

/** A head that this hub's own key has signed, or one of those that led to it; null for anything else. */
function ownHead(keeper: AuditKeeper, text: string, former: readonly Uint8Array[]): HeadStatement | null {
  try {
    const envelope = readEnvelope(JSON.parse(text), 'a checkpoint');
    const key = former.find((each) => keyidOf(each) === envelope.keyid) ?? keeper.signer.publicKey;
    requireSigned(envelope, HEAD_PAYLOAD, key, keeper.verify, 'a checkpoint');
    return readHead(envelope, 'a checkpoint');
  } catch (error) {
    if (error instanceof SyntaxError || (error instanceof HoldpointError && error.code === 'audit_broken')) return null;
    throw error;
  }
}

/** The head that the witness keeps, null when it keeps none of this hub's. */
export function witnessedHead(keeper: AuditKeeper, former: readonly Uint8Array[] = []): HeadStatement | null {
  const text = keeper.witness.load();
  return text === null ? null : ownHead(keeper, text, former);
}

/** So many signed heads are read at a time, and looked at in all: those of a dozen years. */
const HEADS_AT_A_TIME = 1_000;
const MAX_HEADS = 500_000;

/** What this hub has signed of its audit: the checkpoints in the store. Those of another key prove nothing to this one. */
async function signedHeads(
  store: StoreReader,
  keeper: AuditKeeper,
  former: readonly Uint8Array[],
): Promise<HeadStatement[]> {
  const heads: HeadStatement[] = [];
  for (let after = 0; heads.length < MAX_HEADS; ) {
    const page = await store.checkpoints(after, HEADS_AT_A_TIME);
    if (page.length === 0) break;
    after = page.at(-1)!.seq;
    for (const { envelope } of page) {
      const head = ownHead(keeper, envelope, former);
      if (head !== null) heads.push(head);
    }
  }
  return heads;
}

/** Whether the chain in the store verifies, and is what this hub has signed of it. */
export async function verifyStore(context: Pick<HubContext, 'store'>, keeper: AuditKeeper): Promise<ChainReport> {
  const former = await formerKeysOf(context.store, keeper);
  const witnessed = witnessedHead(keeper, former);
  const heads = await signedHeads(context.store, keeper, former);
  const signed = witnessed === null ? heads : [...heads, witnessed];
  return verifyAudit(context.store, signed, (size) => auditRoot(context.store, size));
}

/** What the look at the audit at a start found. */
export interface AuditCheck {
  readonly report: ChainReport;
  /** The key that signed before, when it was another. */
  readonly formerKey: string | null;
}

/**
 * Reads the whole chain and holds it against what was signed of it: by the checkpoints beside it, and by the witness
 * elsewhere (T28, T34). What it finds, and that the key is another, is written into the audit itself, once.
 */
export async function checkAudit(context: HubContext, keeper: AuditKeeper): Promise<AuditCheck> {
  const { store } = context;
  const former = await formerKeysOf(store, keeper);
  const report = await verifyStore(context, keeper);
  if (!report.ok)
    await note(context, 'audit_broken', { fault: report.fault, seq: report.seq, message: report.message });
  await lookForCut(context, keeper, former);
  const formerKey = (await store.lastCheckpoint())?.keyid ?? null;
  const own = [keeper.signer.keyid, ...former.map(keyidOf)];
  if (formerKey === null || own.includes(formerKey)) return { report, formerKey: null };
  await note(context, 'hub_key_changed', { from: formerKey, to: keeper.signer.keyid });
  return { report, formerKey };
}

/**
 * Whether what this hub has signed last is gone from the store, as after a failover to a standby that was behind, or a restore: it is
 * written down, once, before the head is signed anew. Answers the head that is gone.
 */
export async function lookForCut(
  context: HubContext,
  keeper: AuditKeeper,
  former: readonly Uint8Array[] = [],
): Promise<HeadStatement | null> {
  const witnessed = witnessedHead(keeper, former);
  if (witnessed === null || !(await isMissing(context.store, witnessed))) return null;
  const { seq, hash, at } = witnessed;
  await note(context, 'audit_cut', { seq, hash, signed: new Date(at).toISOString() });
  return witnessed;
}

async function isMissing(store: StoreReader, { seq, hash }: HeadStatement): Promise<boolean> {
  return (await store.auditHashes(seq, 1))[0] !== hash;
}

/** Writes a row of the system's unless the last one of its kind says the same. */
async function note(
  context: HubContext,
  event: 'audit_broken' | 'audit_cut' | 'hub_key_changed',
  detail: JsonObject,
): Promise<void> {
  const deciding = { actor: 'system', address: null, now: context.clock.now(), policy: await context.policy() };
  await settle(context, deciding, async (s) => {
    const [last] = await s.tx.auditRows({ events: [event], sight: null }, { after: 0, limit: 1, newest: true });
    if (last === undefined || canonicalJson(last.detail) !== canonicalJson(detail)) await s.audit(event, {}, detail);
  });
}
