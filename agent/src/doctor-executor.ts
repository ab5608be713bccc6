import { accessSync, constants } from 'node:fs';
import { join } from 'node:path';
import { loadExecutorConfig } from './config/executor.ts';
import { ConfigError, problemLine } from './config/problems.ts';
import type { ExecutorLook } from './domain/doctor/executor-look.ts';
import type { RunnerEntryLook, RunnerProcessLook } from './domain/doctor/observation.ts';
import { lookAtEngine } from './executors/docker/look.ts';
import { lookAtPty } from './executors/pty/look.ts';

/** What gitlab-runner takes where config.toml says nothing: ten minutes. */
const DEFAULT_GRACEFUL_KILL_S = 600;

/** The file that a call names with `--config`, else where the executor looks by itself. */
function configOf({ custom }: RunnerEntryLook, etc: string): string {
  const args = custom.calls.run ?? [];
  const joined = args.find((arg) => arg.startsWith('--config='))?.slice('--config='.length);
  const at = args.indexOf('--config');
  return joined ?? (at === -1 ? undefined : args[at + 1]) ?? join(etc, 'holdpoint/executor.yml');
}

/** True for a file that this user may not read; gitlab-runner, which is somebody else, may. */
function isClosed(path: string): boolean {
  try {
    accessSync(path, constants.R_OK);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EACCES';
  }
}

/** What is behind each entry that calls `holdpoint executor`. */
export async function lookAtExecutors(
  entries: readonly RunnerEntryLook[],
  etc: string,
  running: readonly RunnerProcessLook[],
): Promise<readonly ExecutorLook[]> {
  const ours = entries.filter(({ executor, custom }) => executor === 'custom' && custom.calls.run?.[1] === 'executor');
  return Promise.all(
    ours.map(async (entry): Promise<ExecutorLook> => {
      const config = configOf(entry, etc);
      const base = {
        entry: { file: entry.file, name: entry.name, runner: entry.runner },
        config,
        gracefulKillS: entry.custom.gracefulKillS ?? DEFAULT_GRACEFUL_KILL_S,
      };
      // Root, where none runs: this is what the units of gitlab-runner start it as.
      const runnerUid = running.find(({ config }) => config === entry.file)?.uid ?? 0;
      if (isClosed(config)) return { ...base, settings: null, problems: [], engine: null, pty: null };
      try {
        const { driver, receiptSocket, runner, graceMs, docker, pty } = loadExecutorConfig({
          flags: { config },
          env: {},
          cwd: '/',
        });
        const isDocker = driver === 'docker';
        const images = [docker.image, docker.helperImage].filter((image) => image !== null);
        return {
          ...base,
          settings: {
            driver,
            receiptSocket,
            runner,
            graceMs,
            socket: isDocker ? docker.socket : null,
            pull: docker.pull,
          },
          problems: [],
          engine: isDocker ? await lookAtEngine(docker.socket, images) : null,
          pty: driver === 'pty' ? await lookAtPty({ ...pty, receiptSocket }, runnerUid) : null,
        };
      } catch (error) {
        if (!(error instanceof ConfigError)) throw error;
        return { ...base, settings: null, problems: error.problems.map(problemLine), engine: null, pty: null };
      }
    }),
  );
}
