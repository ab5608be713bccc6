import { chownSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openExecutor } from '../../agent/src/wiring-executor.ts';
import { runCli } from './cli.ts';
import { type RunnerProcess, startRunnerProcess, type Told } from './runner-process.ts';
import { ROOT } from './source-files.ts';

const MAIN = join(ROOT, 'dist/agent/src/main.js');
/** Other numbers than any program of ours ends with by itself. */
export const BUILD_FAILURE = 101;
export const SYSTEM_FAILURE = 102;

let jobs = 1000;

/** What one call of the executor has done. */
export interface Called {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly out: string;
  readonly err: string;
  /** Both streams as they came. */
  readonly all: string;
}

/** One call that is under way. */
export interface Calling {
  readonly ended: Promise<Called>;
  /** Resolves when what was printed matches. */
  printed(wanted: RegExp): Promise<void>;
  /** A signal for the whole process group, as gitlab-runner cancels. */
  signal(name: NodeJS.Signals): void;
}

/** What stands in the payload of a job beside what every job has. */
export interface JobParts {
  readonly id?: number;
  readonly name?: string;
  readonly image?: object | null;
  readonly services?: readonly object[];
  readonly variables?: readonly object[];
  readonly timeout?: number;
  readonly config?: string;
  /** Text of JOB_RESPONSE_FILE, instead of one made from the rest. */
  readonly response?: Uint8Array;
}

/** How the executor is called. */
export interface CallOptions {
  /** In the process of the test, as the program would: for tests in which processes are not the point. */
  readonly inProcess?: boolean;
  /** Then: how much longer than its job a stage may take. */
  readonly stageMarginMs?: number;
  /** What stands before the runner's own process. */
  readonly within?: readonly string[];
  /** Number of its user, where that is not the test's own. */
  readonly uid?: number;
}

/** Calls the built executor as gitlab-runner does: from one process that stays, in groups of their own, with its variables. */
export class CustomRunner {
  readonly folder = mkdtempSync(join(tmpdir(), 'holdpoint-runner-'));
  readonly config: string;
  readonly #process: RunnerProcess | null;
  readonly #groups = new Set<number>();
  readonly #stageMarginMs: number | undefined;
  readonly #uid: number | undefined;

  constructor(config: string, { inProcess = false, stageMarginMs, within = [], uid }: CallOptions = {}) {
    this.#stageMarginMs = stageMarginMs;
    this.config = join(this.folder, 'executor.yml');
    writeFileSync(this.config, config);
    this.#uid = uid;
    this.give(this.folder, this.config);
    const as = uid === undefined ? [] : ['setpriv', `--reuid=${uid}`, `--regid=${uid}`, '--clear-groups', '--'];
    this.#process = inProcess ? null : startRunnerProcess([...within, ...as]);
  }

