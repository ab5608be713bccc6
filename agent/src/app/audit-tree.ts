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

/** Subtrees of 2^8 rows and more are kept; smaller ones are computed again of what is some twenty kilobytes. */
const KEPT_LEVEL = 8;

/** One walk over the tree of a store: it asks for nothing twice. */
interface Walk {
  readonly store: Pick<StoreReader, 'auditHashes' | 'treeHash'>;
  readonly known: Map<string, Uint8Array>;
  /** What was computed and is to be kept. */
  readonly found: { readonly level: number; readonly position: number; readonly hash: Uint8Array }[];
}

function bytesOf(hash: string): Uint8Array {
  const bytes = hashBytes(hash);
  if (bytes === null) throw new HoldpointError('audit_broken', 'the store holds a hash of the audit that is none');
  return bytes;
}

/** Hash of the `position`-th complete subtree of 2^level rows. */
async function subtree(walk: Walk, level: number, position: number): Promise<Uint8Array> {
  const name = `${level}/${position}`;
  const hash = walk.known.get(name) ?? (await keptOrMade(walk, level, position));
  walk.known.set(name, hash);
  return hash;
}

async function keptOrMade(walk: Walk, level: number, position: number): Promise<Uint8Array> {
  if (level < KEPT_LEVEL) return ofRows(walk, level, position);
  const kept = await walk.store.treeHash(level, position);
  if (kept !== null) return bytesOf(kept);
  const hash = await (level === KEPT_LEVEL ? ofRows(walk, level, position) : ofHalves(walk, level, position));
  walk.found.push({ level, position, hash });
  return hash;
}

async function ofHalves(walk: Walk, level: number, position: number): Promise<Uint8Array> {
  const left = await subtree(walk, level - 1, position * 2);
  return nodeHash(left, await subtree(walk, level - 1, position * 2 + 1));
}

async function ofRows({ store }: Walk, level: number, position: number): Promise<Uint8Array> {
  const size = 2 ** level;
  const rows = await store.auditHashes(position * size + 1, size);
  if (rows.length !== size) throw new HoldpointError('audit_broken', 'rows of the audit are missing in the store');
  return rootOf(rows.reduce((tree, hash) => grow(tree, leafHash(bytesOf(hash))), EMPTY_TREE));
}

async function hashOf(walk: Walk, range: LeafRange): Promise<Uint8Array> {
  const hashes: Uint8Array[] = [];
  for (const { level, index } of subtreesOf(range)) hashes.push(await subtree(walk, level, index));
  return joinHashes(hashes);
}

/** Runs `work` over the tree, and keeps what it had to compute. */
async function walking<T>(store: Store, work: (walk: Walk) => Promise<T>): Promise<T> {
  const walk: Walk = { store, known: new Map(), found: [] };
  const result = await work(walk);
  if (walk.found.length > 0) {
    await store.write(async (tx) => {
      for (const { level, position, hash } of walk.found) await tx.putTreeHash(level, position, hashText(hash));
    });
  }
  return result;
}

/** One hash over the first `size` rows: `sha256:…`. */
export function auditRoot(store: Store, size: number): Promise<string> {
  return walking(store, async (walk) => hashText(await hashOf(walk, { start: 0, size })));
}

/**
 * For each of the rows `seqs` the hashes that prove that it stands at its place among the first `size` rows, from the row
 * upwards.
 */
export function auditPaths(
  store: Store,
  seqs: readonly number[],
  size: number,
): Promise<readonly (readonly string[])[]> {
  return walking(store, async (walk) => {
    const paths: string[][] = [];
    for (const seq of seqs) {
      const path: string[] = [];
      for (const range of pathRanges(seq - 1, size)) path.push(hashText(await hashOf(walk, range)));
      paths.push(path);
    }
    return paths;
  });
}
