import { isJsonList, type Json, type JsonObject } from './json.ts';

/** Numbers for JSON values and for paths: equal for equal ones only. A value is read once, however often it is asked for. */
export class ValueNumbers {
  private readonly numbers = new Map<string, number>();
  private readonly known = new WeakMap<object, number>();

  /** The number of a text. */
  ofText(text: string): number {
    let number = this.numbers.get(text);
    if (number === undefined) {
      number = this.numbers.size;
      this.numbers.set(text, number);
    }
    return number;
  }

  /** The number of a value; members count in any order. */
  of(value: Json): number {
    if (typeof value === 'string') return this.ofText(`"${value}`);
    if (typeof value !== 'object' || value === null) return this.ofText(JSON.stringify(value));
    let number = this.known.get(value);
    if (number === undefined) {
      number = this.ofText(isJsonList(value) ? `[${value.map((inner) => this.of(inner)).join()}` : this.members(value));
      this.known.set(value, number);
    }
    return number;
  }

  /** The number of a place below another: a member, or (null) any element. */
  below(path: number, name: string | null): number {
    return this.ofText(`/${path}${name === null ? '' : `.${name}`}`);
  }

  private members(object: JsonObject): string {
    const names = Object.keys(object).sort();
    return `{${names.map((name) => `${JSON.stringify(name)}:${this.of(object[name]!)}`).join()}`;
  }
}
