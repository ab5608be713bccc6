import { z } from 'zod';
import { HoldpointError } from '../../../domain/errors.ts';
import type { JsonObject } from '../../../domain/json.ts';
import type { ExecutorJob, WantedImage, WantedService } from '../../../ports/executor.ts';
import { referenceOf, WHY_UNTOLD } from '../image-references.ts';
import { registryLogins } from '../registry-logins.ts';
import { type Expansion, expansionOf } from '../runner-expansion.ts';

/** The gateway takes no payload over 4 MiB; re-encoded it may grow a little. */
export const MAX_JOB_RESPONSE_BYTES = 16 * 1024 * 1024;
/** More than a job can use; each costs a container. */
const MAX_SERVICES = 50;

const variable = z.looseObject({
  key: z.string(),
  value: z.string(),
  public: z.boolean().nullish(),
  file: z.boolean().nullish(),
  masked: z.boolean().nullish(),
  raw: z.boolean().nullish(),
});
type PayloadVariable = z.output<typeof variable>;

const words = z.array(z.string()).nullish();
const image = z.looseObject({
  name: z.string(),
  entrypoint: words,
  executor_opts: z
    .looseObject({ docker: z.looseObject({ platform: z.string().nullish(), user: z.string().nullish() }).nullish() })
    .nullish(),
  pull_policy: words,
});
const service = image.extend({
  alias: z.string().nullish(),
  command: words,
  variables: z.array(variable).nullish(),
});
const payload = z.looseObject({
  id: z.number().int().positive(),
  token: z.string().min(1),
  job_info: z.looseObject({
    name: z.string(),
    project_id: z.number().int(),
    project_full_path: z.string().nullish(),
  }),
  runner_info: z.looseObject({ timeout: z.number().nullish() }).nullish(),
  git_info: z.looseObject({ protected: z.boolean().nullish() }).nullish(),
  variables: z.array(variable).nullish(),
  image: image.nullish(),
  services: z.array(service).max(MAX_SERVICES).nullish(),
});

type ImageJson = z.output<typeof image>;
type ServiceJson = z.output<typeof service>;

/** The reference that gitlab-runner would pull; refused where what is left of it is none. */
function reference(name: string, expansion: Expansion, what: string): string {
  const told = referenceOf(name, expansion);
  if ('reference' in told && /^[A-Za-z0-9][A-Za-z0-9._:/@-]{0,511}$/.test(told.reference)) return told.reference;
  const why = 'why' in told ? WHY_UNTOLD[told.why] : 'variables that only the host of the runner sets are empty here';
  throw new HoldpointError('bad_input', `${what} of the job is no reference of an image: ${why}; write its name out`);
}

function wanted(json: ImageJson, expansion: Expansion, what: string): WantedImage {
  const docker = json.executor_opts?.docker;
  const option = (name: 'user' | 'platform'): string | null => {
    const filled = expansion.filled(docker?.[name] ?? '');
    if ('text' in filled) return filled.text === '' ? null : filled.text;
    throw new HoldpointError('bad_input', `the ${name} of ${what} of the job cannot be told here; write it out`);
  };
  const entrypoint = json.entrypoint ?? [];
  return {
    reference: reference(json.name, expansion, what),
    // `entrypoint: [""]` is how a job says that there is to be none; GitLab writes an empty list where it says nothing.
    entrypoint: entrypoint.length === 0 ? null : entrypoint.filter((word, index) => index > 0 || word !== ''),
    user: option('user'),
    platform: option('platform'),
    pullPolicies: json.pull_policy ?? [],
  };
}

