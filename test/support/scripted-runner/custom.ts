import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runnerWrites } from '../runner-writes.ts';
import type { Execution } from './execute.ts';
import type { RunnerJob } from './payload.ts';
import { scriptOf } from './script.ts';

/** Other numbers than a program ends with by itself; gitlab-runner tells them to the executor. */
const BUILD_FAILURE = 101;
const SYSTEM_FAILURE = 102;
/** As gitlab-runner has it. */
const PREPARE_ATTEMPTS = 3;
const SHELL_STAGES = ['prepare_script', 'get_sources', 'restore_cache', 'download_artifacts'];

/** The job's variables as gitlab-runner's scripts export them; what a shell cannot name is left out. */
function exports(job: RunnerJob): string {
  return job.variables
    .filter(({ key, value }) => /^[A-Za-z_][A-Za-z0-9_]*$/.test(key) && !value.includes('\0'))
    .map(({ key, value }) => `export ${key}='${value.replaceAll("'", `'\\''`)}'\n`)
    .join('');
}

/**
 * Runs a job with a custom executor, as `[runners.custom]` has it: config, prepare up to three times, the stages in order, clean-up
 * always; each call in a process group of its own, to which a cancel goes.
 */
export function executeCustom(
  job: RunnerJob,
  raw: string,
  command: readonly string[],
  output: (chunk: Buffer) => void,
): Execution {
  const root = mkdtempSync(join(tmpdir(), 'scripted-runner-'));
  const [response, exitCode, script] = ['response.json', 'exit-code', 'script'].map((name) => join(root, name)) as [
    string,
    string,
    string,
  ];
  writeFileSync(response, runnerWrites(Buffer.from(raw)), { mode: 0o600 });
  const env = {
    PATH: process.env.PATH ?? '/usr/sbin:/usr/bin:/sbin:/bin',
    JOB_RESPONSE_FILE: response,
    BUILD_EXIT_CODE_FILE: exitCode,
    BUILD_FAILURE_EXIT_CODE: String(BUILD_FAILURE),
    SYSTEM_FAILURE_EXIT_CODE: String(SYSTEM_FAILURE),
    CUSTOM_ENV_CI_JOB_ID: String(job.id),
  };
  let current: ChildProcess | null = null;
  let stopped = false;
  let failed = false;
  const call = (args: readonly string[], shown: boolean) =>
    new Promise<{ code: number; out: string }>((resolve, reject) => {
      const [program = '', ...first] = command;
      const child = spawn(program, [...first, ...args], { env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
      current = child;
      let out = '';
      for (const stream of [child.stdout, child.stderr])
        stream.on('data', (chunk: Buffer) => {
          if (shown) output(chunk);
          else out += chunk;
        });
      child.on('error', reject);
      child.on('close', (code) => {
        current = null;
        resolve({ code: code ?? SYSTEM_FAILURE, out });
      });
    });
  const stage = async (name: string, text: string): Promise<number> => {
    writeFileSync(script, text, { mode: 0o700 });
    const { code } = await call(['run', script, name], true);
    if (code === 0) return 0;
    failed ||= code !== BUILD_FAILURE;
    return existsSync(exitCode) ? Number(readFileSync(exitCode, 'utf8')) : 1;
  };
  async function all(): Promise<number | null> {
    const config = await call(['config'], false);
    let code = config.code;
    let project = '';
    if (code === 0) project = join(JSON.parse(config.out).builds_dir, 'project');
    for (let attempt = 0; attempt < PREPARE_ATTEMPTS && !stopped; attempt++) {
      ({ code } = await call(['prepare'], true));
      if (code === 0) break;
      await call(['cleanup'], true);
    }
    failed = code !== 0;
    const start = `${exports(job)}mkdir -p ${project}\ncd ${project}\n`;
    for (const name of SHELL_STAGES) if (code === 0 && !stopped) code = await stage(name, `${start}echo ${name}\n`);
    for (const step of job.steps) {
      if (stopped || failed || step.name === 'after_script') continue;
      const wanted = step.when === 'always' || (step.when === 'on_failure') === (code !== 0);
      if (!wanted) continue;
      const exit = await stage(
        step.name === 'script' ? 'step_script' : `step_${step.name}`,
        start + scriptOf(step.script),
      );
      if (exit !== 0 && code === 0 && !step.allow_failure) code = exit;
    }
    await call(['cleanup'], true);
    return stopped ? null : code;
  }
  const stop = () => {
    stopped = true;
    if (current?.pid === undefined) return;
    try {
      process.kill(-current.pid, 'SIGTERM');
    } catch {
      // It has ended meanwhile.
    }
  };
  return {
    done: all().finally(() => rmSync(root, { recursive: true, force: true })),
    failed: () => failed,
    cancel: stop,
    kill: stop,
  };
}
