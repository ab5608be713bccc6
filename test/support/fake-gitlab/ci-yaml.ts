import { parse, stringify } from 'yaml';
import { type Answer, json, refuse, type World } from './state.ts';

// biome-ignore lint/suspicious/noExplicitAny: a pipeline is any YAML that somebody writes
type Tree = Record<string, any>;

const GLOBAL = ['default', 'include', 'stages', 'variables', 'workflow', 'image', 'services', 'cache'];

/** As GitLab merges what is extended: hashes deeply, everything else is replaced. */
function deepMerge(under: Tree, over: Tree): Tree {
  const out: Tree = { ...under };
  for (const [key, value] of Object.entries(over)) {
    const both = isTree(out[key]) && isTree(value);
    out[key] = both ? deepMerge(out[key], value) : value;
  }
  return out;
}
const isTree = (value: unknown): value is Tree => typeof value === 'object' && value !== null && !Array.isArray(value);

function extended(tree: Tree, name: string, depth = 0): Tree {
  const job = tree[name] ?? {};
  if (job.extends === undefined || depth > 10) return job;
  const bases = [job.extends].flat().map((base: string) => extended(tree, base, depth + 1));
  return [...bases, job].reduce<Tree>(deepMerge, {});
}

/** A job with everything that holds for all in it. */
export interface YamlJob {
  readonly name: string;
  readonly job: Tree;
  readonly variables: Readonly<Record<string, unknown>>;
}

/** The YAML once everything is extended, as lint shows it, and its jobs as they will be. */
export function pipelineOf(content: string): { readonly merged: Tree; readonly jobs: readonly YamlJob[] } {
  const tree = parse(content) as Tree;
  const merged: Tree = {};
  for (const name of Object.keys(tree)) merged[name] = GLOBAL.includes(name) ? tree[name] : extended(tree, name);
  const defaults = { image: tree.image, services: tree.services, cache: tree.cache, ...tree.default };
  const jobs = Object.keys(merged)
    .filter((name) => !GLOBAL.includes(name) && !name.startsWith('.'))
    .map((name) => ({
      name,
      job: { ...defaults, ...merged[name] },
      variables: { ...tree.variables, ...merged[name].variables },
    }));
  return { merged, jobs };
}

const list = (value: unknown): string[] =>
  (value === undefined || value === null ? [] : [value]).flat(9).map((each) => String(each));

/** `POST /api/v4/projects/:id/ci/lint`, with GitLab's fields; null for another route. A job's token does not do. */
export function lintRoute(
  world: World,
  method: string,
  path: string,
  token: string,
  body: Record<string, unknown>,
): Answer | null {
  if (method !== 'POST' || !/^\/api\/v4\/projects\/[^/]+\/ci\/lint$/.test(path)) return null;
  const person = world.personTokens.get(token);
  if (token !== world.apiToken && person === undefined) return refuse(401, '401 Unauthorized');
  if (person !== undefined && !person.scopes.includes('api')) return refuse(403, '403 Forbidden');
  if (typeof body.content !== 'string') return json(400, { error: 'content is missing' });
  const invalid = (error: string) =>
    json(200, { valid: false, errors: [error], warnings: [], merged_yaml: null, includes: [] });
  let pipeline: ReturnType<typeof pipelineOf>;
  try {
    pipeline = pipelineOf(body.content);
  } catch {
    return invalid('Invalid configuration format');
  }
  if (pipeline.jobs.length === 0) return invalid('jobs config should contain at least one visible job');
  const jobs = pipeline.jobs.map(({ name, job }) => ({
    name,
    stage: job.stage ?? 'test',
    before_script: list(job.before_script),
    script: list(job.script),
    after_script: list(job.after_script),
    tag_list: list(job.tags),
    only: { refs: ['branches', 'tags'] },
    except: null,
    environment: typeof job.environment === 'object' ? job.environment.name : (job.environment ?? null),
    when: job.when ?? 'on_success',
    allow_failure: false,
    needs: null,
  }));
  return json(200, {
    valid: true,
    errors: [],
    warnings: [],
    merged_yaml: stringify(pipeline.merged),
    includes: [],
    ...(body.include_jobs === true && { jobs }),
  });
}

/** Public variables of the fixtures that their YAML says. */
const OF_YAML = /^(?!CI$|CI_|GITLAB_)/;

