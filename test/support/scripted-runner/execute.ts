import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type IPty, spawn } from 'node-pty';
import type { RunnerJob } from './payload.ts';
import { scriptOf } from './script.ts';

/** A job that runs in a terminal. */
export interface Execution {
  /** Exit code of the script; null if it was killed. */
  readonly done: Promise<number | null>;
  /** True once it was the host that failed and not the job. */
  failed?(): boolean;
  /** Ends the script, lets after_script run. */
  cancel(): void;
  /** Ends all of it at once. */
  kill(): void;
}

/** The job's variables as an environment, the last of a name; file variables are written and stand for their path. */
function environment(job: RunnerJob, root: string, project: string): Record<string, string> {
  const env: Record<string, string> = {
    PATH: process.env.PATH ?? '/usr/local/bin:/usr/bin:/bin',
    HOME: root,
    TERM: 'xterm',
    CI_SERVER: 'yes',
    CI_BUILDS_DIR: root,
    CI_PROJECT_DIR: project,
  };
  const files = join(root, 'files');
  mkdirSync(files, { mode: 0o700 });
  for (const { key, value, file } of job.variables) {
    // A terminal's environment cannot hold these; a real shell would refuse the export.
    if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(key) || value.includes('\0')) continue;
    if (!file) {
      env[key] = value;
      continue;
    }
    const path = join(files, key);
    writeFileSync(path, value, { mode: 0o600 });
    env[key] = path;
  }
  return env;
}

/** Really runs a job's steps with sh in a terminal, in a fresh folder that is removed at the end. */
export function execute(job: RunnerJob, output: (chunk: Buffer) => void): Execution {
  const root = mkdtempSync(join(tmpdir(), 'scripted-runner-'));
  chmodSync(root, 0o700);
  const project = join(root, 'project');
  mkdirSync(project);
  const env = environment(job, root, project);
  let terminal: IPty | null = null;
  let canceled = false;
  let killed = false;
  const run = (name: string, lines: readonly string[], status: string) =>
    new Promise<number>((resolve) => {
      const file = join(root, `${name.replace(/[^0-9A-Za-z_]/g, '_')}.sh`);
      writeFileSync(file, scriptOf(lines), { mode: 0o700 });
      const child = spawn('/bin/sh', [file], {
        name: 'xterm',
        cols: 200,
        rows: 50,
        cwd: project,
        env: { ...env, CI_JOB_STATUS: status },
        encoding: null,
      });
      terminal = child;
      child.onData((chunk: unknown) => output(Buffer.isBuffer(chunk) ? chunk : Buffer.from(String(chunk))));
      child.onExit(({ exitCode, signal }) => {
        terminal = null;
        resolve(signal !== undefined && signal !== 0 ? 128 + signal : exitCode);
      });
    });
  async function all(): Promise<number | null> {
    let code = 0;
    for (const step of job.steps) {
      if (step.name === 'after_script' || killed || canceled) continue;
      const wanted = step.when === 'always' || (step.when === 'on_failure' ? code !== 0 : code === 0);
      if (!wanted) continue;
      const exit = await run(step.name, step.script, code === 0 ? 'running' : 'failed');
      if (exit !== 0 && code === 0 && !step.allow_failure) code = exit;
    }
    const after = job.steps.find((step) => step.name === 'after_script');
    if (after !== undefined && !killed) {
      await run('after_script', after.script, canceled ? 'canceled' : code === 0 ? 'success' : 'failed');
    }
    return killed || canceled ? null : code;
  }
  const stop = () => {
    if (terminal === null) return;
    try {
      // The shell leads a group of its own: what it started goes with it.
      process.kill(-terminal.pid, 'SIGKILL');
    } catch {
      terminal.kill('SIGKILL'); // the group is gone already; the shell itself may be on its way
    }
  };
  return {
    done: all().finally(() => rmSync(root, { recursive: true, force: true })),
    cancel() {
      if (canceled) return;
      canceled = true;
      stop();
    },
    kill() {
      killed = true;
      stop();
    },
  };
}
