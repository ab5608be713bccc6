import { isJsonList, isJsonObject, type Json, type JsonObject } from './json.ts';
import { isSegments } from './segments.ts';

/** Where something stands in a Configuration: its path as changes name it, and what it is part of. */
export interface Place {
  readonly path: string;
  readonly up: Place | null;
}
/** A value of a Configuration that nothing is below. */
export interface Leaf extends Place {
  readonly value: Json;
}

/** True for a value that is shown as one: segments are one text. */
export function isLeaf(value: Json): boolean {
  if (typeof value !== 'object' || value === null) return true;
  return isJsonList(value) ? value.length === 0 || isSegments(value) : Object.keys(value).length === 0;
}

/** GitLab's limit for the name of a variable; a longer name is cut, or a hundred thousand paths would each repeat it. */
const MAX_NAME_CHARACTERS = 255;
/** A longer path is cut. */
export const MAX_PATH_CHARACTERS = 400;

/** Cut in the middle: the end says which element it is. */
export function cut(text: string, characters: number): string {
  if (text.length <= characters) return text;
  const half = characters >> 1;
  return `${text.slice(0, half)}…${text.slice(1 - half)}`;
}

/** The path of a member; a long name is cut. */
export function below(path: string, whole: string): string {
  const name = cut(whole, MAX_NAME_CHARACTERS);
  if (/^[A-Za-z_][\w-]*$/.test(name)) return path === '' ? name : `${path}.${name}`;
  return `${path}[${JSON.stringify(name)}]`;
}

/** The name that a variable, a covered file or a pinned image has in paths; what belongs to it are leaves of their own. */
function elementPath(path: string, element: Json, index: number): string {
  if (path === 'variables' && isJsonObject(element) && typeof element.key === 'string') return below(path, element.key);
  if (path === 'covered_files.files' && isJsonObject(element) && typeof element.path === 'string')
    return below(path, element.path);
  if (path === 'pinned_images.images' && isJsonObject(element) && typeof element.reference === 'string')
    return below(path, element.reference);
  return `${path}[${index}]`;
}

/** Every leaf at and below a path, in the order in which a Configuration is shown. */
export function* leavesOf(path: string, value: Json, up: Place | null = null): Generator<Leaf> {
  const place = { path: cut(path, MAX_PATH_CHARACTERS), up };
  if (isLeaf(value)) yield { ...place, value };
  else if (isJsonList(value)) {
    for (const [index, element] of value.entries()) yield* leavesOf(elementPath(path, element, index), element, place);
  } else {
    // The script is what a step is about: its name and its other members come after it.
    const names = Object.keys(value as JsonObject).sort((a, b) => Number(b === 'script') - Number(a === 'script'));
    for (const name of names) yield* leavesOf(below(path, name), (value as JsonObject)[name]!, place);
  }
}

/** True for what a change tells already: the change is of it, or of something that it is part of. */
export function isWithin(place: Place, changed: ReadonlySet<string>): boolean {
  for (let at: Place | null = place; at !== null; at = at.up) if (changed.has(at.path)) return true;
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
    for (const leaf of leavesOf(name, after[name]!)) if (!isWithin(leaf, changed)) count += 1;
  return count;
}