/** Makes a fixture's payload, with the values of its run in it, the one that GitLab would send for this job. */
export function asJob({ name, job, variables }: YamlJob): (payload: Record<string, unknown>) => void {
  return (sent) => {
    const payload = sent as Tree;
    payload.job_info.name = name;
    payload.job_info.stage = job.stage ?? 'test';
    const step = (of: string, script: string[], when: string, allow: boolean) =>
      script.length === 0 ? [] : [{ name: of, script, timeout: 3600, when, allow_failure: allow }];
    payload.steps = [
      ...step('script', [...list(job.before_script), ...list(job.script)], 'on_success', false),
      ...step('after_script', list(job.after_script), 'always', true),
    ];
    payload.image = job.image === undefined ? null : imageOf(job.image);
    payload.services = list0(job.services).map((service) => ({
      ...imageOf(service),
      alias: service.alias ?? null,
      command: service.command ?? null,
      variables: Object.entries(service.variables ?? {}).map(([key, value]) => ({
        key,
        value: String(value),
        public: true,
        masked: false,
      })),
    }));
    payload.artifacts = artifactsOf(job.artifacts);
    payload.cache = list0(job.cache).map((cache) => ({
      key: `${cache.key ?? 'default'}-4-protected`,
      untracked: cache.untracked ?? false,
      policy: cache.policy ?? 'pull-push',
      paths: cache.paths ?? [],
      when: cache.when ?? 'on_success',
      fallback_keys: (cache.fallback_keys ?? []).map((key: string) => `${key}-4-protected`),
    }));
    payload.dependencies = [];
    variablesInto(payload, { name, job, variables });
  };
}

function list0(value: unknown): Tree[] {
  const all = value === undefined || value === null ? [] : [value].flat();
  return all.map((each) => (typeof each === 'string' ? { name: each } : (each as Tree)));
}

function imageOf(value: unknown): Tree {
  const image = typeof value === 'string' ? { name: value } : (value as Tree);
  return {
    name: image.name,
    entrypoint: image.entrypoint ?? null,
    ports: [],
    executor_opts: { ...(image.docker && { docker: image.docker }) },
    pull_policy: [image.pull_policy ?? []].flat(),
  };
}

function artifactsOf(value: Tree | undefined): unknown[] | null {
  if (value === undefined) return null;
  const { reports = {}, expire_in = null } = value;
  const archive = {
    name: value.name ?? null,
    untracked: value.untracked ?? null,
    paths: value.paths ?? null,
    exclude: value.exclude ?? null,
    when: value.when ?? null,
    expire_in,
    artifact_type: 'archive',
    artifact_format: 'zip',
  };
  const of = Object.entries(reports).map(([type, files]) => ({
    name: { junit: 'junit.xml', dotenv: '.env' }[type],
    paths: [files].flat(),
    when: 'always',
    expire_in,
    artifact_type: type,
    artifact_format: 'gzip',
  }));
  return [...(value.paths === undefined && value.untracked !== true ? [] : [archive]), ...of];
}

function variablesInto(payload: Tree, { name, job, variables }: YamlJob): void {
  const kept = (payload.variables as Tree[]).filter(
    ({ key, public: open }) => !(open && OF_YAML.test(key)) && !key.startsWith('CI_ENVIRONMENT_'),
  );
  const known = new Map<string, string>(kept.map(({ key, value }) => [key, value ?? '']));
  const set = (key: string, value: string) => {
    known.set(key, value);
    for (const entry of kept) if (entry.key === key) entry.value = value;
  };
  for (const key of ['CI_JOB_NAME', 'CI_JOB_GROUP_NAME']) set(key, name);
  set('CI_JOB_NAME_SLUG', name.replace(/[^a-z0-9]/g, '-'));
  set('CI_JOB_STAGE', job.stage ?? 'test');
  const raw: Record<string, string> = {};
  for (const [key, said] of Object.entries(variables)) raw[key] = String(isTree(said) ? (said.value ?? '') : said);
  const expand = (text: string, depth = 0): string =>
    text.replace(/\$\{(\w+)\}|\$(\w+)/g, (whole, a, b) => {
      const key = a ?? b;
      // expand_raw_refs: false
      if (isTree(variables[key]) && (variables[key] as Tree).expand === false) return whole;
      if (depth < 9 && raw[key] !== undefined) return expand(raw[key], depth + 1);
      return known.get(key) ?? whole;
    });
  const said = job.environment;
  const environment: Tree | null = typeof said === 'string' ? { name: said } : (said ?? null);
  const own: [string, string][] = environment
    ? [
        ['CI_ENVIRONMENT_NAME', expand(environment.name)],
        ['CI_ENVIRONMENT_SLUG', expand(environment.name)],
        ['CI_ENVIRONMENT_TIER', 'production'],
        ['CI_ENVIRONMENT_ACTION', environment.action ?? 'start'],
        ...(environment.url ? ([['CI_ENVIRONMENT_URL', expand(environment.url)]] as [string, string][]) : []),
      ]
    : [];
  payload.variables = [
    ...kept,
    ...own.map(([key, value]) => ({ key, value, public: true, masked: false })),
    ...Object.keys(raw).map((key) => {
      const unexpanded = isTree(variables[key]) && (variables[key] as Tree).expand === false;
      const value = unexpanded ? raw[key]! : expand(raw[key]!);
      return { key, value, public: true, masked: false, ...(unexpanded && { raw: true }) };
    }),
  ];
}
