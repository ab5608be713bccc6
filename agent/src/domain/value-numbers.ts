import { isJsonList, type Json, type JsonObject } from './json.ts';

/** The place of any element of a list, among the names of members. */
const ELEMENT = Symbol('element');
/** Two numbers as one key: both are counts of what stands in one configuration or a few. */
const PAIR = 2 ** 26;

/** Numbers for JSON values and for places in them: equal for equal ones only. A value is read once, however often it is asked for. */
export class ValueNumbers {
  private next = 0;
  private readonly strings = new Map<string, number>();
  private readonly others = new Map<string, number>();
  private readonly places = new Map<number, Map<string | typeof ELEMENT, number>>();
  private readonly leaves = new Map<number, number>();
  private readonly known = new WeakMap<object, number>();
  /** The place that a whole configuration has. */
  readonly top = this.next++;

  /** The number of a value; members count in any order. */
  of(value: Json): number {
    if (typeof value === 'string') return this.numbered(this.strings, value);
    if (typeof value !== 'object' || value === null) return this.numbered(this.others, JSON.stringify(value));
    let number = this.known.get(value);
    if (number === undefined) {
      const text = isJsonList(value) ? `[${value.map((inner) => this.of(inner)).join()}` : this.members(value);
      number = this.numbered(this.others, text);
      this.known.set(value, number);
    }
    return number;
  }

  /** The number of a place below another: a member, or (null) any element. */
  below(place: number, name: string | null): number {
    let names = this.places.get(place);
    if (names === undefined) {
      names = new Map();
      this.places.set(place, names);
    }
    return this.numbered(names, name ?? ELEMENT);
  }

  /** The number of a value in a place. */
  leaf(place: number, value: Json): number {
    return this.numbered(this.leaves, place * PAIR + this.of(value));
  }

  private numbered<K>(numbers: Map<K, number>, key: K): number {
    let number = numbers.get(key);
    if (number === undefined) {
      number = this.next;
      if (number >= PAIR) throw new RangeError('too many values for one comparison');
      this.next += 1;
      numbers.set(key, number);
    }
    return number;
  }

  private members(object: JsonObject): string {
    const names = Object.keys(object).sort();
    return `{${names.map((name) => `${JSON.stringify(name)}:${this.of(object[name]!)}`).join()}`;
  }
}