/** Host names that GitLab gives a service which has no alias: its name without tag, the slashes written in two ways. */
export function defaultAliases(name: string): readonly string[] {
  const bare = name
    .replace(/@.*$/, '')
    .replace(/:[^/:]*$/, '')
    .replace(/:\d+\//, '/');
  return [...new Set([bare.replaceAll('/', '__'), bare.replaceAll('/', '-')])];
}

/**
 * Variables of a job that its services see: public ones that people have set, as with gitlab-runner; what stands in the settings of a
 * project is not public, and no database's business. Nor is what GitLab adds (CI_…), where gitlab-runner passes what is public
 * of it; files are paths in the job's own container.
 */
function serviceVariables(of: ServiceJson, payload: JsonObject, variables: readonly PayloadVariable[]) {
  const seen = variables.filter((each) => each.public === true);
  const inJob = expansionOf(payload);
  const inService = expansionOf({
    ...payload,
    variables: [...seen, ...(of.variables ?? [])] as unknown as JsonObject[],
  });
  const textOf = ({ raw, value }: PayloadVariable, expansion: Expansion): string => {
    const filled = raw === true ? { text: value } : expansion.filled(value);
    // A path of the host or of the job's own container is of no use to a service.
    return 'text' in filled ? filled.text : '';
  };
  const own = seen.filter(
    ({ key, file }) => file !== true && !/^(CI|GITLAB|FF|CHAT|TRIGGER|DOCKER_AUTH)_|^CI$/.test(key),
  );
  return Object.fromEntries(
    [
      ...own.map((each) => [each.key, textOf(each, inJob)] as const),
      ...(of.variables ?? []).map((each) => [each.key, textOf(each, inService)] as const),
    ].filter(([key]) => /^[A-Za-z_][A-Za-z0-9_]*$/.test(key)),
  );
}

function wantedService(
  json: ServiceJson,
  payload: JsonObject,
  variables: readonly PayloadVariable[],
  index: number,
): WantedService {
  const expansion = expansionOf(payload);
  const base = wanted(json, expansion, `service ${index + 1}`);
  const alias = expansion.filled(json.alias ?? '');
  const named = ('text' in alias ? alias.text : '')
    .split(/[\s,]+/)
    .filter((name) => /^[A-Za-z0-9][A-Za-z0-9._-]{0,252}$/.test(name));
  const aliases = [...new Set([...named, ...defaultAliases(base.reference)])];
  const command = json.command ?? [];
  return {
    ...base,
    aliases,
    command: command.length === 0 ? null : command,
    variables: serviceVariables(json, payload, variables),
  };
}

/**
 * Whether the job is for a protected ref: GitLab's own word. CI_COMMIT_REF_PROTECTED is a variable like any, which whoever writes
 * or starts a job can send once more; it counts where GitLab says nothing else, and only if nobody contradicts it (T37, T48).
 */
function isProtected(said: boolean | null | undefined, variables: readonly PayloadVariable[]): boolean {
  const told = variables.filter(({ key }) => key.toUpperCase() === 'CI_COMMIT_REF_PROTECTED');
  return said ?? (told.length > 0 && told.every(({ value }) => value === 'true'));
}

/** A job with what makes a session of it. */
export interface ReadJob {
  readonly job: ExecutorJob;
  /** The job's own token: it tells two jobs with the same id at two GitLabs apart; secret. */
  readonly token: string;
}

/** Reads the bytes of JOB_RESPONSE_FILE; throws `bad_input` where they are no job. */
export function readExecutorJob(bytes: Uint8Array): ReadJob {
  if (bytes.length > MAX_JOB_RESPONSE_BYTES)
    throw new HoldpointError('bad_input', `JOB_RESPONSE_FILE is larger than ${MAX_JOB_RESPONSE_BYTES} bytes: no job`);
  let json: unknown;
  try {
    json = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (cause) {
    throw new HoldpointError('bad_input', 'JOB_RESPONSE_FILE is not JSON; wanted the job as gitlab-runner writes it', {
      cause,
    });
  }
  const read = payload.safeParse(json);
  if (!read.success) {
    const [issue] = read.error.issues;
    const where = issue?.path.join('.') ?? '';
    throw new HoldpointError(
      'bad_input',
      `JOB_RESPONSE_FILE is no job: ${where === '' ? 'not an object' : `"${where}" is not as expected`}`,
    );
  }
  const { id, token, job_info: info, ...rest } = read.data;
  const variables = rest.variables ?? [];
  const whole = json as JsonObject;
  const expansion = expansionOf(whole);
  const timeout = rest.runner_info?.timeout ?? 0;
  return {
    token,
    job: {
      id,
      projectId: info.project_id,
      projectPath:
        info.project_full_path ??
        variables.find(({ key }) => key === 'CI_PROJECT_PATH')?.value ??
        `project ${info.project_id}`,
      name: info.name,
      protectedRef: isProtected(rest.git_info?.protected, variables),
      timeoutMs: timeout > 0 ? timeout * 1000 : null,
      image: rest.image == null || rest.image.name.trim() === '' ? null : wanted(rest.image, expansion, 'the image'),
      services: (rest.services ?? []).map((each, index) => wantedService(each, whole, variables, index)),
      registries: registryLogins(whole),
      debugServices: variables.findLast(({ key }) => key === 'CI_DEBUG_SERVICES')?.value === 'true',
    },
  };
}
