import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { cleanUpJob } from './app/execute/cleanup.ts';
import { prepareJob } from './app/execute/prepare.ts';
import { type HostView, isOver, sessionOf } from './app/execute/session.ts';
import { failureOf } from './cli/failure.ts';
import type { ExecutorParts } from './cli/parts.ts';
import type { ExecutorConfig } from './config/executor.ts';
import { HoldpointError } from './domain/errors.ts';
import type {
  ExecutorDriver,
  ExecutorOutput,
  ExecutorResult,
  ExecutorSession,
  Leftover,
  OwnerProcess,
} from './ports/executor.ts';
import type { Receipts } from './ports/receipts.ts';
import { readExecutorJob } from './runners/gitlab/custom-executor/job.ts';
import { bootId, pidNamespace, runnerAbove, startOf } from './system/host/process-owner.ts';
import { createReceiptClient } from './system/receipt-client.ts';

/** How often it is looked whether gitlab-runner is still there. */
const OWNER_LOOK_MS = 1_000;
const RUNNER_GONE = 'gitlab-runner has ended';
/** gitlab-runner ends a stage first, if it can. */
const STAGE_MARGIN_MS = 60_000;
/** What a timer can count at most, 24 days. */
const LONGEST_STAGE_MS = 2 ** 31 - 1;
/** What sysexits calls a temporary failure, where gitlab-runner has not said its own codes. */
const NO_CODE = 75;

/** What of its process an executor needs. */
export interface ExecutorProcess {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly output: ProcessOutput;
  /** Who called it. */
  readonly parent: number;
  readonly version: string;
}

/** Where a process prints, and whether anybody still reads it. */
export interface ProcessOutput extends ExecutorOutput {
  /** Aborted when nobody does: gitlab-runner has been killed. */
  readonly lost: AbortSignal;
}

/** Standard output and error of this process, waiting for whoever reads them. */
export function processOutput(): ProcessOutput {
  const lost = new AbortController();
  const to = (stream: NodeJS.WriteStream) => {
    // Elsewhere a closed pipe is the end of the process; here a job has to be ended first.
    stream.removeAllListeners('error');
    stream.on('error', () => lost.abort(RUNNER_GONE));
    return async (chunk: Uint8Array) => {
      if (lost.signal.aborted || stream.write(chunk)) return;
      await once(stream, 'drain', { signal: lost.signal }).catch(() => {});
    };
  };
  return { out: to(process.stdout), err: to(process.stderr), lost: lost.signal };
}

async function driverOf(
  { driver, workDir, graceMs, docker, pty, receiptSocket }: ExecutorConfig,
  version: string,
): Promise<ExecutorDriver> {
  switch (driver) {
    case 'dummy':
      return (await import('./executors/dummy.ts')).dummyDriver({ workDir, graceMs, version, startOf });
    case 'docker': {
      const { dockerDriver } = await import('./executors/docker/driver.ts');
      return dockerDriver({ ...docker, version }, receiptSocket === null ? [] : [receiptSocket]);
    }
    case 'pty': {
      const { ptyDriver } = await import('./executors/pty/driver.ts');
      return ptyDriver({ ...pty, workDir, graceMs, receiptSocket, version });
    }
    default:
      return driver satisfies never;
  }
}

/**
 * The agent of this host. The gitlab-runner that called is part of the session's name: a second one that has the same job is
 * another session. Null only where the file says so; there is no other way to run a job without a receipt.
 */
function receiptsOf(
  { receiptSocket, receiptWaitMs, runner }: ExecutorConfig,
  owner: () => OwnerProcess,
): Receipts | null {
  if (receiptSocket === null) return null;
  const client = createReceiptClient({ socket: receiptSocket, runner, patienceMs: receiptWaitMs });
  const named = (session: string) => {
    const hash = createHash('sha256').update(JSON.stringify(owner())).digest('hex').slice(0, 16);
    return `${session}.${hash}`;
  };
  return {
    spend: (jobResponse, session, cancel) => client.spend(jobResponse, named(session), cancel),
    finish: (session) => client.finish(named(session)),
  };
}

/** The name of a session: the same for every stage of a job, another for the same number at another GitLab. */
function sessionId(id: number, token: string): string {
  return `${id}-${createHash('sha256').update(`${id} ${token}`).digest('hex').slice(0, 16)}`;
}

/** What gitlab-runner has put into the environment for this call. */
function called(env: ExecutorProcess['env']) {
  const file = env.JOB_RESPONSE_FILE;
  if (!file)
    throw new HoldpointError(
      'bad_usage',
      'JOB_RESPONSE_FILE is not set: this is called by gitlab-runner as its custom executor, not by hand',
    );
  let bytes: Buffer;
  try {
    bytes = readFileSync(file);
  } catch (cause) {
    throw new HoldpointError(
      'bad_input',
      `JOB_RESPONSE_FILE cannot be read: ${(cause as NodeJS.ErrnoException).code ?? 'failed'}`,
      { cause },
    );
  }
  return { bytes, ...readExecutorJob(bytes) };
}

