import { closeSync, openSync, readSync } from 'node:fs';
import { systemErrorWords } from '../config/system-error.ts';
import { type AuditHead, type AuditRow, auditText, CHAIN_START, checkEnd, checkRow } from '../domain/audit.ts';
import { HEAD_PAYLOAD, type HeadStatement, hashText, leafOf, readHead, requireSigned } from '../domain/audit-head.ts';
import { readEnvelope } from '../domain/dsse.ts';
import { HoldpointError } from '../domain/errors.ts';
import { keyidOf, publicKeyOfPem } from '../domain/hub-key.ts';
import { type KeyRotation, laterKeys, readRotation } from '../domain/key-rotation.ts';
import { EMPTY_TREE, grow, rootOf } from '../domain/merkle.ts';
import { configurationOf } from '../domain/shown-configuration.ts';
import { auditRowSchema } from '../wire/audit.ts';
import { verifySignature } from './signature.ts';

/** Far above a row with its detail; keeps a file that is one endless line out of memory. */
const MAX_LINE_BYTES = 1024 * 1024;
/** Read at a time. */
const CHUNK_BYTES = 256 * 1024;

/** What a file to be verified begins with tells what it is. */
export interface OpenedFile {
  readonly isBundle: boolean;
  /** Its lines, read piece by piece; the last may lack its line feed. */
  lines(): Generator<string>;
  /** All of it. Throws `bad_input` when it is larger than `maxBytes`. */
  whole(maxBytes: number): string;
  close(): void;
}

/** Opens a file, or standard input for `-`. Throws `bad_input` in words. */
export function openAuditFile(path: string, name: string): OpenedFile {
  const reading = <T>(read: () => T): T => {
    try {
      return read();
    } catch (error) {
      if (error instanceof HoldpointError) throw error;
      throw new HoldpointError('bad_input', `cannot read ${name}: ${systemErrorWords(error)}`, { cause: error });
    }
  };
  const file = path === '-' ? 0 : reading(() => openSync(path, 'r'));
  function* chunks(): Generator<Buffer> {
    for (;;) {
      const chunk = Buffer.alloc(CHUNK_BYTES);
      const size = reading(() => readSync(file, chunk));
      if (size === 0) return;
      yield chunk.subarray(0, size);
    }
  }
  const rest = chunks();
  const first = rest.next();
  const start = first.done === true ? Buffer.alloc(0) : first.value;
  function* all(): Generator<Buffer> {
    yield start;
    yield* rest;
  }
  return {
    isBundle: start.subarray(0, 16).toString('latin1').startsWith('{"payloadType":'),
    *lines() {
      let line = Buffer.alloc(0);
      for (const chunk of all()) {
        line = Buffer.concat([line, chunk]);
        for (let end = line.indexOf(10); end >= 0; end = line.indexOf(10)) {
          yield line.subarray(0, end).toString('utf8');
          line = line.subarray(end + 1);
        }
        if (line.length > MAX_LINE_BYTES)
          throw new HoldpointError('bad_input', `${name} is no audit export: a line is too long`);
      }
      if (line.length > 0) yield line.toString('utf8');
    },
    whole(maxBytes) {
      const parts: Buffer[] = [];
      let size = 0;
      for (const chunk of all()) {
        parts.push(chunk);
        size += chunk.length;
        if (size > maxBytes) throw new HoldpointError('bad_input', `${name} is larger than any bundle`);
      }
      return Buffer.concat(parts).toString('utf8');
    },
    close() {
      if (file !== 0) closeSync(file);
    },
  };
}

/** One line as a row. What reads differently from how it is written (a key twice, `1.0`) would show one thing and hash another (T2). */
function rowOf(line: string, broken: (why: string) => HoldpointError): AuditRow {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    throw broken('is not JSON: it was changed or cut off');
  }
  if (JSON.stringify(value) !== line) throw broken('is not written as an export writes it: it was changed');
  const result = auditRowSchema.safeParse(value);
  if (!result.success) throw broken('is no audit row: it was changed');
  const { at, detail: _, ...rest } = result.data;
  // As it stands in the line: a schema may drop a key such as `__proto__`, and the hash covers it.
  const detail = configurationOf((value as { detail: unknown }).detail);
  if (detail === null) throw broken('is no audit row: it was changed');
  const row = { ...rest, at: Date.parse(at), detail };
  if (JSON.stringify({ ...auditText(row), hash: row.hash }) !== line)
    throw broken('is not written as an export writes it: it was changed');
  return row;
}

/** A key that somebody got in another way than with the file: the public key itself, or its id. */
export type PinnedKey = { readonly publicKey: Uint8Array } | { readonly keyid: string };

