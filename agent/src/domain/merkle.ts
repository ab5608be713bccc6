import { sha256 } from '@noble/hashes/sha2.js';
import { concatBytes } from '@noble/hashes/utils.js';

/**
 * The hash tree of RFC 9162 §2.1 over the rows of the audit: one hash stands for all of them, and that one row is among
 * them is proved with some twenty hashes, without showing any other row.
 */

const LEAF = Uint8Array.of(0);
const NODE = Uint8Array.of(1);

/** Hash of one entry; its prefix keeps an inner node from being passed off as an entry. */
export function leafHash(entry: Uint8Array): Uint8Array {
  return sha256(concatBytes(LEAF, entry));
}
/** Hash of two subtrees. */
export function nodeHash(left: Uint8Array, right: Uint8Array): Uint8Array {
  return sha256(concatBytes(NODE, left, right));
}

/** A complete subtree: the `index`-th of those with 2^level entries. */
export interface Subtree {
  readonly level: number;
  readonly index: number;
}
/** Entries `start` to `start + size - 1`, counted from 0. */
export interface LeafRange {
  readonly start: number;
  readonly size: number;
}

/** The largest power of two below `n`; `n` is at least 2. */
function split(n: number): number {
  let k = 1;
  while (k * 2 < n) k *= 2;
  return k;
}

/** The hashes that prove the place of entry `index` in a tree of `size`, as ranges of entries, from the leaf upwards. */
export function pathRanges(index: number, size: number): readonly LeafRange[] {
  const ranges: LeafRange[] = [];
  let [start, n, m] = [0, size, index];
  while (n > 1) {
    const k = split(n);
    if (m < k) {
      ranges.push({ start: start + k, size: n - k });
      n = k;
    } else {
      ranges.push({ start, size: k });
      [start, n, m] = [start + k, n - k, m - k];
    }
  }
  return ranges.reverse();
}

/** The complete subtrees of a range that occurs in a tree, from left to right. */
export function subtreesOf({ start, size }: LeafRange): readonly Subtree[] {
  const subtrees: Subtree[] = [];
  let at = start;
  for (let rest = size; rest > 0; ) {
    const level = Math.floor(Math.log2(rest));
    subtrees.push({ level, index: at / 2 ** level });
    at += 2 ** level;
    rest -= 2 ** level;
  }
  return subtrees;
}

/** The hash of neighbours of falling size, as {@link subtreesOf} gives them. */
export function joinHashes(hashes: readonly Uint8Array[]): Uint8Array {
  return hashes.length === 0 ? sha256(new Uint8Array()) : hashes.reduceRight((right, left) => nodeHash(left, right));
}

/** A tree that grows by one entry at a time, in memory for its few largest subtrees only. */
export interface Frontier {
  readonly size: number;
  readonly peaks: readonly Uint8Array[];
}
/** The tree without an entry. */
export const EMPTY_TREE: Frontier = { size: 0, peaks: [] };

/** The tree with one entry more; `leaf` is its leaf hash. */
export function grow({ size, peaks }: Frontier, leaf: Uint8Array): Frontier {
  const next = [...peaks];
  let hash = leaf;
  for (let n = size; n % 2 === 1; n = (n - 1) / 2) hash = nodeHash(next.pop()!, hash);
  next.push(hash);
  return { size: size + 1, peaks: next };
}

/** The one hash that stands for all entries. */
export function rootOf({ peaks }: Frontier): Uint8Array {
  return joinHashes(peaks);
}

/** The root that a proof leads to, null for a proof that cannot be one of entry `index` in a tree of `size`. */
export function rootOfPath(
  index: number,
  size: number,
  leaf: Uint8Array,
  path: readonly Uint8Array[],
): Uint8Array | null {
  if (!Number.isSafeInteger(index) || !Number.isSafeInteger(size) || index < 0 || index >= size) return null;
  const ranges = pathRanges(index, size);
  if (ranges.length !== path.length) return null;
  let hash = leaf;
  for (const [step, range] of ranges.entries()) {
    const sibling = path[step]!;
    if (sibling.length !== 32) return null;
    hash = range.start > index ? nodeHash(hash, sibling) : nodeHash(sibling, hash);
  }
  return hash;
}
