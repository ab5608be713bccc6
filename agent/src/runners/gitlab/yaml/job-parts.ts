/** Parts of a job as GitLab's YAML has them, in the shape in which GitLab sends them to a runner. */
import type { DeclaredVariable } from '../../../domain/declared-job.ts';
import { emptyObject } from '../../../domain/empty-object.ts';
import { isJsonList, isJsonObject, type Json, type JsonList, type JsonObject } from '../../../domain/json.ts';

const EMPTY: JsonObject = emptyObject();

/** An object without members that say nothing, as the form folds them; null when nothing is left. */
function folded(members: Readonly<Record<string, Json | undefined>>): JsonObject | null {
  const out = emptyObject();
  for (const [name, value] of Object.entries(members)) {
    if (value === undefined || value === null) continue;
    if (isJsonList(value) && value.length === 0) continue;
    if (isJsonObject(value) && Object.keys(value).length === 0) continue;
    out[name] = value;
  }
  return Object.keys(out).length === 0 ? null : out;
}

const present = (value: JsonObject | null): JsonList => (value === null ? [] : [value]);
const text = (value: Json | undefined): string | undefined =>
  typeof value === 'string'
    ? value
    : typeof value === 'number' || typeof value === 'boolean'
      ? String(value)
      : undefined;
/** One or several, as a list. */
function many(value: Json | undefined): JsonList | undefined {
  if (value === undefined || value === null) return undefined;
  return isJsonList(value) ? value : [value];
}

/** Lines of a script; lists within lists come from `!reference` and are one list. */
export function lines(value: Json | undefined): readonly string[] {
  if (isJsonList(value)) return value.flatMap(lines);
  const line = text(value);
  return line === undefined ? [] : [line];
}

function imageMembers(of: JsonObject): Record<string, Json | undefined> {
  const docker = isJsonObject(of.docker) ? folded({ platform: of.docker.platform, user: text(of.docker.user) }) : null;
  const kubernetes = isJsonObject(of.kubernetes) ? folded({ user: text(of.kubernetes.user) }) : null;
  return {
    name: text(of.name),
    entrypoint: many(of.entrypoint),
    pull_policy: many(of.pull_policy),
    executor_opts: folded({ docker: docker ?? undefined, kubernetes: kubernetes ?? undefined }) ?? undefined,
  };
}

const named = (value: Json): JsonObject => {
  if (isJsonObject(value)) return value;
  return Object.assign(emptyObject(), { name: text(value) ?? '' });
};

/** `image:`; null for none. */
export function imageOf(value: Json | undefined): JsonObject | null {
  return value === undefined || value === null ? null : folded(imageMembers(named(value)));
}

/** `services:`. */
export function servicesOf(value: Json | undefined): JsonList {
  return (many(value) ?? []).flatMap((each) => {
    const service = named(each);
    const variables = variablesOf(service.variables).map(({ key, value: own }) =>
      Object.assign(emptyObject(), { key, value: own, public: true, masked: false }),
    );
    return present(
      folded({ ...imageMembers(service), alias: text(service.alias), command: many(service.command), variables }),
    );
  });
}

/** Files and formats of reports as GitLab gives them to a runner; a report that is not here is not predicted. */
const REPORTS: Readonly<Record<string, readonly [name: string, format: 'gzip' | 'raw' | 'zip']>> = {
  junit: ['junit.xml', 'gzip'],
  cobertura: ['cobertura-coverage.xml', 'gzip'],
  jacoco: ['jacoco-coverage.xml', 'gzip'],
  dotenv: ['.env', 'gzip'],
  codequality: ['gl-code-quality-report.json', 'raw'],
  sast: ['gl-sast-report.json', 'raw'],
  secret_detection: ['gl-secret-detection-report.json', 'raw'],
  dependency_scanning: ['gl-dependency-scanning-report.json', 'raw'],
  container_scanning: ['gl-container-scanning-report.json', 'raw'],
  cluster_image_scanning: ['gl-cluster-image-scanning-report.json', 'raw'],
  dast: ['gl-dast-report.json', 'raw'],
  coverage_fuzzing: ['gl-coverage-fuzzing.json', 'raw'],
  api_fuzzing: ['gl-api-fuzzing-report.json', 'raw'],
  license_scanning: ['gl-license-scanning-report.json', 'raw'],
  accessibility: ['gl-accessibility.json', 'raw'],
  performance: ['performance.json', 'raw'],
  browser_performance: ['browser-performance.json', 'raw'],
  load_performance: ['load-performance.json', 'raw'],
  metrics: ['metrics.txt', 'gzip'],
  requirements: ['requirements.json', 'raw'],
  requirements_v2: ['requirements_v2.json', 'raw'],
  lsif: ['lsif.json', 'zip'],
  terraform: ['tfplan.json', 'raw'],
  cyclonedx: ['gl-sbom.cdx.json', 'gzip'],
};

/** `artifacts:`: the archive first, then the reports. */
export function artifactsOf(value: Json | undefined): JsonList {
  if (!isJsonObject(value)) return [];
  const { untracked, reports } = value;
  const expire_in = text(value.expire_in);
  const paths = many(value.paths);
  const archive =
    untracked === true || paths !== undefined
      ? folded({
          artifact_type: 'archive',
          artifact_format: 'zip',
          name: text(value.name),
          untracked,
          paths,
          exclude: many(value.exclude),
          when: text(value.when),
          expire_in,
        })
      : null;
  const found = isJsonObject(reports) ? reports : EMPTY;
  const of = Object.keys(found).flatMap((type): JsonList => {
    const report = found[type]!;
    const coverage = type === 'coverage_report' && isJsonObject(report) ? report : null;
    const own = coverage === null ? type : (text(coverage.coverage_format) ?? '');
    const [name, format] = REPORTS[own] ?? [];
    if (name === undefined || format === undefined) return [];
    const files = coverage === null ? many(report) : many(coverage.path);
    return present(
      folded({ artifact_type: own, artifact_format: format, name, paths: files, when: 'always', expire_in }),
    );
  });
  return [...present(archive), ...of];
}

function keyOf(value: Json | undefined): Json {
  if (!isJsonObject(value)) return text(value) ?? 'default';
  const prefix = text(value.prefix);
  const files = Object.assign(emptyObject(), { files: true });
  return prefix === undefined ? [files] : [`${prefix}-`, files];
}

/** `cache:`: one or several; keys without the ending that GitLab adds. */
export function cacheOf(value: Json | undefined): JsonList {
  return (many(value) ?? []).flatMap((each) => {
    if (!isJsonObject(each) || Object.keys(each).length === 0) return [];
    const { untracked, policy, paths, when, fallback_keys, unprotect } = each;
    return present(
      folded({
        key: keyOf(each.key),
        untracked,
        unprotect,
        paths: many(paths),
        policy: text(policy) ?? 'pull-push',
        when: text(when) ?? 'on_success',
        fallback_keys: many(fallback_keys),
      }),
    );
  });
}

/** `hooks:`. */
export function hooksOf(value: Json | undefined): JsonList {
  if (!isJsonObject(value)) return [];
  return Object.keys(value).flatMap((name) => present(folded({ name, script: lines(value[name]) as JsonList })));
}

/** `variables:`, values as text. */
export function variablesOf(value: Json | undefined): readonly DeclaredVariable[] {
  if (!isJsonObject(value)) return [];
  return Object.keys(value).map((key) => {
    const said = value[key]!;
    const whole = isJsonObject(said) ? said : null;
    return { key, value: text(whole === null ? said : whole.value) ?? '', raw: whole?.expand === false };
  });
}
