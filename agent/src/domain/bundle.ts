import { type AuditRow, auditHash } from './audit.ts';
import {
  HEAD_PAYLOAD,
  type HeadStatement,
  hashBytes,
  hashText,
  leafOf,
  readHead,
  requireSigned,
  type Verify,
} from './audit-head.ts';
import { canonicalJson } from './canonical-json.ts';
import { digestOfText } from './digest.ts';
import { type Envelope, readEnvelope } from './dsse.ts';
import { HoldpointError } from './errors.ts';
import { publicKeyOfPem } from './hub-key.ts';
import { isJsonObject, type Json, type JsonObject } from './json.ts';
import { rootOfPath } from './merkle.ts';

/** What is in the envelope of a bundle: an in-toto Statement v1. */
export const STATEMENT_PAYLOAD = 'application/vnd.in-toto+json';
/** Its `_type`. */
export const STATEMENT_TYPE = 'https://in-toto.io/Statement/v1';
/** Its `predicateType`: what one Hold or Deployment was, who decided, and the proof from the audit. */
export const BUNDLE_TYPE = 'urn:holdpoint:predicate:audit-bundle:v1';

/** Far above a bundle of the largest configuration, in characters of its JSON. */
export const MAX_BUNDLE_CHARS = 96 * 1024 * 1024;

/** What a bundle proves, once it was checked. */
export interface BundleReport {
  /** The Digest: of the canonical form that stands in the bundle. */
  readonly digest: string;
  /** What it is of, in words. */
  readonly about: string;
  /** How many rows of the audit it proves. */
  readonly rows: number;
  readonly head: HeadStatement;
  readonly keyid: string;
  readonly publicKey: Uint8Array;
  readonly statement: JsonObject;
}

const broken = (why: string) => new HoldpointError('audit_broken', `the bundle ${why}`);

function objectIn(of: Json | undefined, what: string): JsonObject {
  if (of === undefined || !isJsonObject(of)) throw broken(`has no ${what}: it was changed`);
  return of;
}
function listIn(of: Json | undefined, what: string): readonly Json[] {
  if (!Array.isArray(of)) throw broken(`has no ${what}: it was changed`);
  return of;
}
function textIn(of: Json | undefined, what: string): string {
  if (typeof of !== 'string') throw broken(`has no ${what}: it was changed`);
  return of;
}

/** The JSON of a text that is written as a bundle is written: what reads in two ways would show one thing and sign another (T2). */
function jsonOf(text: string, what: string): Json {
  let value: Json;
  try {
    value = JSON.parse(text) as Json;
  } catch {
    throw broken(`is no JSON in its ${what}: it was changed or cut off`);
  }
  if (JSON.stringify(value) !== text) throw broken(`is not written as a bundle is in its ${what}: it was changed`);
  return value;
}

function subjectDigest(statement: JsonObject): string {
  const [subject, ...others] = listIn(statement.subject, 'subject');
  const digest = textIn(objectIn(objectIn(subject, 'subject').digest, 'digest').sha256, 'digest');
  if (others.length > 0 || !/^[0-9a-f]{64}$/.test(digest)) throw broken('has no digest of one subject: it was changed');
  return `sha256:${digest}`;
}

/** The digest of the canonical form in it, computed here; throws unless it is what the statement is about. */
function checkForm(predicate: JsonObject, digest: string): void {
  const canonical = textIn(predicate.canonical, 'canonical form');
  if (digestOfText(canonical) !== digest)
    throw broken(`has a canonical form of digest ${digestOfText(canonical)}, but is about ${digest}`);
  const form = objectIn(jsonOf(canonical, 'canonical form'), 'canonical form');
  if (canonicalJson(form) !== canonical) throw broken('has a canonical form that is not canonical');
}

/** One row of the audit and its place in the tree: throws unless it leads to the signed root. */
function checkRow(entry: Json, head: HeadStatement): AuditRow {
  const { row: written, path } = objectIn(entry, 'row');
  const of = objectIn(written, 'row');
  const row = { ...of, at: Date.parse(textIn(of.at, 'time')) } as unknown as AuditRow;
  const at = `row ${String(of.seq)}`;
  const isWhole = Number.isSafeInteger(row.seq) && !Number.isNaN(row.at) && isJsonObject(of.detail ?? null);
  if (!isWhole || auditHash(row) !== row.hash) throw broken(`has a ${at} of the audit that was changed`);
  const hashes = listIn(path, 'proof').map((hash) => hashBytes(textIn(hash, 'proof')));
  if (hashes.some((hash) => hash === null)) throw broken(`has no proof for ${at} of the audit`);
  const root = rootOfPath(row.seq - 1, head.seq, leafOf(row), hashes as Uint8Array[]);
  if (root === null || hashText(root) !== head.root)
    throw broken(`has a ${at} that does not stand in the audit that was signed`);
  return row;
}

