import { diffValues, SECTIONS, type Section, sectionOf, type ValueChange } from './configuration-diff.ts';
import { isWithin, type Leaf, leavesOf } from './configuration-leaves.ts';
import type { Json, JsonObject } from './json.ts';

/** A leaf that both Configurations have. */
export interface UnchangedRow {
  readonly kind: 'unchanged';
  readonly path: string;
  readonly is: Json;
}
/** What stands in one section, changes among what is unchanged, in the order of the Configuration. */
export interface SectionRows {
  readonly section: Section;
  readonly rows: readonly (ValueChange | UnchangedRow)[];
  readonly changed: number;
  readonly unchanged: number;
}

/** Where the first and the last leaf of each path stand; a path is that of a leaf or of anything around it. */
class Places {
  private readonly first = new Map<string, number>();
  private readonly last = new Map<string, number>();

  constructor(leaves: readonly Leaf[]) {
    leaves.forEach(({ path }, index) => {
      for (let end = 1; end <= path.length; end++) {
        if (end < path.length && path[end] !== '.' && path[end] !== '[') continue;
        const around = path.slice(0, end);
        if (!this.first.has(around)) this.first.set(around, index);
        this.last.set(around, index);
      }
    });
  }

  /** The index before which a change is shown; undefined where nothing tells. */
  of({ path, kind, stood }: ValueChange): number | undefined {
    if (kind !== 'removed') return this.first.get(path);
    if (stood === null) return undefined;
    const next = this.first.get(`${stood.list}[${stood.before}]`);
    if (next !== undefined) return next;
    const end = this.last.get(stood.list);
    return end === undefined ? undefined : end + 1;
  }
}

/** The changes of a section with the leaves around them that did not change. Every change is in the rows, once. */
function rowsOf(changes: readonly ValueChange[], leaves: readonly Leaf[]): readonly (ValueChange | UnchangedRow)[] {
  const places = new Places(leaves);
  const before = new Map<number, ValueChange[]>();
  const replaced = new Set<string>();
  let at = 0;
  for (const change of changes) {
    at = places.of(change) ?? at;
    if (change.kind !== 'removed') replaced.add(change.path);
    const list = before.get(at);
    if (list === undefined) before.set(at, [change]);
    else list.push(change);
  }
  const rows: (ValueChange | UnchangedRow)[] = [];
  leaves.forEach((leaf, index) => {
    rows.push(...(before.get(index) ?? []));
    if (!isWithin(leaf, replaced)) rows.push({ kind: 'unchanged', path: leaf.path, is: leaf.value });
  });
  rows.push(...(before.get(leaves.length) ?? []));
  return rows;
}

/** Two Configurations as rows by section; `before` null: there is nothing to compare with, and everything is new. */
export function configurationRows(before: JsonObject | null, after: JsonObject): readonly SectionRows[] {
  const changes = diffValues(before, after);
  const leaves = new Map<Section, Leaf[]>(SECTIONS.map((section) => [section, []]));
  for (const name of Object.keys(after).sort()) leaves.get(sectionOf(name))!.push(...leavesOf(name, after[name]!));
  return SECTIONS.map((section) => {
    const own = changes.filter((change) => change.section === section);
    const rows = before === null ? own : rowsOf(own, leaves.get(section)!);
    return { section, rows, changed: own.length, unchanged: rows.length - own.length };
  });
}
