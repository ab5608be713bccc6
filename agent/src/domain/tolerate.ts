import { changesBehaviour } from './behaviour.ts';
import { canonicalJson } from './canonical-json.ts';
import { caseFold } from './case-fold.ts';
import { emptyObject } from './empty-object.ts';
import { isJsonList, isJsonObject, type Json, type JsonObject } from './json.ts';
import { KNOWN_FIELDS } from './known-fields.ts';
import { PINNED_IMAGES } from './pinned-images.ts';
import type { RunValues } from './run-values.ts';
import { globMatches } from './scope.ts';
import { templateHolds } from './tolerated-template.ts';
import { shapesOf, type ValueShape } from './value-shapes.ts';

/**
 * What a policy lets differ between a Configuration and one that people approved. It is applied when two are compared, never
 * to what is hashed: editing it moves no digest.
 */
export interface Tolerance {
  /** Places of the form as in `features.new_flag`, `[]` for every element; never one that the runner is known to read. */
  readonly fields: readonly string[];
  readonly variables: {
    /** Values that may differ: of every masked variable, and of those named here. */
    readonly masked: boolean;
    readonly values: readonly string[];
    /** Globs of names that may come, go and differ. */
    readonly ambient: readonly string[];
    /** By name: the value may differ as long as both look like this. */
    readonly shapes: Readonly<Record<string, ValueShape>>;
    /** By name: the value may differ as long as both are this text, filled with what GitLab sent in the run: `1.4.${CI_PIPELINE_IID}`. */
    readonly templates: Readonly<Record<string, string>>;
  };
  /** Globs of names of jobs whose artifacts may be taken in or not. */
  readonly dependencies: readonly string[];
  /** Globs of images: one that matches may be another that matches the same glob. */
  readonly images: readonly string[];
  /** The number that GitLab puts behind a lone cache key when somebody clears the caches. */
  readonly cacheIndex: boolean;
}

/** Nothing may differ. */
export const NO_TOLERANCE: Tolerance = {
  fields: [],
  variables: { masked: false, values: [], ambient: [], shapes: {}, templates: {} },
  dependencies: [],
  images: [],
  cacheIndex: false,
};

/** As shipped: rotating a masked secret and clearing the caches is quiet, and nothing else is. */
export const SHIPPED_TOLERANCE: Tolerance = {
  ...NO_TOLERANCE,
  variables: { ...NO_TOLERANCE.variables, masked: true },
  cacheIndex: true,
};

/** One thing that tolerance took out of a comparison: where, why, and what stood there. */
export interface Tolerated {
  readonly path: string;
  readonly why: string;
  readonly was: string;
}
/** A Configuration without what is tolerated. */
export interface Relaxed {
  /** Two Configurations with equal texts are alike. */
  readonly text: string;
  readonly tolerated: readonly Tolerated[];
}

/** False where nothing may differ: then nothing is compared. */
export function tolerates({ fields, variables, dependencies, images, cacheIndex }: Tolerance): boolean {
  const { masked, values, ambient, shapes, templates } = variables;
  const named = [fields, values, ambient, Object.keys(shapes), Object.keys(templates), dependencies, images];
  return masked || cacheIndex || named.some((list) => list.length > 0);
}

/** Why a path may not stand under `fields`, null for one that may. */
export function fieldProblem(path: string): string | null {
  if (!/^[A-Za-z_][\w-]*(?:\[\])?(?:\.[A-Za-z_][\w-]*(?:\[\])?)*$/.test(path)) {
    return `${path} is no path: write it as in features.new_flag or image.executor_opts.new, [] for every element of a list`;
  }
  const within = (inner: string, outer: string): boolean =>
    inner === outer || inner.startsWith(`${outer}.`) || inner.startsWith(`${outer}[`);
  const known = KNOWN_FIELDS.find((field) => within(field, path) || within(path, field));
  return known === undefined
    ? null
    : `${path} is or holds ${known}, which the runner reads: only fields that it does not know may be tolerated`;
}

/** Why a variable may not be named in a tolerance, null for one that may. */
export function toleratedNameProblem(name: string): string | null {
  return changesBehaviour(name) ? `${name} changes how a runner or a shell behaves: it is never tolerated` : null;
}

/** The Configuration without what is tolerated. Each side is relaxed by itself: alike are those whose texts are equal. */
export function relax(configuration: JsonObject, tolerance: Tolerance, run: RunValues): Relaxed {
  const tolerated: Tolerated[] = [];
  const note = (path: string, why: string, was: Json | undefined): void => {
    tolerated.push({ path, why, was: was === undefined ? '' : canonicalJson(was) });
  };
  let relaxed = configuration;
  for (const path of tolerance.fields)
    relaxed = withoutField(relaxed, path.replaceAll('[]', '.[]').split('.'), path, note);
  const out = emptyObject();
  for (const name of Object.keys(relaxed)) {
    const value = relaxed[name]!;
    const changed = relaxMember(name, value, tolerance, run, note);
    if (changed !== undefined) out[name] = changed;
  }
  return { text: canonicalJson(out), tolerated };
}