/** Votes and approvals that the bundle shows: each must be one that a proved row of the audit tells of (T28). */
function checkShown(predicate: JsonObject, rows: readonly AuditRow[], digest: string): void {
  const shown = (name: string): JsonObject | null => {
    const of = predicate[name];
    return of === undefined || of === null ? null : objectIn(of, name);
  };
  const [review, approval, deployment] = [shown('review'), shown('approval'), shown('deployment')];
  const check = (of: JsonObject | null, event: string, covered: Json | undefined): void => {
    if (of === null) return;
    for (const each of listIn(of.votes, 'votes')) {
      const vote = objectIn(each, 'vote');
      const person = objectIn(vote.person, 'voter');
      const isTold = rows.some(
        (row) =>
          row.digest === covered &&
          row.detail.person === person.id &&
          (row.event === `${event}${String(vote.decision)}` || (of.break_glass === true && row.event === BROKEN_GLASS)),
      );
      if (!isTold) throw broken(`shows a vote of ${String(person.username)} that no row of the audit tells of`);
    }
  };
  // Where the policy tolerates a difference, what people were asked and approved is another configuration.
  check(review, 'vote_', review?.digest);
  check(deployment, 'deployment_vote_', digest);
  if (approval === null) return;
  check(approval, 'vote_', approval.digest);
  const made = approval.break_glass === true ? BROKEN_GLASS : 'approval_created';
  const isMade = rows.some(
    (row) => row.event === made && row.approval === approval.id && row.digest === approval.digest,
  );
  if (!isMade) throw broken(`shows approval ${String(approval.id)}, which no row of the audit tells of`);
}
const BROKEN_GLASS = 'break_glass_used';

/**
 * Checks a bundle by itself: its signature, that the canonical form in it has the digest that it is about, that each row of
 * the audit in it stands at its place in the chain that the hub has signed, and that it shows no vote and no approval that
 * those rows do not tell of. `pinned` is the key that it must be signed with; without it the one in the bundle is taken,
 * which proves that it is whole, not whose it is. Throws `audit_broken`.
 */
export function checkBundle(text: string, verify: Verify, pinned: Uint8Array | null): BundleReport {
  const envelope = readEnvelope(jsonOf(text, 'envelope'), 'the bundle');
  const statement = statementOf(envelope);
  const predicate = objectIn(statement.predicate, 'predicate');
  const audit = objectIn(predicate.audit, 'audit');
  const inside = publicKeyOfPem(textIn(audit.public_key, 'public key'));
  if (inside === null) throw broken('has no public key: it was changed');
  const publicKey = pinned ?? inside;
  requireSigned(envelope, STATEMENT_PAYLOAD, publicKey, verify, 'the bundle');
  const digest = subjectDigest(statement);
  checkForm(predicate, digest);
  const headEnvelope = readEnvelope(audit.signed_head, 'the head in the bundle');
  requireSigned(headEnvelope, HEAD_PAYLOAD, publicKey, verify, 'the head in the bundle');
  const head = readHead(headEnvelope, 'the head in the bundle');
  const rows = listIn(audit.rows, 'rows').map((entry) => checkRow(entry, head));
  if (rows.length === 0 || rows.some((row, i) => i > 0 && row.seq <= rows[i - 1]!.seq))
    throw broken('has no rows of the audit, or not in their order');
  checkShown(predicate, rows, digest);
  const about = textIn(predicate.about, 'name');
  return { digest, about, rows: rows.length, head, keyid: envelope.keyid, publicKey, statement };
}

/** What is stated in an envelope, read strictly; nothing of it is proved by that. */
function statementOf({ payloadType, payload }: Envelope): JsonObject {
  if (payloadType !== STATEMENT_PAYLOAD) throw broken(`is of another kind: ${payloadType.slice(0, 100)}`);
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(payload);
  } catch {
    throw broken('is no text: it was changed');
  }
  const statement = objectIn(jsonOf(text, 'statement'), 'statement');
  if (statement._type !== STATEMENT_TYPE || statement.predicateType !== BUNDLE_TYPE)
    throw broken(`is a statement of another kind: ${String(statement.predicateType).slice(0, 100)}`);
  return statement;
}
