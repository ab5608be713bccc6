import { isJsonList, isJsonObject, type Json, type JsonObject } from './json.ts';

/** The path that a project has after a rename of itself or of a group above it; null when it is none of these. Letter case does not count. */
export function renamedPath(path: string | null, from: string, to: string): string | null {
  if (path === null) return null;
  const [is, was] = [path.toLowerCase(), from.toLowerCase()];
  if (is === was) return to;
  return is.startsWith(`${was}/`) ? `${to}${path.slice(from.length)}` : null;
}

/** Characters that a path of GitLab's may have: where one stands beside it, another path is meant. */
const NAME = /[0-9A-Za-z_.-]/;

function renamedText(text: string, from: string, to: string): string {
  let out = '';
  for (let at = 0; at < text.length; ) {
    const rest = text.slice(at + from.length);
    const after = rest[0] ?? ' ';
    const stands =
      text.startsWith(from, at) &&
      !NAME.test(text[at - 1] ?? ' ') &&
      (!NAME.test(after) || /^\.git(?![0-9A-Za-z_.-])/.test(rest));
    out += stands ? to : text[at];
    at += stands ? from.length : 1;
  }
  return out;
}

/** Scripts say what they say: a path that somebody wrote there is not renamed by GitLab. */
const WRITTEN: ReadonlySet<string> = new Set(['steps', 'hooks', 'run']);

/**
 * A configuration as GitLab would send it after its project was renamed: the old full path replaced by the new one wherever
 * it stands whole in what GitLab fills in. Scripts are left alone. What is hidden cannot be looked into and stays as it is.
 */
export function renamedConfiguration(configuration: JsonObject, from: string, to: string): JsonObject {
  const visit = (value: Json): Json => {
    if (typeof value === 'string') return renamedText(value, from, to);
    if (isJsonList(value)) return value.map(visit);
    if (!isJsonObject(value) || typeof value.hmac === 'string') return value;
    return ofEntries(Object.keys(value).map((name) => [name, visit(value[name]!)] as const));
  };
  return ofEntries(
    Object.keys(configuration).map(
      (name) => [name, WRITTEN.has(name) ? configuration[name]! : visit(configuration[name]!)] as const,
    ),
  );
}

/** An object of own members only: `__proto__` is a key like any other (T45). */
function ofEntries(entries: readonly (readonly [string, Json])[]): JsonObject {
  const object: Record<string, Json> = Object.create(null);
  for (const [name, value] of entries) object[name] = value;
  return object;
}
