import { hashBytes, hashText } from '../domain/audit-head.ts';
import { HoldpointError } from '../domain/errors.ts';
import {
  EMPTY_TREE,
  grow,
  joinHashes,
  type LeafRange,
  leafHash,
  nodeHash,
  pathRanges,
  rootOf,
  subtreesOf,
} from '../domain/merkle.ts';
import type { Store, StoreReader } from '../ports/store.ts';

type TreeReads = Pick<StoreReader, 'auditHashes' | 'treeHash'>;

/** Subtrees of 2^8 rows and more are kept; smaller ones are computed again of what is some twenty kilobytes. */
const KEPT_LEVEL = 8;

function bytesOf(hash: string): Uint8Array {
  const bytes = hashBytes(hash);
  if (bytes === null) throw new HoldpointError('audit_broken', 'the store holds a hash of the audit that is none');
  return bytes;
}

/** Hash of the `position`-th complete subtree of 2^level rows; what was computed anew is added to `found`. */
async function subtree(store: TreeReads, level: number, position: number, found: Found[]): Promise<Uint8Array> {
  if (level >= KEPT_LEVEL) {
    const kept = await store.treeHash(level, position);
    if (kept !== null) return bytesOf(kept);
  }
  const hash =
    level <= KEPT_LEVEL ? await ofRows(store, level, position) : await ofHalves(store, level, position, found);
  if (level >= KEPT_LEVEL) found.push({ level, position, hash });
  return hash;
}

interface Found {
  readonly level: number;
  readonly position: number;
  readonly hash: Uint8Array;
}

async function ofHalves(store: TreeReads, level: number, position: number, found: Found[]): Promise<Uint8Array> {
  const left = await subtree(store, level - 1, position * 2, found);
  return nodeHash(left, await subtree(store, level - 1, position * 2 + 1, found));
}

async function ofRows(store: TreeReads, level: number, position: number): Promise<Uint8Array> {
  const size = 2 ** level;
  const rows = await store.auditHashes(position * size + 1, size);
  if (rows.length !== size) throw new HoldpointError('audit_broken', 'rows of the audit are missing in the store');
  return rootOf(rows.reduce((tree, hash) => grow(tree, leafHash(bytesOf(hash))), EMPTY_TREE));
}

async function hashOf(store: TreeReads, range: LeafRange, found: Found[]): Promise<Uint8Array> {
  const hashes: Uint8Array[] = [];
  for (const { level, index } of subtreesOf(range)) hashes.push(await subtree(store, level, index, found));
  return joinHashes(hashes);
}

/** Runs `work` over the tree, and keeps what it had to compute. */
async function computing<T>(store: Store, work: (found: Found[]) => Promise<T>): Promise<T> {
  const found: Found[] = [];
  const result = await work(found);
  if (found.length > 0) {
    await store.write(async (tx) => {
      for (const { level, position, hash } of found) await tx.putTreeHash(level, position, hashText(hash));
    });
  }
  return result;
}

/** One hash over the first `size` rows: `sha256:…`. */
export function auditRoot(store: Store, size: number): Promise<string> {
  return computing(store, async (found) => hashText(await hashOf(store, { start: 0, size }, found)));
}

/** The hashes that prove that row `seq` stands at its place among the first `size` rows, from the row upwards. */
export function auditPath(store: Store, seq: number, size: number): Promise<readonly string[]> {
  return computing(store, async (found) => {
    const path: string[] = [];
    for (const range of pathRanges(seq - 1, size)) path.push(hashText(await hashOf(store, range, found)));
    return path;
  });
}
