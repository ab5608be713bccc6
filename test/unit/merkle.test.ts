import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  EMPTY_TREE,
  grow,
  joinHashes,
  leafHash,
  nodeHash,
  pathRanges,
  rootOf,
  rootOfPath,
  subtreesOf,
} from '../../agent/src/domain/merkle.ts';

const hex = (bytes: Uint8Array | null): string => (bytes === null ? 'none' : Buffer.from(bytes).toString('hex'));

/** The definition in RFC 9162 §2.1.1, word by word, over node's own SHA-256: what ours is held against. */
function mth(entries: readonly Buffer[]): Buffer {
  const h = (...parts: Buffer[]) => createHash('sha256').update(Buffer.concat(parts)).digest();
  if (entries.length === 0) return h();
  if (entries.length === 1) return h(Buffer.of(0), entries[0]!);
  let k = 1;
  while (k * 2 < entries.length) k *= 2;
  return h(Buffer.of(1), mth(entries.slice(0, k)), mth(entries.slice(k)));
}
const entries = (count: number) => Array.from({ length: count }, (_, i) => Buffer.from(`entry ${i}`));
const pathOf = (all: readonly Buffer[], index: number) =>
  pathRanges(index, all.length).map(({ start, size }) => mth(all.slice(start, start + size)));

describe('the hash tree of the audit', () => {
  it('has the root that RFC 9162 defines, at every size, entry by entry', () => {
    let tree = EMPTY_TREE;
    for (let size = 0; size <= 70; size++) {
      expect(hex(rootOf(tree)), `${size} entries`).toBe(mth(entries(size)).toString('hex'));
      tree = grow(tree, leafHash(entries(size + 1)[size]!));
    }
    // The root of no entries and of one empty entry, as Certificate Transparency's own test vectors have them.
    expect(hex(rootOf(EMPTY_TREE))).toBe('e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855');
    expect(hex(leafHash(new Uint8Array()))).toBe('6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d');
  });

  it('puts a range together of complete subtrees', () => {
    const all = entries(50);
    for (const range of pathRanges(37, 50)) {
      const parts = subtreesOf(range).map(({ level, index }) =>
        mth(all.slice(index * 2 ** level, (index + 1) * 2 ** level)),
      );
      expect(hex(joinHashes(parts))).toBe(mth(all.slice(range.start, range.start + range.size)).toString('hex'));
    }
  });

  it('proves the place of every entry in trees of every size, and of no other entry at no other place (T34)', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 200 }), fc.nat(), fc.nat(), (size, a, b) => {
        const all = entries(size);
        const root = mth(all).toString('hex');
        const [index, other] = [a % size, b % size];
        const path = pathOf(all, index);
        expect(hex(rootOfPath(index, size, leafHash(all[index]!), path))).toBe(root);
        expect(hex(rootOfPath(index, size, leafHash(Buffer.from('made up')), path))).not.toBe(root);
        if (other !== index) expect(hex(rootOfPath(other, size, leafHash(all[index]!), path))).not.toBe(root);
        if (path.length > 0) {
          expect(rootOfPath(index, size, leafHash(all[index]!), path.slice(1))).toBe(null);
          const bent = path.map((hash, i) => (i === b % path.length ? nodeHash(hash, hash) : hash));
          expect(hex(rootOfPath(index, size, leafHash(all[index]!), bent))).not.toBe(root);
        }
      }),
    );
  });

  it('takes no inner node for an entry, and no place outside the tree', () => {
    const all = entries(4);
    const [left, right] = [mth(all.slice(0, 2)), mth(all.slice(2))];
    const inner = Buffer.concat([left, right]);
    expect(hex(leafHash(inner))).not.toBe(hex(nodeHash(left, right)));
    const leaf = leafHash(all[0]!);
    for (const [index, size] of [
      [4, 4],
      [-1, 4],
      [0.5, 4],
      [0, 0],
      [0, Number.NaN],
    ] as const)
      expect(rootOfPath(index, size, leaf, pathOf(all, 0))).toBe(null);
    expect(rootOfPath(0, 4, leaf, [Buffer.alloc(31), Buffer.alloc(32)])).toBe(null);
  });
});