  /** Makes files those of its user. */
  give(...paths: readonly string[]): void {
    if (this.#uid !== undefined) for (const path of paths) chownSync(path, this.#uid, this.#uid);
  }

  job(parts: JobParts = {}): CustomJob {
    return new CustomJob(this, parts.id ?? ++jobs, parts);
  }

  start(args: readonly string[], env: Record<string, string>): Calling {
    const chunks: { out: Buffer[]; err: Buffer[]; all: Buffer[] } = { out: [], err: [], all: [] };
    const text = (of: keyof typeof chunks) => Buffer.concat(chunks[of]).toString('latin1');
    let [pid, over] = [0, false];
    let news = () => {};
    let tell: (message: Told) => void = () => {};
    const ended = new Promise<Called>((resolve) => {
      tell = (message) => {
        if (message.pid !== undefined) {
          pid = message.pid;
          this.#groups.add(pid);
        }
        for (const stream of ['out', 'err'] as const) {
          const chunk = message[stream];
          if (chunk === undefined) continue;
          const bytes = Buffer.from(chunk, 'base64');
          chunks[stream].push(bytes);
          chunks.all.push(bytes);
        }
        if (message.code !== undefined) {
          over = true;
          this.#groups.delete(pid);
          resolve({
            code: message.code,
            signal: message.signal ?? null,
            out: text('out'),
            err: text('err'),
            all: text('all'),
          });
        }
        news();
      };
    });
    const whole = { PATH: process.env.PATH ?? '', HOME: this.folder, ...env };
    const stop = new AbortController();
    if (this.#process === null) void this.#inside(tell, args, whole, stop.signal);
    else this.#process.start({ command: process.execPath, args: [MAIN, 'executor', ...args], env: whole }, tell);
    return {
      ended,
      async printed(wanted) {
        while (!wanted.test(text('all'))) {
          if (over) throw new Error(`never printed ${wanted}:\n${text('all')}`);
          await new Promise<void>((resolve) => {
            news = resolve;
          });
        }
      },
      signal: (name) => void (this.#process === null ? stop.abort() : process.kill(-pid, name)),
    };
  }

  /** The same call without a process of its own. */
  async #inside(
    tell: (message: Told) => void,
    args: readonly string[],
    env: Record<string, string>,
    stop: AbortSignal,
  ): Promise<void> {
    const to = (stream: 'out' | 'err') => async (chunk: Uint8Array) =>
      tell({ [stream]: Buffer.from(chunk).toString('base64') });
    const output = { out: to('out'), err: to('err'), lost: new AbortController().signal };
    const parts: NonNullable<Parameters<typeof runCli>[1]>['parts'] = {
      executor: (config, env) =>
        openExecutor(
          config,
          { env, output, parent: process.ppid, version: '1.2.3' },
          ...(this.#stageMarginMs === undefined ? [] : [this.#stageMarginMs]),
        ),
    };
    const { exit, out, err } = await runCli(['executor', ...args], { env, stop, parts });
    await output.out(Buffer.from(out));
    await output.err(Buffer.from(err));
    tell({ code: exit, signal: null });
  }

  /** As if gitlab-runner had been killed: what it has started goes on. */
  async kill(): Promise<void> {
    if (this.#process === null) throw new Error('a runner without a process of its own cannot be killed');
    await this.#process.kill();
  }

  async stop(): Promise<void> {
    for (const pid of this.#groups) {
      try {
        process.kill(-pid, 'SIGKILL');
      } catch {
        // It has ended meanwhile.
      }
    }
    await this.#process?.kill();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** One job of that runner. */
export class CustomJob {
  readonly #env: Record<string, string>;
  readonly #folder: string;
  readonly #runner: CustomRunner;
  readonly id: number;
  readonly #config: string;

  constructor(runner: CustomRunner, id: number, parts: JobParts) {
    this.#runner = runner;
    this.id = id;
    this.#folder = join(runner.folder, `job-${id}-${Math.random().toString(36).slice(2)}`);
    mkdirSync(this.#folder);
    const response = join(this.#folder, 'response.json');
    const payload = {
      id,
      token: `glcbt-${id}`,
      job_info: { name: parts.name ?? 'deploy', project_id: 7, project_full_path: 'acme/payments/api' },
      runner_info: { timeout: parts.timeout ?? 3600 },
      variables: parts.variables ?? [],
      image: parts.image === undefined ? null : parts.image,
      services: parts.services ?? [],
      credentials: [],
    };
    writeFileSync(response, parts.response ?? JSON.stringify(payload), { mode: 0o600 });
    runner.give(this.#folder, response);
    this.#config = parts.config ?? runner.config;
    this.#env = {
      JOB_RESPONSE_FILE: response,
      BUILD_EXIT_CODE_FILE: join(this.#folder, 'exit-code'),
      BUILD_FAILURE_EXIT_CODE: String(BUILD_FAILURE),
      SYSTEM_FAILURE_EXIT_CODE: String(SYSTEM_FAILURE),
      CUSTOM_ENV_CI_JOB_ID: String(id),
      CUSTOM_ENV_DEPLOY_KEY: 'the-secret-of-a-variable',
      SECRET_OF_THE_HOST: 'the-secret-of-the-host',
    };
  }

  start(verb: string, ...args: string[]): Calling {
    return this.#runner.start([verb, '--config', this.#config, ...args], this.#env);
  }

  call(verb: string, ...args: string[]): Promise<Called> {
    return this.start(verb, ...args).ended;
  }

  startStage(stage: string, script: string): Calling {
    const path = join(this.#folder, `script-${stage}`);
    writeFileSync(path, script, { mode: 0o700 });
    this.#runner.give(path);
    return this.start('run', path, stage);
  }

  stage(stage: string, script: string): Promise<Called> {
    return this.startStage(stage, script).ended;
  }

  /** What the executor has written as the job's own exit code; null for nothing. */
  exitCode(): number | null {
    const path = this.#env.BUILD_EXIT_CODE_FILE!;
    return existsSync(path) ? Number(readFileSync(path, 'utf8')) : null;
  }
}