/** What is tolerated between two that are alike: what only one of them has, and what differs, in the order of paths. */
export function toleratedBetween(a: Relaxed, b: Relaxed): readonly { readonly path: string; readonly why: string }[] {
  const key = ({ path, was }: Tolerated): string => `${path}\u0000${was}`;
  const [inA, inB] = [new Set(a.tolerated.map(key)), new Set(b.tolerated.map(key))];
  const apart = [
    ...a.tolerated.filter((one) => !inB.has(key(one))),
    ...b.tolerated.filter((one) => !inA.has(key(one))),
  ];
  const byPath = new Map(apart.map(({ path, why }) => [path, { path, why }]));
  return [...byPath.values()].sort((one, other) => (one.path < other.path ? -1 : 1));
}

type Note = (path: string, why: string, was: Json | undefined) => void;

function withoutField(value: JsonObject, parts: readonly string[], path: string, note: Note): JsonObject {
  const cut = (at: Json, depth: number): Json | undefined => {
    const part = parts[depth];
    if (part === undefined) {
      note(path, 'a field that the policy tolerates', at);
      return undefined;
    }
    if (part === '[]') return isJsonList(at) ? at.map((element) => cut(element, depth + 1) ?? null) : at;
    if (!isJsonObject(at) || !Object.hasOwn(at, part)) return at;
    const copy = emptyObject();
    for (const name of Object.keys(at)) {
      const kept = name === part ? cut(at[name]!, depth + 1) : at[name]!;
      if (kept !== undefined) copy[name] = kept;
    }
    // An object that held nothing else is as good as absent, as everywhere in the form.
    return depth > 0 && Object.keys(copy).length === 0 && Object.keys(at).length > 0 ? undefined : copy;
  };
  return (cut(value, 0) ?? emptyObject()) as JsonObject;
}

function relaxMember(name: string, value: Json, tolerance: Tolerance, run: RunValues, note: Note): Json | undefined {
  switch (name) {
    case 'variables':
      return nonEmpty(isJsonList(value) ? relaxVariables(value, tolerance, run, note) : value);
    case 'dependencies':
      return nonEmpty(isJsonList(value) ? relaxDependencies(value, tolerance.dependencies, note) : value);
    case 'image':
      return relaxImage(value, 'image.name', tolerance.images, note);
    case 'services':
      return isJsonList(value)
        ? value.map((service, i) => relaxImage(service, `services[${i}].name`, tolerance.images, note))
        : value;
    case PINNED_IMAGES:
      return relaxPins(value, tolerance.images, note);
    case 'cache':
      return tolerance.cacheIndex && isJsonList(value) ? relaxCache(value, note) : value;
    default:
      return value;
  }
}

const nonEmpty = (value: Json): Json | undefined => (isJsonList(value) && value.length === 0 ? undefined : value);

/** A copy with one member replaced. */
function withMember(object: JsonObject, name: string, value: Json): JsonObject {
  const copy = emptyObject();
  for (const key of Object.keys(object)) copy[key] = key === name ? value : object[key]!;
  return copy;
}

const ENTRY_MEMBERS: ReadonlySet<string> = new Set(['file', 'key', 'masked', 'public', 'raw', 'value']);
const marker = (why: string): Json => Object.assign(emptyObject(), { tolerated: why });

/** Whatever is not exactly one whole entry of its name, with no member that the form of today does not have, stays as it is (T56). */
function relaxVariables(entries: readonly Json[], tolerance: Tolerance, run: RunValues, note: Note): Json {
  const times = new Map<string, number>();
  for (const entry of entries) {
    if (!isJsonObject(entry) || typeof entry.key !== 'string') continue;
    const folded = caseFold(entry.key);
    times.set(folded, (times.get(folded) ?? 0) + 1);
  }
  const out: Json[] = [];
  for (const entry of entries) {
    if (!isWholeEntry(entry) || times.get(caseFold(entry.key)) !== 1 || changesBehaviour(entry.key)) {
      out.push(entry);
      continue;
    }
    const why = whyTolerated(entry, tolerance, run);
    if (why !== null) note(`variables.${entry.key}`, why.words, entry.value);
    if (why === null) out.push(entry);
    else if (!why.gone) out.push(withMember(entry, 'value', marker(why.words)));
  }
  return out;
}

type Entry = JsonObject & { readonly key: string };
const isWholeEntry = (entry: Json): entry is Entry =>
  isJsonObject(entry) &&
  typeof entry.key === 'string' &&
  Object.keys(entry).length === ENTRY_MEMBERS.size &&
  Object.keys(entry).every((name) => ENTRY_MEMBERS.has(name));

