import { canonicalJson } from './canonical-json.ts';
import { isJsonList, isJsonObject, type Json } from './json.ts';
import type { RunValues } from './run-values.ts';

/** A value names at most so many of the run's; each may stand as itself or as its name in what was hashed. */
const MAX_PLACES = 6;
const MAX_TEMPLATE_CHARACTERS = 1_000;

type Part = { readonly text: string } | { readonly name: string };

/** The template taken apart; null for one that names nothing, too much, or has a `$` that names nothing. */
export function templateParts(template: string): readonly Part[] | null {
  if (template.length > MAX_TEMPLATE_CHARACTERS) return null;
  const parts: Part[] = [];
  for (const piece of template.split(/(\$\{[A-Z][A-Z0-9_]*\})/)) {
    const [, name] = /^\$\{(.*)\}$/.exec(piece) ?? [];
    if (name !== undefined) parts.push({ name });
    else if (piece.includes('$')) return null;
    else if (piece !== '') parts.push({ text: piece });
  }
  const places = parts.filter((part) => 'name' in part).length;
  return places === 0 || places > MAX_PLACES ? null : parts;
}

/** The text of a leaf of the form, its names filled with what GitLab sent in this run; null where one is not known. */
function filled(value: Json, run: RunValues): string | null {
  if (typeof value === 'string') return value;
  if (!isJsonList(value)) return null;
  let text = '';
  for (const segment of value) {
    if (typeof segment === 'string') text += segment;
    else {
      const sent = isJsonObject(segment) && typeof segment.var === 'string' ? run.sent.get(segment.var) : undefined;
      if (sent === undefined) return null;
      text += sent;
    }
  }
  return text;
}

/** All ways in which the form may have written the filled template: each value as itself, or as its name. */
function* writings(parts: readonly Part[], run: RunValues): Generator<Json> {
  const names = parts.flatMap((part) => ('name' in part ? [part.name] : []));
  for (let mask = 0; mask < 1 << names.length; mask++) {
    const segments: (string | { readonly var: string })[] = [];
    let place = 0;
    for (const part of parts) {
      if ('name' in part && (mask >> place++) & 1) segments.push({ var: part.name });
      else {
        const text = 'name' in part ? run.sent.get(part.name)! : part.text;
        const last = segments.at(-1);
        if (typeof last === 'string') segments[segments.length - 1] = last + text;
        else if (text !== '') segments.push(text);
      }
    }
    yield mask === 0 ? segments.join('') : (segments as Json);
  }
}

/**
 * True when the value of a variable is the template filled with this run's values, each of them sent by GitLab itself. A hidden
 * value is told by its HMAC, so that nobody has to see it.
 */
export function templateHolds(template: string, key: string, value: Json, run: RunValues): boolean {
  const parts = templateParts(template);
  if (parts === null) return false;
  if (parts.some((part) => 'name' in part && !run.sent.has(part.name))) return false;
  const wanted = parts.map((part) => ('name' in part ? run.sent.get(part.name)! : part.text)).join('');
  const [only] = isJsonList(value) && value.length === 1 ? value : [];
  if (!isJsonObject(only) || typeof only.hmac !== 'string') return filled(value, run) === wanted;
  for (const writing of writings(parts, run)) if (run.tag(key, canonicalJson(writing)) === only.hmac) return true;
  return false;
}
