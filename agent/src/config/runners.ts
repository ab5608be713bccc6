import { resolve } from 'node:path';
import type { ConfigProblem } from './problems.ts';
import { readSecretFile } from './secret-file.ts';
import { runnerEntries } from './shape.ts';
import type { YamlFile } from './yaml-file.ts';

/** One `runners[]` entry. */
export interface RunnerConfig {
  readonly name: string;
  /** The runner's GitLab token, whether it came from the file or from its token file. */
  readonly token: string;
  /** Only a protected runner's jobs are gated; true unless the file says otherwise. */
  readonly protected: boolean;
}

/** The runners of a file with their tokens read. */
export interface LoadedRunners {
  readonly runners: readonly RunnerConfig[];
  /** True when a token stands in the file itself. */
  readonly inline: boolean;
  readonly warnings: readonly string[];
}

/** Reads `runners[]`; a name or a token that stands twice is a problem, since a token tells whose jobs are gated. */
export function loadRunners(yaml: YamlFile, folder: string, problems: ConfigProblem[]): LoadedRunners {
  const runners: RunnerConfig[] = [];
  const byName = new Map<string, number>();
  const byToken = new Map<string, number>();
  let inline = false;

  for (const { index, entry } of runnerEntries(yaml.tree)) {
    const path = `runners[${index}]`;
    const refuse = (key: string | null, message: string): void => {
      const where = yaml.valueAt(key === null ? ['runners', index] : ['runners', index, key]);
      problems.push({ where, path: key === null ? path : `${path}.${key}`, message });
    };
    const twin = byName.get(entry.name);
    if (twin === undefined) byName.set(entry.name, index);
    else refuse('name', `runners[${twin}] is called that as well; every runner has its own name`);

    let token = entry.token;
    let key = 'token';
    if (entry.token !== undefined && entry.token_file !== undefined) {
      refuse('token_file', 'both token and token_file are given; keep one');
      continue;
    }
    if (entry.token_file !== undefined) {
      key = 'token_file';
      const reading = readSecretFile(resolve(folder, entry.token_file), entry.token_file);
      if (reading.ok) token = reading.value;
      else refuse(key, reading.message);
      if (!reading.ok) continue;
    }
    if (token === undefined) {
      refuse(null, 'no token: give token_file (a file with mode 600) or token');
      continue;
    }
    inline ||= key === 'token';
    const same = byToken.get(token);
    if (same === undefined) byToken.set(token, index);
    else refuse(key, `is the token of runners[${same}] as well; name each runner once`);
    runners.push({ name: entry.name, token, protected: entry.protected });
  }

  const warnings = runners.some((runner) => runner.protected)
    ? []
    : ['no runner is listed as protected: only jobs of runners that are not listed at all are gated'];
  return { runners, inline, warnings };
}