function whyTolerated(
  entry: Entry,
  { variables }: Tolerance,
  run: RunValues,
): { readonly words: string; readonly gone: boolean } | null {
  const { key } = entry;
  // GitLab masks id tokens too, and whoever writes the YAML chooses their audience (T50).
  if (holdsIdToken(entry.value!)) return null;
  // What is neither public nor masked may have been typed by whoever started the pipeline: seen by somebody, or named opaque (T57).
  const mayBeTyped = entry.public !== true && entry.masked !== true;
  const passesUnseen = !mayBeTyped || run.opaque.some((name) => caseFold(name) === caseFold(key));
  if (passesUnseen && variables.ambient.some((glob) => globMatches(glob, key))) return { words: 'ambient', gone: true };
  if (variables.masked && entry.masked === true && entry.public !== true)
    return { words: 'value of a masked variable', gone: false };
  if (passesUnseen && variables.values.includes(key)) return { words: 'value', gone: false };
  const shape = Object.hasOwn(variables.shapes, key) ? variables.shapes[key]! : null;
  if (shape !== null && shapesOfEntry(entry, run).includes(shape))
    return { words: `value that is ${shape}`, gone: false };
  const template = Object.hasOwn(variables.templates, key) ? variables.templates[key]! : null;
  if (template !== null && templateHolds(template, key, entry.value!, run))
    return { words: `value of the template ${template}`, gone: false };
  return null;
}

const holdsIdToken = (value: Json): boolean =>
  isJsonList(value) && value.some((segment) => isJsonObject(segment) && segment.jwt !== undefined);

function shapesOfEntry(entry: Entry, run: RunValues): readonly ValueShape[] {
  return typeof entry.value === 'string' ? shapesOf(entry.value) : (run.shapes.get(entry.key) ?? []);
}

function relaxDependencies(list: readonly Json[], globs: readonly string[], note: Note): Json {
  return list.filter((one) => {
    const name = isJsonObject(one) && typeof one.name === 'string' ? one.name : null;
    if (name === null || !globs.some((glob) => globMatches(glob, name))) return true;
    note(`dependencies.${name}`, 'artifacts of a job that the policy tolerates', one);
    return false;
  });
}

/** Only a name without anything to be filled in: a variable in it could make any image of it (T38). */
function relaxImage(image: Json, path: string, globs: readonly string[], note: Note): Json {
  if (!isJsonObject(image) || typeof image.name !== 'string' || image.name.includes('$')) return image;
  const { name } = image;
  const glob = globs.find((each) => globMatches(each, name));
  if (glob === undefined) return image;
  note(path, `an image like ${glob}`, name);
  return withMember(image, 'name', marker(`image ${glob}`));
}

/** A base image that is built anew every night has another digest each morning: the same images by name are alike. */
function relaxPins(section: Json, globs: readonly string[], note: Note): Json {
  if (!isJsonObject(section) || !isJsonList(section.images)) return section;
  const images = section.images.map((image) => {
    if (!isJsonObject(image) || typeof image.reference !== 'string' || typeof image.digest !== 'string') return image;
    const { reference, digest } = image;
    const glob = globs.find((each) => globMatches(each, reference));
    if (glob === undefined) return image;
    note(`pinned_images.images[${JSON.stringify(reference)}]`, `an image like ${glob}`, digest);
    return marker(`image ${glob}`);
  });
  return withMember(section, 'images', images);
}

const INDEX = /^(.*)-\d+((?:-(?:non_)?protected)?)$/s;

/** With several keys the form has taken the number off already; a lone one's may as well be the author's. */
function relaxCache(caches: readonly Json[], note: Note): Json {
  const keys = caches.flatMap((cache) => {
    if (!isJsonObject(cache)) return [];
    const fallbacks = isJsonList(cache.fallback_keys) ? cache.fallback_keys : [];
    return [...(cache.key === undefined ? [] : [cache.key]), ...fallbacks];
  });
  if (keys.length !== 1) return caches;
  return caches.map((cache, i) => {
    if (!isJsonObject(cache) || cache.key === undefined) return cache;
    const without = withoutIndex(cache.key);
    if (without === null) return cache;
    note(`cache[${i}].key`, 'the number of cleared caches', cache.key);
    return withMember(cache, 'key', without);
  });
}

/** The key without the number before its ending; null where it has none. */
function withoutIndex(key: Json): Json | null {
  const last = isJsonList(key) ? key.at(-1) : key;
  if (typeof last !== 'string') return null;
  const [, head, ending] = INDEX.exec(last) ?? [];
  if (head === undefined || ending === undefined) return null;
  return isJsonList(key) ? [...key.slice(0, -1), `${head}${ending}`] : `${head}${ending}`;
}
