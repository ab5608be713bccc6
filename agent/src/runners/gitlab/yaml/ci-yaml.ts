import { LineCounter, parseDocument } from 'yaml';
import type { DeclaredJob, DeclaredVariable } from '../../../domain/declared-job.ts';
import { HoldpointError } from '../../../domain/errors.ts';
import { isJsonList, isJsonObject, type Json, type JsonObject } from '../../../domain/json.ts';
import { configurationOf } from '../../../domain/shown-configuration.ts';
import { artifactsOf, cacheOf, hooksOf, imageOf, lines, servicesOf, variablesOf } from './job-parts.ts';

/** A job as GitLab's lint lists it: what it resolved itself counts more than what is read here. */
export interface LintedJob {
  readonly name: string;
  readonly stage: string | null;
  readonly beforeScript: readonly string[];
  readonly script: readonly string[];
  readonly afterScript: readonly string[];
  readonly tags: readonly string[];
}

/** Keys of the file's first level that are no jobs. */
const GLOBAL: ReadonlySet<string> = new Set([
  'default',
  'include',
  'spec',
  'stages',
  'types',
  'variables',
  'workflow',
  'image',
  'services',
  'cache',
  'before_script',
  'after_script',
]);
/** What `default:` may say that reaches a runner; the first five may stand on the first level too. */
const DEFAULTED = [
  'image',
  'services',
  'cache',
  'before_script',
  'after_script',
  'artifacts',
  'hooks',
  'tags',
] as const;
const LEGACY: readonly string[] = DEFAULTED.slice(0, 5);
/** Ruby writes a part that several jobs share once, and names it elsewhere; more is an attempt to fill the memory. */
const MAX_ALIASES = 5_000;
/** GitLab takes no more from one matrix. */
const MAX_MATRIX = 200;

/** The merged YAML of a pipeline as data. Throws `bad_input` when it is none. */
export function readMergedYaml(yaml: string, name: string): JsonObject {
  let value: unknown;
  try {
    const document = parseDocument(yaml, { merge: true, logLevel: 'error', prettyErrors: false });
    const [error] = document.errors;
    if (error !== undefined) throw error;
    value = document.toJS({ maxAliasCount: MAX_ALIASES });
  } catch {
    throw new HoldpointError('bad_input', `${name} is not YAML: give the merged YAML as GitLab shows or answers it`);
  }
  const tree = configurationOf(value);
  if (tree === null) throw new HoldpointError('bad_input', `${name} has no jobs: it is no object`);
  const keys = Object.keys(tree);
  // Older servers write Ruby's symbols: `:test_job:`.
  return keys.length > 0 && keys.every((key) => key.startsWith(':')) ? (withoutColons(tree) as JsonObject) : tree;
}

function withoutColons(value: Json): Json {
  if (isJsonList(value)) return value.map(withoutColons);
  if (!isJsonObject(value)) return value;
  const out: Record<string, Json> = Object.create(null);
  for (const key of Object.keys(value)) out[key.replace(/^:/, '')] = withoutColons(value[key]!);
  return out;
}

const stringOf = (value: Json | undefined): string | null =>
  typeof value === 'string' || typeof value === 'number' ? String(value) : null;

/** Every job of a merged YAML that a runner can get; `linted`, where GitLab was asked, says their names and scripts. */
export function declaredJobs(tree: JsonObject, linted: readonly LintedJob[] | null): readonly DeclaredJob[] {
  const found = Object.keys(tree).flatMap((name): DeclaredJob[] => {
    const job = tree[name];
    if (GLOBAL.has(name) || name.startsWith('.') || !isJsonObject(job) || job.trigger !== undefined) return [];
    if (job.script === undefined && job.run === undefined) return [];
    return slots(name, job.parallel).map(({ slot, variables }) => jobOf(slot, tree, job, variables));
  });
  if (linted === null) return found;
  const byName = new Map(found.map((job) => [job.name, job]));
  return linted.flatMap((said) => {
    const job = byName.get(said.name);
    if (job === undefined) return [];
    const script = job.script === null ? null : [...said.beforeScript, ...said.script];
    return [{ ...job, stage: said.stage ?? job.stage, tags: said.tags, script, afterScript: said.afterScript }];
  });
}