/** The key that a file has to be signed with: the pinned one, or the one in it. Throws `audit_broken` when the two are not one. */
export function keyFor(inside: Uint8Array, pinned: PinnedKey | null, what: string): Uint8Array {
  if (pinned === null) return inside;
  const wanted = 'keyid' in pinned ? pinned.keyid : keyidOf(pinned.publicKey);
  if (keyidOf(inside) === wanted) return inside;
  throw new HoldpointError(
    'audit_broken',
    `${what} is signed with key ${keyidOf(inside)}, not with ${wanted}: it is of another hub, or was made up`,
  );
}

/** The signed head of an export, checked. */
interface SignedEnd {
  readonly head: HeadStatement;
  readonly keyid: string;
}

function signedEnd(
  line: string,
  pinned: PinnedKey | null,
  rotations: readonly KeyRotation[],
  broken: (why: string) => HoldpointError,
): SignedEnd {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    throw broken('is not JSON: it was changed or cut off');
  }
  const { signed_head: written, public_key: pem } = value as { signed_head?: unknown; public_key?: unknown };
  const inside = typeof pem === 'string' ? publicKeyOfPem(pem) : null;
  const isWritten = JSON.stringify({ signed_head: written, public_key: pem }) === line;
  if (!isWritten || inside === null) throw broken('is no signed head: it was changed');
  const what = 'the signed head';
  // A pinned key that has handed over vouches for the one that it named.
  const wanted =
    pinned === null ? [] : laterKeys('keyid' in pinned ? pinned.keyid : keyidOf(pinned.publicKey), rotations);
  const key = wanted.includes(keyidOf(inside)) ? inside : keyFor(inside, pinned, what);
  const envelope = readEnvelope(written, what);
  requireSigned(envelope, HEAD_PAYLOAD, key, verifySignature, what);
  return { head: readHead(envelope, what), keyid: envelope.keyid };
}

/** What a check of an export found. */
export interface AuditReport {
  readonly rows: number;
  /** Number and hash of the last row: kept elsewhere, they prove later that nothing was cut off. */
  readonly head: AuditHead;
  /** When its end was signed (epoch ms) and with which key; null for an export that ends without a signature. */
  readonly signed: { readonly at: number; readonly keyid: string } | null;
}

/** What an export is held against. */
export interface Expected {
  /** Must be its last row. */
  readonly head: AuditHead | null;
  /** Must be one of its rows: the head of an earlier export. */
  readonly earlier: AuditHead | null;
  readonly key: PinnedKey | null;
}

/**
 * Checks an export by itself, row by row, without a hub; throws `audit_broken` with the line and the row where it breaks
 * first (T34).
 */
export function verifyExport(file: OpenedFile, name: string, expected: Expected): AuditReport {
  let [progress, tree, number] = [CHAIN_START, EMPTY_TREE, 0];
  let signed: SignedEnd | null = null;
  const rotations: KeyRotation[] = [];
  let hasEarlier = expected.earlier === null;
  for (const line of file.lines()) {
    number += 1;
    const broken = (why: string) => new HoldpointError('audit_broken', `line ${number} of the export ${why}`);
    if (line === '') continue;
    if (signed !== null) throw broken('stands behind the signed head: it was added');
    if (line.startsWith('{"signed_head":')) {
      signed = signedEnd(line, expected.key, rotations, broken);
      continue;
    }
    const row = rowOf(line, broken);
    const next = checkRow(progress, row);
    if ('ok' in next) throw new HoldpointError('audit_broken', `line ${number} of the export: ${next.message}`);
    progress = next;
    tree = grow(tree, leafOf(row));
    const rotation = row.event === 'hub_key_rotated' ? readRotation(row.detail, verifySignature) : null;
    if (rotation !== null) rotations.push(rotation);
    if (row.seq === expected.earlier?.seq && row.hash === expected.earlier.hash) hasEarlier = true;
  }
  const { last } = progress;
  if (last.seq === 0) throw new HoldpointError('bad_input', `${name} has no row in it: nothing to verify`);
  for (const head of [signed?.head ?? null, expected.head]) {
    const end = checkEnd(progress, head);
    if (!end.ok) throw new HoldpointError('audit_broken', `the end of the export, line ${number}: ${end.message}`);
  }
  if (signed !== null && signed.head.root !== hashText(rootOf(tree)))
    throw new HoldpointError('audit_broken', 'the signed head names another hash over all rows than they have');
  if (signed === null && expected.key !== null)
    throw new HoldpointError(
      'audit_broken',
      `${name} ends without a signed head: it was cut off, or is of an older hub`,
    );
  if (!hasEarlier) {
    const { seq, hash } = expected.earlier!;
    throw new HoldpointError(
      'audit_broken',
      `row ${seq} of the export is not ${hash}: it is not what the earlier head was of`,
    );
  }
  const end = signed === null ? null : { at: signed.head.at, keyid: signed.keyid };
  return { rows: last.seq, head: last, signed: end };
}
