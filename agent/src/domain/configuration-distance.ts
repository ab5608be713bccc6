import { keyed, listOr } from './configuration-diff.ts';
import { isLeaf } from './configuration-leaves.ts';
import { isJsonList, type Json, type JsonObject } from './json.ts';
import { ValueNumbers } from './value-numbers.ts';

/** How often each leaf stands in a configuration, by number; the place in a list does not count. */
function leafBag(configuration: JsonObject, numbers: ValueNumbers): Map<number, number> {
  const bag = new Map<number, number>();
  const visit = (path: number, value: Json): void => {
    if (isLeaf(value)) {
      const leaf = numbers.leaf(path, value);
      bag.set(leaf, (bag.get(leaf) ?? 0) + 1);
    } else if (isJsonList(value)) {
      const element = numbers.below(path, null);
      for (const inner of value) visit(element, inner);
    } else {
      for (const name of Object.keys(value as JsonObject))
        visit(numbers.below(path, name), (value as JsonObject)[name]!);
    }
  };
  for (const name of Object.keys(configuration)) {
    if (name === 'form') continue;
    const path = numbers.below(numbers.top, name);
    if (name !== 'variables') visit(path, configuration[name]!);
    else
      for (const [key, entries] of keyed(listOr(configuration[name])))
        for (const entry of entries) visit(numbers.below(path, key), entry);
  }
  return bag;
}

const sizeOf = (bag: ReadonlyMap<number, number>) => [...bag.values()].reduce((sum, count) => sum + count, 0);

function common(a: ReadonlyMap<number, number>, b: ReadonlyMap<number, number>): number {
  let count = 0;
  for (const [leaf, times] of a) count += Math.min(times, b.get(leaf) ?? 0);
  return count;
}

/** How far others are from this configuration, which is read once for all of them: the number of leaves that only one of both has. */
export function distanceFrom(configuration: JsonObject): (other: JsonObject) => number {
  const numbers = new ValueNumbers();
  const bag = leafBag(configuration, numbers);
  const size = sizeOf(bag);
  return (other) => {
    const theirs = leafBag(other, numbers);
    return size + sizeOf(theirs) - 2 * common(bag, theirs);
  };
}

/** How far two configurations are apart: the number of leaves that only one of them has. 0 does not prove them equal. */
export const distance = (a: JsonObject, b: JsonObject): number => distanceFrom(a)(b);
