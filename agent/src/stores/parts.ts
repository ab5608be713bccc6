type Part<D> = (db: D) => object;
type Whole<P> = P extends (db: never) => infer O ? (all: O) => void : never;
/** All members of all parts. */
type Members<P extends readonly Part<never>[]> = Whole<P[number]> extends (all: infer A) => void ? A : never;

/** One object of all parts, made at once: for one that is used as long as the store is. */
export function atOnce<D, const P extends readonly Part<D>[]>(parts: P, db: D): Members<P> {
  return Object.assign({}, ...parts.map((part) => part(db)));
}

const DB = Symbol('db');
const MADE = Symbol('made');
interface Lazy<D> {
  readonly [DB]: D;
  readonly [MADE]: object[];
}

/**
 * Makes objects of many parts, each of which is made when a member of it is first asked for: a transaction uses some twenty of
 * two hundred and fifty members, and to make all of them takes longer than most of its statements. Of two parts with a member
 * of the same name the later one's counts.
 */
export function lazily<D, const P extends readonly Part<D>[]>(parts: P): (db: D) => Members<P> {
  let prototype: object | null = null;
  const prototypeOf = (db: D): object => {
    const names = new Map(parts.flatMap((part, index) => Object.keys(part(db)).map((name) => [name, index] as const)));
    const members = [...names].map(([name, index]) => [
      name,
      {
        enumerable: true,
        configurable: true,
        get(this: Lazy<D>): unknown {
          this[MADE][index] ??= parts[index]!(this[DB]);
          return (this[MADE][index] as Record<string, unknown>)[name];
        },
        // An object that is made over this one has a member of its own in its place.
        set(this: object, value: unknown): void {
          Object.defineProperty(this, name, { value, writable: true, enumerable: true, configurable: true });
        },
      },
    ]);
    return Object.defineProperties({}, Object.fromEntries(members));
  };
  return (db) => {
    prototype ??= prototypeOf(db);
    const made = Object.create(prototype);
    made[DB] = db;
    made[MADE] = [];
    return made;
  };
}
