import { isJsonList, isJsonObject, type Json, type JsonObject } from './json.ts';
import { isSegments } from './segments.ts';

/** A value of a Configuration that nothing is below, and where it stands. */
export interface Leaf {
  readonly path: string;
  readonly value: Json;
}

/** True for a value that is shown as one: segments are one text. */
export function isLeaf(value: Json): boolean {
  if (typeof value !== 'object' || value === null) return true;
  return isJsonList(value) ? value.length === 0 || isSegments(value) : Object.keys(value).length === 0;
}

function below(path: string, name: string): string {
  return /^[A-Za-z_][\w-]*$/.test(name) ? `${path}.${name}` : `${path}[${JSON.stringify(name)}]`;
}

/** The name a variable has in paths; its flags are leaves of their own. */
function elementPath(path: string, element: Json, index: number): string {
  if (path === 'variables' && isJsonObject(element) && typeof element.key === 'string') return below(path, element.key);
  return `${path}[${index}]`;
}

/** Every leaf at and below a path, in the order in which a Configuration is shown. */
export function* leavesOf(path: string, value: Json): Generator<Leaf> {
  if (isLeaf(value)) yield { path, value };
  else if (isJsonList(value)) {
    for (const [index, element] of value.entries()) yield* leavesOf(elementPath(path, element, index), element);
  } else {
    // The script is what a step is about: its name and its other members come after it.
    const names = Object.keys(value as JsonObject).sort((a, b) => Number(b === 'script') - Number(a === 'script'));
    for (const name of names) yield* leavesOf(below(path, name), (value as JsonObject)[name]!);
  }
}

/** True for a leaf that a change tells already: the change is of it, or of something that it is part of. */
export function isWithin(path: string, changed: ReadonlySet<string>): boolean {
  for (let end = path.length; end > 0; end--) {
    if ((end === path.length || path[end] === '.' || path[end] === '[') && changed.has(path.slice(0, end))) return true;
  }
  return false;
}

/** How many values of a Configuration none of these changes tells of: what a reader counts who unfolds all of them. */
export function unchangedCount(
  changes: readonly { readonly path: string; readonly kind: 'added' | 'removed' | 'changed' }[],
  after: JsonObject,
): number {
  const changed = new Set(changes.flatMap(({ path, kind }) => (kind === 'removed' ? [] : [path])));
  let count = 0;
  for (const name of Object.keys(after))
    for (const { path } of leavesOf(name, after[name]!)) if (!isWithin(path, changed)) count += 1;
  return count;
}
