/** One run of equal, removed or added elements; indices into the two lists, `to` exclusive. */
export interface Hunk {
  readonly kind: 'equal' | 'removed' | 'added';
  readonly from: number;
  readonly to: number;
}

/** Cells of the table that is worked through at once: some tenths of a second; beyond it lines that stand once are anchors. */
const MAX_CELLS = 30_000_000;
/** Cells of all tables of one diff together, for the same reason. */
const MAX_ALL_CELLS = 120_000_000;
/** Anchors are looked for again between anchors: so many times, then what is left counts as replaced. */
const MAX_ANCHORED = 16;

/** What is left to a diff of one or several lists. */
export interface DiffBudget {
  cells: number;
  anchored: number;
}

/** The whole budget of one diff. */
export function wholeDiffBudget(): DiffBudget {
  return { cells: MAX_ALL_CELLS, anchored: MAX_ANCHORED };
}

type Emit = ((kind: Hunk['kind'], from: number, to: number) => void) & { readonly budget: DiffBudget };

/** Lengths of the longest common subsequences of a[a0..a1) with every prefix of b[b0..b1), in linear memory. */
function prefixLengths(a: Int32Array, a0: number, a1: number, b: Int32Array, b0: number, b1: number): Uint32Array {
  const width = b1 - b0;
  let row = new Uint32Array(width + 1);
  let last = new Uint32Array(width + 1);
  for (let i = a0; i < a1; i++) {
    const token = a[i];
    for (let j = 0; j < width; j++) {
      row[j + 1] = b[b0 + j] === token ? last[j]! + 1 : Math.max(row[j]!, last[j + 1]!);
    }
    [row, last] = [last, row];
  }
  return last;
}

/** The same for suffixes. */
function suffixLengths(a: Int32Array, a0: number, a1: number, b: Int32Array, b0: number, b1: number): Uint32Array {
  const width = b1 - b0;
  let row = new Uint32Array(width + 1);
  let last = new Uint32Array(width + 1);
  for (let i = a1 - 1; i >= a0; i--) {
    const token = a[i];
    for (let j = width - 1; j >= 0; j--) {
      row[j] = b[b0 + j] === token ? last[j + 1]! + 1 : Math.max(row[j + 1]!, last[j]!);
    }
    [row, last] = [last, row];
  }
  return last;
}

/** Pairs of elements that stand once on both sides, as far as both sides have them in one order. */
function anchors(a: Int32Array, a0: number, a1: number, b: Int32Array, b0: number, b1: number): [number, number][] {
  const places = new Map<number, { a: number; b: number; count: number }>();
  for (let i = a0; i < a1; i++) {
    const place = places.get(a[i]!);
    if (place === undefined) places.set(a[i]!, { a: i, b: -1, count: 1 });
    else place.count = 9;
  }
  for (let j = b0; j < b1; j++) {
    const place = places.get(b[j]!);
    if (place === undefined) continue;
    place.count = place.b === -1 ? place.count : 9;
    place.b = j;
  }
  const pairs = [...places.values()].filter((place) => place.count === 1 && place.b !== -1);
  // Longest increasing subsequence of the places in b; pairs come in the order of a.
  const tails: number[] = [];
  const before = new Int32Array(pairs.length).fill(-1);
  pairs.forEach((pair, index) => {
    let low = 0;
    let high = tails.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (pairs[tails[middle]!]!.b < pair.b) low = middle + 1;
      else high = middle;
    }
    before[index] = low === 0 ? -1 : tails[low - 1]!;
    tails[low] = index;
  });
  const chain: [number, number][] = [];
  for (let index = tails.at(-1) ?? -1; index !== -1; index = before[index]!)
    chain.push([pairs[index]!.a, pairs[index]!.b]);
  return chain.reverse();
}

