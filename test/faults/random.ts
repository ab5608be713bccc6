/** Numbers that a seed decides: the same seed, the same storm. */
export interface Random {
  /** 0 to 1. */
  next(): number;
  /** A whole number from `from` to `to`, both included. */
  between(from: number, to: number): number;
  pick<T>(list: readonly T[]): T;
  /** True so often, 0 to 1. */
  chance(share: number): boolean;
  /** Numbers of their own that do not depend on how many were drawn here. */
  fork(name: string): Random;
}

function hash(text: string): number {
  let value = 0x811c9dc5;
  for (let at = 0; at < text.length; at++) value = Math.imul(value ^ text.charCodeAt(at), 0x01000193);
  return value >>> 0;
}

/** Mulberry32: small, and good enough to choose which plug is pulled. */
export function randomFrom(seed: number): Random {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  return {
    next,
    between: (from, to) => from + Math.floor(next() * (to - from + 1)),
    pick(list) {
      if (list.length === 0) throw new Error('nothing to choose from');
      return list[Math.floor(next() * list.length)]!;
    },
    chance: (share) => next() < share,
    fork: (name) => randomFrom(hash(`${seed} ${name}`)),
  };
}
