import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readRunners } from '../../agent/src/runners/gitlab/config-toml.ts';
import { BUILD_FAILURE, SYSTEM_FAILURE } from './custom-runner.ts';
import type { RunnerProcess } from './runner-process.ts';
import { ownScript, stageScript } from './runner-scripts.ts';
import { runnerWrites } from './runner-writes.ts';
import { readJob } from './scripted-runner/payload.ts';
import type { RunnerWork } from './scripted-runner.ts';

/** gitlab-runner tries so often to prepare a job whose executor says that it was not the job's fault. */
const PREPARATIONS = 3;

/** What `executor = "custom"` is told beside config.toml. */
export interface TomlRunnerOptions {
  /** Text of config.toml; its first entry counts. */
  readonly toml: string;
  /** Where it keeps the files of its jobs. */
  readonly folder: string;
  /** Whose children the programs are. */
  readonly process: RunnerProcess;
  readonly env: Readonly<Record<string, string>>;
  /** Commands with which the runner gets the sources of a job. */
  readonly getSources: readonly string[];
}

/** Runs jobs of the scripted runner with the programs that a config.toml names under `[runners.custom]`, in gitlab-runner's order. */
export function tomlRunner({ toml, folder, process: runner, env, getSources }: TomlRunnerOptions) {
  const [entry] = readRunners(toml, 'config.toml');
  const custom = entry?.value.custom as Readonly<Record<string, unknown>>;
  return async ({ id, raw, write, stopped }: RunnerWork): Promise<number> => {
    const own = join(folder, `job-${id}`);
    mkdirSync(own);
    const file = (name: string, content: string | Uint8Array): string => {
      writeFileSync(join(own, name), content, { mode: 0o700 });
      return join(own, name);
    };
    const jobEnv = {
      ...env,
      JOB_RESPONSE_FILE: file('response.json', runnerWrites(Buffer.from(raw))),
      BUILD_EXIT_CODE_FILE: join(own, 'exit-code'),
      BUILD_FAILURE_EXIT_CODE: String(BUILD_FAILURE),
      SYSTEM_FAILURE_EXIT_CODE: String(SYSTEM_FAILURE),
    };
    const call = (verb: string, ...more: string[]): Promise<number> => {
      const args = [...((custom[`${verb}_args`] as string[] | undefined) ?? []), ...more];
      const shown = (text = '') => write(Buffer.from(text, 'base64'));
      let group: number | undefined;
      const end = () => {
        try {
          if (group !== undefined) process.kill(-group, 'SIGTERM');
        } catch {
          // It has ended meanwhile.
        }
      };
      if (verb !== 'cleanup') stopped.addEventListener('abort', end, { once: true });
      return new Promise((resolve) => {
        runner.start({ command: String(custom[`${verb}_exec`]), args, env: jobEnv }, ({ pid, out, err, code }) => {
          group = pid ?? group;
          // What config_exec prints is read by gitlab-runner, and not shown.
          if (verb !== 'config') shown(out);
          shown(err);
          if (code === undefined) return;
          stopped.removeEventListener('abort', end);
          resolve(code ?? -1);
        });
      });
    };
    const stages = async (): Promise<number> => {
      let code = await call('config');
      if (code !== 0) return code;
      for (let tries = 0; tries < PREPARATIONS; tries++) {
        code = await call('prepare');
        if (code !== SYSTEM_FAILURE) break;
      }
      if (code !== 0) return code;
      const { steps } = readJob(raw);
      const script = steps.find(({ name }) => name === 'script')?.script ?? [];
      for (const [stage, text] of [
        ['get_sources', ownScript(getSources)],
        ['step_script', stageScript(script)],
      ] as const) {
        if (stopped.aborted) return code;
        code = await call('run', file(stage, text), stage);
        if (code !== 0) return code;
      }
      return code;
    };
    const code = await stages();
    await call('cleanup');
    return code;
  };
}