function diffRange(a: Int32Array, a0: number, a1: number, b: Int32Array, b0: number, b1: number, emit: Emit): void {
  let [fromA, toA, fromB, toB] = [a0, a1, b0, b1];
  while (fromA < toA && fromB < toB && a[fromA] === b[fromB]) {
    fromA += 1;
    fromB += 1;
  }
  while (fromA < toA && fromB < toB && a[toA - 1] === b[toB - 1]) {
    toA -= 1;
    toB -= 1;
  }
  emit('equal', a0, fromA);
  diffMiddle(a, fromA, toA, b, fromB, toB, emit);
  emit('equal', toA, a1);
}

function diffMiddle(a: Int32Array, a0: number, a1: number, b: Int32Array, b0: number, b1: number, emit: Emit): void {
  if (a0 === a1 || b0 === b1) {
    emit('removed', a0, a1);
    emit('added', b0, b1);
    return;
  }
  const { budget } = emit;
  const cells = (a1 - a0) * (b1 - b0);
  if (cells > Math.min(MAX_CELLS, budget.cells)) {
    let [atA, atB] = [a0, b0];
    const chain = budget.anchored === 0 ? [] : anchors(a, a0, a1, b, b0, b1);
    if (chain.length === 0) {
      emit('removed', a0, a1);
      emit('added', b0, b1);
      return;
    }
    budget.anchored -= 1;
    for (const [i, j] of chain) {
      diffRange(a, atA, i, b, atB, j, emit);
      emit('equal', i, i + 1);
      [atA, atB] = [i + 1, j + 1];
    }
    diffRange(a, atA, a1, b, atB, b1, emit);
    budget.anchored += 1;
    return;
  }
  if (a1 - a0 === 1) {
    const place = b.subarray(b0, b1).indexOf(a[a0]!);
    if (place === -1) {
      emit('removed', a0, a1);
      emit('added', b0, b1);
    } else {
      emit('added', b0, b0 + place);
      emit('equal', a0, a1);
      emit('added', b0 + place + 1, b1);
    }
    return;
  }
  budget.cells -= cells;
  // Hirschberg: where a longest common subsequence crosses the middle of a.
  const middle = (a0 + a1) >> 1;
  const left = prefixLengths(a, a0, middle, b, b0, b1);
  const right = suffixLengths(a, middle, a1, b, b0, b1);
  let best = 0;
  for (let j = 1; j <= b1 - b0; j++) if (left[j]! + right[j]! > left[best]! + right[best]!) best = j;
  diffRange(a, a0, middle, b, b0, b0 + best, emit);
  diffRange(a, middle, a1, b, b0 + best, b1, emit);
}

/**
 * A longest common subsequence of two lists of texts as hunks in order; removed before added. Linear memory. Beyond some
 * thousand differing lines on both sides, lines that stand once on each side anchor it, and what is left counts as replaced.
 */
export function diffLines(
  before: readonly string[],
  after: readonly string[],
  budget: DiffBudget = wholeDiffBudget(),
): readonly Hunk[] {
  const numbers = new Map<string, number>();
  const number = (line: string) => {
    const known = numbers.get(line) ?? numbers.size;
    numbers.set(line, known);
    return known;
  };
  const a = Int32Array.from(before, number);
  const b = Int32Array.from(after, number);
  const hunks: { kind: Hunk['kind']; from: number; to: number }[] = [];
  const write = (kind: Hunk['kind'], from: number, to: number): void => {
    if (from === to) return;
    // Within one change the removed lines come first, and neighbours become one hunk.
    const last = hunks.at(-1);
    const other = hunks.at(-2);
    if (last?.kind === kind && last.to === from) last.to = to;
    else if (kind === 'removed' && last?.kind === 'added') {
      if (other?.kind === 'removed' && other.to === from) other.to = to;
      else hunks.splice(hunks.length - 1, 0, { kind, from, to });
    } else hunks.push({ kind, from, to });
  };
  diffRange(a, 0, a.length, b, 0, b.length, Object.assign(write, { budget }));
  return hunks;
}
