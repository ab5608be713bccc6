import { filePath } from './credential.ts';
import type { ConfigProblem } from './problems.ts';
import { readSecretFile } from './secret-file.ts';
import { type RunnerEntry, runnerEntries } from './shape.ts';
import type { YamlFile } from './yaml-file.ts';

/** One `runners[]` entry. */
export interface RunnerConfig {
  readonly name: string;
  /** The runner's GitLab token, whether it came from the file or from its token file. */
  readonly token: string;
  /** What the runner's config.toml carries instead: good at this gateway only. Absent: config.toml has the token itself. */
  readonly gatewayToken?: string;
  /** Only a protected runner's jobs are gated; true unless the file says otherwise. */
  readonly protected: boolean;
  /** `monitor`: what would have been parked is recorded, nothing is parked. */
  readonly mode?: 'enforce' | 'monitor';
}

/** The runners of a file with their tokens read. */
export interface LoadedRunners {
  readonly runners: readonly RunnerConfig[];
  /** True when a token stands in the file itself. */
  readonly inline: boolean;
  /** Files with tokens, by what they hold. */
  readonly files: readonly { readonly path: string; readonly what: string }[];
  readonly warnings: readonly string[];
}

/** Characters below which a token of one's own making is a password that a job on the host could guess. */
const MIN_GATEWAY_TOKEN = 20;

type Refuse = (key: string | null, message: string) => void;
interface Secret {
  readonly key: string;
  readonly value: string;
}

/** A secret that stands in the entry or in a file; null when there is none, undefined when it is not to be had. */
function secretOf(
  entry: RunnerEntry,
  key: 'token' | 'gateway_token',
  at: (file: string) => string,
  refuse: Refuse,
  read: typeof readSecretFile,
): Secret | null | undefined {
  const fileKey = `${key}_file` as const;
  const [text, file] = [entry[key], entry[fileKey]];
  if (text !== undefined && file !== undefined) {
    refuse(fileKey, `both ${key} and ${fileKey} are given; keep one`);
    return undefined;
  }
  if (file === undefined) return text === undefined ? null : { key, value: text };
  const reading = read(at(file), file);
  if (reading.ok) return { key: fileKey, value: reading.value };
  refuse(fileKey, reading.message);
  return undefined;
}

/** Reads `runners[]`; a name or a token that stands twice is a problem, since a token tells whose jobs are gated. */
export function loadRunners(
  yaml: YamlFile,
  folder: string,
  env: Readonly<Record<string, string | undefined>>,
  problems: ConfigProblem[],
  read: typeof readSecretFile = readSecretFile,
): LoadedRunners {
  const at = (file: string) => filePath(file, folder, env);
  const runners: RunnerConfig[] = [];
  const byName = new Map<string, number>();
  const byToken = new Map<string, number>();
  const warnings: string[] = [];
  const files: LoadedRunners['files'][number][] = [];
  let inline = false;

  for (const { index, entry } of runnerEntries(yaml.tree)) {
    const path = `runners[${index}]`;
    const refuse: Refuse = (key, message) => {
      const where = yaml.valueAt(key === null ? ['runners', index] : ['runners', index, key]);
      problems.push({ where, path: key === null ? path : `${path}.${key}`, message });
    };
    const twin = byName.get(entry.name);
    if (twin === undefined) byName.set(entry.name, index);
    else refuse('name', `runners[${twin}] is called that as well; every runner has its own name`);
    if (entry.mode === 'monitor' && !entry.protected)
      refuse('mode', 'a runner that is not protected is not gated: nothing would be recorded; take mode out');

    const real = secretOf(entry, 'token', at, refuse, read);
    const own = secretOf(entry, 'gateway_token', at, refuse, read);
    if (real === null) refuse(null, 'no token: give token_file (a file with mode 600) or token');
    for (const [file, what] of [
      [entry.token_file, 'token'],
      [entry.gateway_token_file, 'gateway token'],
    ] as const)
      if (file !== undefined) files.push({ path: at(file), what: `${what} of runner ${entry.name}` });
    if (real === null || real === undefined || own === undefined) continue;
    for (const secret of own === null ? [real] : [real, own]) {
      inline ||= !secret.key.endsWith('_file');
      const same = byToken.get(secret.value);
      if (same === undefined) byToken.set(secret.value, index);
      else if (same === index) refuse(secret.key, 'is the token itself; make one of your own: openssl rand -hex 24');
      else refuse(secret.key, `is the token of runners[${same}] as well; name each runner once`);
    }
    if (own !== null && own.value.length < MIN_GATEWAY_TOKEN)
      warnings.push(`${path}.gateway_token is short enough to be guessed: make one with openssl rand -hex 24`);
    runners.push({
      name: entry.name,
      token: real.value,
      ...(own === null ? {} : { gatewayToken: own.value }),
      protected: entry.protected,
      ...(entry.mode === undefined ? {} : { mode: entry.mode }),
    });
  }

  if (!runners.some((runner) => runner.protected))
    warnings.push('no runner is listed as protected: only jobs of runners that are not listed at all are gated');
  const watched = runners.filter((runner) => runner.mode === 'monitor').map((runner) => runner.name);
  if (watched.length > 0) warnings.push(`mode: monitor parks nothing: jobs of ${watched.join(', ')} run unapproved`);
  return { runners, inline, files, warnings };
}
