import { isJsonList, isJsonObject, type Json, type JsonObject } from '../../domain/json.ts';
import { PayloadRefusal } from './refusal.ts';

/** Fields of a payload that more than one rule needs, read once. */
export interface PayloadFields {
  readonly id: number;
  readonly token: string;
  readonly projectId: number;
  readonly projectPath: string | null;
  readonly jobName: string;
  readonly stage: string | null;
  readonly pipelineId: number | null;
  readonly userId: number | null;
  readonly repoUrl: string;
  readonly ref: string;
  readonly refType: string;
  readonly protected: boolean;
  readonly sha: string;
  readonly beforeSha: string;
  readonly timeoutS: number;
  /** `git_info.ref` is a merge request's: it begins so, and no refspec names a branch (a branch may be called that). */
  readonly mergeRequestRef: boolean;
}

/** A member of a member of the payload, or null. */
export function member(payload: JsonObject, outer: string, inner: string): Json {
  const object = payload[outer];
  return isJsonObject(object) ? (object[inner] ?? null) : null;
}

/** The elements of a list at the top of the payload; none where it is absent. */
export function elements(payload: JsonObject, name: string): readonly Json[] {
  const list = payload[name];
  return isJsonList(list) ? list : [];
}

const text = (value: Json): string | null => (typeof value === 'string' ? value : null);
const integer = (value: Json): number | null => (typeof value === 'number' ? value : null);

function required<T>(value: T | null, path: string, what: string): T {
  if (value === null) throw new PayloadRefusal('payload_refused', path, `is missing: ${what}`);
  return value;
}

/** Reads the fields; without job id, token, project id and name there is no job that anybody could approve or end. */
export function readFields(payload: JsonObject): PayloadFields {
  const refspecs = member(payload, 'git_info', 'refspecs');
  const specs = (isJsonList(refspecs) ? refspecs : []).filter((spec): spec is string => typeof spec === 'string');
  const inSpecs = specs.map((spec) => /^\+?refs\/pipelines\/([1-9]\d{0,14})(?::|$)/.exec(spec)?.[1]).find(Boolean);
  const ref = text(member(payload, 'git_info', 'ref')) ?? '';
  return {
    id: required(integer(payload.id ?? null), 'id', 'a job has one'),
    token: required(text(payload.token ?? null), 'token', 'a job has one'),
    projectId: required(
      integer(member(payload, 'job_info', 'project_id')),
      'job_info.project_id',
      'an approval is for one project',
    ),
    projectPath: text(member(payload, 'job_info', 'project_full_path')),
    jobName: required(text(member(payload, 'job_info', 'name')), 'job_info.name', 'an approval is for one job name'),
    stage: text(member(payload, 'job_info', 'stage')),
    pipelineId: integer(member(payload, 'job_info', 'pipeline_id')) ?? (inSpecs === undefined ? null : Number(inSpecs)),
    userId: integer(member(payload, 'job_info', 'user_id')),
    repoUrl: text(member(payload, 'git_info', 'repo_url')) ?? '',
    ref,
    refType: text(member(payload, 'git_info', 'ref_type')) ?? '',
    protected: member(payload, 'git_info', 'protected') === true,
    sha: text(member(payload, 'git_info', 'sha')) ?? '',
    beforeSha: text(member(payload, 'git_info', 'before_sha')) ?? '',
    timeoutS: integer(member(payload, 'runner_info', 'timeout')) ?? 0,
    mergeRequestRef: ref.startsWith('refs/merge-requests/') && !specs.some((spec) => spec.includes('refs/heads/')),
  };
}
