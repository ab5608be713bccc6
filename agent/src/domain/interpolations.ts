import { isJsonList, isJsonObject, type Json, type JsonObject } from './json.ts';
import { isSegments } from './segments.ts';

/** A variable that the Digest does not cover, and the covered texts that put its value in. */
export interface Interpolation {
  readonly name: string;
  readonly paths: readonly string[];
}

/** More places of one name would not be read. */
const MAX_PATHS = 20;
/** `$N`, `${N`, `%N%`, `$env:N`: names as shells and the runner find them. */
const USE = /(?:\$\{?(?:env:)?[!#]?|%)([a-z_]\w*)/gi;

function visit(path: string, value: Json, each: (path: string, text: string) => void): void {
  if (typeof value === 'string') each(path, value);
  else if (isSegments(value)) {
    each(path, value.filter((segment) => typeof segment === 'string').join(' '));
  } else if (isJsonList(value)) {
    for (const [index, element] of value.entries()) visit(`${path}[${index}]`, element, each);
  } else if (isJsonObject(value)) {
    for (const name of Object.keys(value)) visit(path === '' ? name : `${path}.${name}`, value[name]!, each);
  }
}

/**
 * Which of these variables covered texts interpolate: their values change from run to run without a new Digest, so
 * whoever controls them controls that part of what runs (T9).
 */
export function interpolations(configuration: JsonObject, names: readonly string[]): readonly Interpolation[] {
  const byFolded = new Map(names.map((name) => [name.toLowerCase(), name]));
  const found = new Map<string, string[]>();
  visit('', configuration, (path, text) => {
    for (const [, used = ''] of text.matchAll(USE)) {
      const name = byFolded.get(used.toLowerCase());
      if (name === undefined) continue;
      const paths = found.get(name);
      if (paths === undefined) found.set(name, [path]);
      else if (paths.length < MAX_PATHS && paths.at(-1) !== path) paths.push(path);
    }
  });
  return [...found].map(([name, paths]) => ({ name, paths })).sort((a, b) => (a.name < b.name ? -1 : 1));
}