/** The exit codes that gitlab-runner has named; another number would be a system failure to it as well. */
function exitCodes(env: ExecutorProcess['env']): { build: number; system: number } {
  const code = (name: string) => (/^\d{1,3}$/.test(env[name] ?? '') ? Number(env[name]) : NO_CODE);
  return { build: code('BUILD_FAILURE_EXIT_CODE'), system: code('SYSTEM_FAILURE_EXIT_CODE') };
}

/** Connects the executor of one call. */
export async function openExecutor(
  config: ExecutorConfig,
  process: ExecutorProcess,
  stageMarginMs = STAGE_MARGIN_MS,
): Promise<ExecutorParts> {
  const { env, output, version } = process;
  const codes = exitCodes(env);
  const driver = await driverOf(config, version);
  const host: HostView = { boot: bootId(), namespace: pidNamespace(), startOf };
  const owner = (): OwnerProcess => {
    const pid = runnerAbove(globalThis.process.pid);
    return { pid, startedAt: startOf(pid) ?? 0, boot: host.boot, namespace: host.namespace };
  };
  const receipts = receiptsOf(config, owner);
  const over = (leftover: Leftover) => isOver(leftover, host, Date.now());

  const say = (line: string) => output.err(Buffer.from(`holdpoint: ${line}\n`));
  const open = (): { bytes: Buffer; session: Omit<ExecutorSession, 'images'> } => {
    const { bytes, job, token } = called(env);
    return { bytes, session: sessionOf(sessionId(job.id, token), job, owner(), Date.now()) };
  };
  const codeOf = async (result: ExecutorResult): Promise<number> => {
    switch (result.kind) {
      case 'exited':
        if (result.code === 0) return 0;
        // gitlab-runner reads the job's own code there, for allow_failure:exit_codes.
        if (env.BUILD_EXIT_CODE_FILE) writeFileSync(env.BUILD_EXIT_CODE_FILE, String(result.code));
        return codes.build;
      case 'cancelled':
        await say('stopped');
        return codes.system;
      case 'system_failure':
        await say(result.words);
        return codes.system;
      default:
        return result satisfies never;
    }
  };
  /** gitlab-runner counts the time of a job itself; this ends a stage where it does not. */
  const stageLimit = () => {
    try {
      return (open().session.job.timeoutMs ?? LONGEST_STAGE_MS) + stageMarginMs;
    } catch {
      return LONGEST_STAGE_MS;
    }
  };
  /** What ended it, if not gitlab-runner itself. */
  const sayWhy = async ({ reason }: AbortSignal) => {
    if ((reason as Error | undefined)?.name === 'TimeoutError') await say('it took longer than it may');
    if (reason === RUNNER_GONE) await say('gitlab-runner has ended');
  };
  /** Cancelled by gitlab-runner, by its time, or by the end of gitlab-runner itself: nobody else would end the job then. */
  const guarded = async (
    stop: AbortSignal,
    limitMs: number,
    work: (cancel: AbortSignal) => Promise<ExecutorResult>,
  ) => {
    const gone = new AbortController();
    const look = setInterval(() => {
      if (globalThis.process.ppid !== process.parent) gone.abort(RUNNER_GONE);
    }, OWNER_LOOK_MS);
    const limit = AbortSignal.timeout(Math.min(limitMs, LONGEST_STAGE_MS));
    const cancel = AbortSignal.any([stop, gone.signal, output.lost, limit]);
    try {
      const result = await work(cancel);
      if (result.kind === 'cancelled') await sayWhy(cancel);
      return await codeOf(result);
    } catch (error) {
      await output.err(Buffer.from(failureOf(error, false).text));
      return codes.system;
    } finally {
      clearInterval(look);
    }
  };

  return {
    async config() {
      const { session } = open();
      const { buildsDir, cacheDir, shared } = driver.places(session.id);
      return {
        builds_dir: buildsDir,
        cache_dir: cacheDir,
        builds_dir_is_shared: shared,
        hostname: `job-${session.job.id}`,
        driver: { name: `holdpoint ${driver.name}`, version: driver.version },
      };
    },
    prepare: (stop) =>
      guarded(stop, config.prepareTimeoutMs, (cancel) => {
        const { bytes, session } = open();
        return prepareJob({ driver, receipts, isOver: over }, session, bytes, { output, cancel });
      }),
    run: (script, stage, stop) =>
      guarded(stop, stageLimit(), async (cancel) => {
        const { bytes, session } = open();
        // Each stage shows that it is of the session that has spent the receipt.
        const answer = await receipts?.spend(bytes, session.id, cancel);
        if (cancel.aborted) return { kind: 'cancelled' };
        if (answer?.ok === false) return { kind: 'system_failure', words: answer.words };
        return driver.run(
          { ...session, images: answer?.receipt.images ?? {} },
          { name: stage, script: readFileSync(script) },
          { output, cancel },
        );
      }),
    async cleanup() {
      try {
        await cleanUpJob(driver, receipts, open().session.id);
        return 0;
      } catch (error) {
        await say(`clean-up: ${(error as Error).message}`);
        return codes.system;
      }
    },
    sweep: async () => (await driver.sweep(over)).map(({ session }) => session),
  };
}
