import { readdirSync, readFileSync, realpathSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { RunnerEntryLook, RunnerFileLook } from '../../../domain/doctor/observation.ts';
import { EXECUTOR_CALLS } from '../../../domain/doctor/words.ts';
import { MAX_TOML_CHARS, type RunnerTable, readRunners } from '../config-toml.ts';

/** What is known of the runners of agent.yml; their tokens stay in here. */
export interface KnownTokens {
  readonly runners: readonly { readonly name: string; readonly token: string; readonly gatewayToken?: string }[];
  /** False: some token files were closed to this user. */
  readonly whole: boolean;
}

const text = (value: unknown): string | null => (typeof value === 'string' && value !== '' ? value : null);
const list = (value: unknown): readonly string[] =>
  Array.isArray(value) ? value.filter((item): item is string => typeof item === 'string') : [];
const table = (value: unknown): Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};

function ownerOf(token: string | null, known: KnownTokens): Pick<RunnerEntryLook, 'token' | 'runner'> {
  if (token === null) return { token: 'none', runner: null };
  for (const { name, token: real, gatewayToken } of known.runners) {
    if (token === gatewayToken) return { token: 'gateway', runner: name };
    if (token === real) return { token: 'real', runner: name };
  }
  return { token: known.whole ? 'other' : 'unknown', runner: null };
}

function usesRouter(entry: Readonly<Record<string, unknown>>): boolean {
  const flag = table(entry.feature_flags).FF_USE_JOB_ROUTER;
  return flag === true || list(entry.environment).some((line) => /^FF_USE_JOB_ROUTER=(1|t|true|yes|on)$/i.test(line));
}

function entryOf(
  { value }: RunnerTable,
  file: string,
  known: KnownTokens,
): Omit<RunnerEntryLook, 'tlsCa'> & { caFile: string | null } {
  const docker = table(value.docker);
  const custom = table(value.custom);
  return {
    file,
    name: text(value.name) ?? 'without a name',
    id: typeof value.id === 'number' ? value.id : null,
    url: text(value.url),
    cloneUrl: text(value.clone_url),
    executor: text(value.executor) ?? '',
    ...ownerOf(text(value.token), known),
    caFile: text(value['tls-ca-file']),
    usesRouter: usesRouter(value),
    docker: {
      network: text(docker.network_mode),
      extraHosts: list(docker.extra_hosts),
      privileged: docker.privileged === true,
      volumes: list(docker.volumes),
    },
    custom: {
      prepare: text(custom.prepare_exec),
      run: text(custom.run_exec),
      gracefulKillS: typeof custom.graceful_kill_timeout === 'number' ? custom.graceful_kill_timeout : null,
      calls: Object.fromEntries(
        EXECUTOR_CALLS.flatMap((call) => {
          const program = text(custom[`${call}_exec`]);
          return program === null ? [] : [[call, [program, ...list(custom[`${call}_args`])]]];
        }),
      ),
    },
  };
}

/** Copies of a config.toml beside it in which a `token` stands that is not one of this gateway's. */
function copiesOf(path: string, known: KnownTokens): readonly string[] {
  const folder = dirname(path);
  try {
    return readdirSync(folder)
      .filter((name) => name !== basename(path) && name.startsWith(basename(path)))
      .map((name) => join(folder, name))
      .filter((copy) => {
        try {
          const tokens = readRunners(readFileSync(copy, 'utf8').slice(0, MAX_TOML_CHARS), copy).map(({ value }) =>
            text(value.token),
          );
          return tokens.some((token) => token !== null && ownerOf(token, known).token !== 'gateway');
        } catch {
          // No file, or no TOML: no copy of a config.toml.
          return false;
        }
      });
  } catch {
    return [];
  }
}

/** One config.toml; `vouches` says whether GitLab's certificate is good by the authorities of a file. */
export async function lookAtRunnerFile(
  path: string,
  known: KnownTokens,
  vouches: (pem: string) => Promise<boolean | null>,
): Promise<RunnerFileLook> {
  const blank = { path, mode: 0, uid: 0, copies: [], entries: [] };
  try {
    const { mode, uid } = statSync(path);
    const content = readFileSync(path, 'utf8');
    const here = { ...blank, mode: mode & 0o7777, uid };
    if (content.length > MAX_TOML_CHARS) return { ...here, problem: 'too large for a config.toml' };
    const entries: RunnerEntryLook[] = [];
    for (const found of readRunners(content, basename(path))) {
      const { caFile, ...entry } = entryOf(found, path, known);
      entries.push({
        ...entry,
        tlsCa: caFile === null ? null : { path: caFile, vouches: await tried(caFile, vouches) },
      });
    }
    return { ...here, problem: null, copies: copiesOf(realpathSync(path), known), entries };
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    const why = code === 'ENOENT' ? 'there is no such file' : code === 'EACCES' ? 'this user may not read it' : null;
    return {
      ...blank,
      problem:
        why ??
        (code === undefined && error instanceof Error
          ? error.message.replace(`${basename(path)}: `, '')
          : `it cannot be read (${code})`),
    };
  }
}

async function tried(path: string, vouches: (pem: string) => Promise<boolean | null>): Promise<boolean | null> {
  try {
    return await vouches(readFileSync(path, 'utf8'));
  } catch {
    return null;
  }
}
