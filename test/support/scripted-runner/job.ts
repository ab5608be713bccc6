import { executeCustom } from './custom.ts';
import { execute } from './execute.ts';
import type { RunnerHttp } from './http.ts';
import { createMask } from './mask.ts';
import type { RunnerJob } from './payload.ts';
import { createTrace, type JobTrace } from './trace.ts';
import type { FinishedJob, ScriptedRunnerOptions, StartedJob } from './types.ts';

/** A job from receipt to its final update. */
export interface RunningJob {
  readonly done: Promise<void>;
  kill(): void;
}

interface JobRun {
  readonly http: RunnerHttp;
  readonly job: RunnerJob;
  readonly raw: string;
  readonly info: { readonly version: string };
  readonly options: ScriptedRunnerOptions;
  readonly timeScale: number;
  readonly onStart: (job: StartedJob) => void;
  readonly onFinish: (job: FinishedJob) => void;
}

/** What a job does while it runs, in a terminal or not at all. */
interface Body {
  readonly done: Promise<number | null>;
  failed?(): boolean;
  cancel(): void;
  kill(): void;
}

/** Takes one job from receipt to its final update. */
export function runJob(run: JobRun): RunningJob {
  const { job, options } = run;
  const updateMs = options.updateIntervalMs ?? 50;
  const trace = createTrace(run.http, job, run.info, { updateMs, timeScale: run.timeScale });
  let body: Body | null = null;
  let killed = false;
  const kill = () => {
    killed = true;
    trace.close();
    body?.kill();
  };
  const makeBody = (write: (chunk: Buffer) => void) => {
    if (options.exec === 'custom') body = executeCustom(job, run.raw, options.custom ?? [], write);
    else body = options.exec === 'pty' ? execute(job, write) : pretend(run, write);
    return body;
  };
  return { done: drive(run, trace, makeBody, () => killed), kill };
}

async function drive(
  run: JobRun,
  trace: JobTrace,
  makeBody: (write: (chunk: Buffer) => void) => Body,
  killed: () => boolean,
): Promise<void> {
  const { job, options } = run;
  const end = (outcome: FinishedJob['outcome'], exitCode: number | null) => {
    trace.close();
    run.onFinish({ jobId: job.id, outcome, exitCode, output: trace.output().toString('utf8') });
  };
  const reasonOf = (reason: string) => (job.features.failure_reasons.includes(reason) ? reason : 'unknown_failure');
  if (options.version === '18.5') {
    // Before anything runs: a job that died while it was parked is dropped here without a word.
    const wish = await trace.accept();
    if (wish === 'abort' || killed()) return end('dropped', null);
    if (wish === 'cancel') {
      await trace.finish({ state: 'failed', failureReason: reasonOf('job_canceled'), exitCode: null });
      return end('canceled', null);
    }
  }
  const lines = job.steps.filter((step) => step.name !== 'after_script').flatMap((step) => step.script);
  run.onStart({ jobId: job.id, name: job.job_info.name, lines, raw: run.raw });
  const mask = createMask(job);
  trace.write(Buffer.from(`Running with gitlab-runner ${run.info.version} (scripted)\n`));
  let wished: 'cancel' | 'abort' | 'timeout' | null = null;
  const body = makeBody((chunk) => trace.write(mask.push(chunk)));
  trace.start((wish) => {
    if (wished === 'abort') return;
    wished = wish;
    if (wish === 'abort') body.kill();
    else body.cancel();
  });
  const timer = setTimeout(
    () => {
      wished ??= 'timeout';
      body.kill();
    },
    Math.min(0x7fffffff, job.runner_info.timeout * 1000),
  );
  const code = await body.done;
  clearTimeout(timer);
  const stopped = wished as 'cancel' | 'abort' | 'timeout' | null;
  trace.write(mask.end());
  if (stopped === 'abort' || killed()) return end('aborted', code);
  if (stopped === 'cancel') {
    trace.write(Buffer.from('ERROR: Job failed: canceled\n'));
    await trace.finish({ state: 'failed', failureReason: reasonOf('job_canceled'), exitCode: null });
    return end('canceled', null);
  }
  if (stopped === 'timeout') {
    trace.write(Buffer.from('ERROR: Job failed: execution took longer than its timeout\n'));
    await trace.finish({ state: 'failed', failureReason: reasonOf('job_execution_timeout'), exitCode: null });
    return end('failed', null);
  }
  trace.write(
    Buffer.from(
      code === 0
        ? 'Job succeeded\n'
        : `ERROR: Job failed${body.failed?.() ? ' (system failure)' : ''}: exit code ${code}\n`,
    ),
  );
  const state = code === 0 ? 'success' : 'failed';
  await trace.finish({
    state,
    failureReason: code === 0 ? null : body.failed?.() ? 'runner_system_failure' : 'script_failure',
    exitCode: code === 0 ? null : code,
  });
  end(killed() ? 'aborted' : state, code);
}

/** exec `none`: the script is not run, its output is what the test wants. */
function pretend(run: JobRun, write: (chunk: Buffer) => void): Body {
  const { options, job } = run;
  const stopping = new AbortController();
  const stopped = new Promise<null>((resolve) => {
    stopping.signal.addEventListener('abort', () => resolve(null));
  });
  write(Buffer.from(options.output ?? ''));
  const work = options.work?.({ id: job.id, raw: run.raw, write, stopped: stopping.signal }) ?? Promise.resolve();
  const done = Promise.race([
    work.then((code) => (typeof code === 'number' ? code : (options.exitCode ?? 0))),
    stopped,
  ]);
  const stop = () => stopping.abort();
  return { done, cancel: stop, kill: stop };
}