/** The jobs that `parallel` makes of one: their names, and the variables of each. */
function slots(name: string, parallel: Json | undefined): { slot: string; variables: readonly DeclaredVariable[] }[] {
  if (typeof parallel === 'number') {
    const total = Math.min(parallel, MAX_MATRIX);
    return Array.from({ length: total }, (_, i) => ({ slot: `${name} ${i + 1}/${total}`, variables: [] }));
  }
  const matrix = isJsonObject(parallel) ? parallel.matrix : undefined;
  if (!isJsonList(matrix)) return [{ slot: name, variables: [] }];
  const combinations = matrix.filter(isJsonObject).flatMap((row) =>
    Object.keys(row).reduce<readonly (readonly DeclaredVariable[])[]>(
      (made, key) => {
        const values = isJsonList(row[key]) ? row[key] : [row[key]!];
        const next = made.flatMap((each) =>
          values.map((value) => [...each, { key, value: String(value ?? ''), raw: false }]),
        );
        return next.slice(0, MAX_MATRIX);
      },
      [[]],
    ),
  );
  return combinations.slice(0, MAX_MATRIX).map((variables) => ({
    slot: `${name}: [${variables.map(({ value }) => value).join(', ')}]`,
    variables,
  }));
}

/** True when a job takes this one of what holds for all. */
function inherits(job: JsonObject, what: 'default' | 'variables', name: string): boolean {
  const said = isJsonObject(job.inherit) ? job.inherit[what] : undefined;
  if (typeof said === 'boolean') return said;
  return !isJsonList(said) || said.includes(name);
}

function jobOf(name: string, tree: JsonObject, job: JsonObject, ofSlot: readonly DeclaredVariable[]): DeclaredJob {
  const defaults = isJsonObject(tree.default) ? tree.default : null;
  const said = (key: (typeof DEFAULTED)[number]): Json | undefined => {
    if (job[key] !== undefined) return job[key];
    if (!inherits(job, 'default', key)) return undefined;
    return defaults?.[key] ?? (LEGACY.includes(key) ? tree[key] : undefined);
  };
  const variables = new Map<string, DeclaredVariable>();
  for (const variable of variablesOf(tree.variables))
    if (inherits(job, 'variables', variable.key)) variables.set(variable.key, variable);
  for (const variable of [...variablesOf(job.variables), ...ofSlot]) variables.set(variable.key, variable);
  return {
    name,
    stage: stringOf(job.stage) ?? 'test',
    environment: environmentOf(job.environment),
    tags: lines(said('tags')),
    script: job.script === undefined ? null : [...lines(said('before_script')), ...lines(job.script)],
    afterScript: lines(said('after_script')),
    image: imageOf(said('image')),
    services: servicesOf(said('services')),
    artifacts: artifactsOf(said('artifacts')),
    cache: cacheOf(said('cache')),
    hooks: hooksOf(said('hooks')),
    variables: [...variables.values()],
  };
}

function environmentOf(value: Json | undefined): DeclaredJob['environment'] {
  const plain = stringOf(value);
  if (plain !== null) return { name: plain, url: null, action: null };
  const name = isJsonObject(value) ? stringOf(value.name) : null;
  if (name === null || !isJsonObject(value)) return null;
  return { name, url: stringOf(value.url), action: stringOf(value.action) };
}

/** On which line of the file each job stands, as far as it stands there itself; empty for what cannot be read. */
export function linesOfJobs(yaml: string): ReadonlyMap<string, number> {
  const counter = new LineCounter();
  const document = parseDocument(yaml, { lineCounter: counter, logLevel: 'silent', prettyErrors: false });
  const found = new Map<string, number>();
  const items = (document.contents as { items?: readonly unknown[] } | null)?.items ?? [];
  for (const item of items) {
    const key = (item as { key?: { value?: unknown; range?: readonly [number, number, number] } }).key;
    if (key?.range !== undefined && key.range !== null)
      found.set(String(key.value), counter.linePos(key.range[0]).line);
  }
  return found;
}
