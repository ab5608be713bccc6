import { randomBytes } from 'node:crypto';
import { setTimeout as wait } from 'node:timers/promises';
import { createHttp } from './scripted-runner/http.ts';
import { type RunningJob, runJob } from './scripted-runner/job.ts';
import { type RunnerJob, readJob } from './scripted-runner/payload.ts';
import type { FinishedJob, ScriptedRunner, ScriptedRunnerOptions, StartedJob } from './scripted-runner/types.ts';

export type * from './scripted-runner/types.ts';

/** Refusals in a row after which the runner leaves a token alone, and for how long. */
const UNHEALTHY_AFTER = 3;
const UNHEALTHY_MS = 3_600_000;

const FEATURES = [
  'variables',
  'image',
  'services',
  'artifacts',
  'cache',
  'fallback_cache_keys',
  'shared',
  'upload_multiple_artifacts',
  'upload_raw_artifacts',
  'session',
  'terminal',
  'refspecs',
  'masking',
  'proxy',
  'raw_variables',
  'artifacts_exclude',
  'multi_build_steps',
  'trace_reset',
  'trace_checksum',
  'trace_size',
  'vault_secrets',
  'cancelable',
  'return_exit_code',
  'service_variables',
  'service_multiple_aliases',
  'image_executor_opts',
  'service_executor_opts',
  'cancel_gracefully',
  'native_steps_integration',
];
/** Features that came after 17.0. */
const LATER_FEATURES = ['two_phase_job_commit', 'job_inputs'];

function infoOf(options: ScriptedRunnerOptions) {
  const names = options.version === '18.5' ? [...FEATURES, ...LATER_FEATURES] : FEATURES;
  return {
    name: 'gitlab-runner',
    version: `${options.version}.0`,
    revision: options.version === '18.5' ? 'bda84871' : '44feccdf',
    platform: 'linux',
    architecture: 'amd64',
    executor: 'shell',
    shell: 'bash',
    features: Object.fromEntries(names.map((name) => [name, true])),
    config: { gpus: '' },
  };
}

/** Starts polling at once. */
export function startScriptedRunner(options: ScriptedRunnerOptions): ScriptedRunner {
  const timeScale = options.timeScale ?? 0.02;
  const info = infoOf(options);
  const version = info.version;
  const http = createHttp(
    options.url,
    `gitlab-runner ${version} (${options.version}-stable; go1.24.6; linux/amd64)`,
    timeScale,
  );
  const started: StartedJob[] = [];
  const finished: FinishedJob[] = [];
  const polls: { at: number; status: number }[] = [];
  const startListeners: ((job: StartedJob) => void)[] = [];
  const finishListeners: ((job: FinishedJob) => void)[] = [];
  const running = new Set<RunningJob>();
  const work = new Set<Promise<void>>();
  const stopping = new AbortController();
  let refusals = 0;
  let healthyAgainAt = 0;
  const healthy = () => refusals < UNHEALTHY_AFTER || Date.now() >= healthyAgainAt;

  async function poll(): Promise<void> {
    const body = JSON.stringify({
      info,
      token: options.token,
      system_id: options.systemId ?? 's_scripted0001',
      last_update: http.lastUpdate(),
      session: {
        url: 'https://127.0.0.1:8093/session/x',
        certificate: '',
        authorization: randomBytes(16).toString('hex'),
      },
    });
    const recent: Record<string, string> = options.version === '18.5' ? { 'RUNNER-TOKEN': options.token } : {};
    const headers = { 'Content-Type': 'application/json', Accept: 'application/json', ...recent };
    const reply = await http.call({ method: 'POST', path: 'jobs/request', headers, body });
    const json = /^application\/json/.test(String(reply.headers['content-type'] ?? ''));
    const status = reply.status === 201 && !json ? -1 : reply.status;
    polls.push({ at: Date.now(), status });
    refusals = status === 403 ? refusals + 1 : 0;
    if (refusals === UNHEALTHY_AFTER) healthyAgainAt = Date.now() + UNHEALTHY_MS * timeScale;
    if (status !== 201) return;
    const raw = reply.body.toString('utf8');
    let job: RunnerJob;
    try {
      job = readJob(raw);
    } catch {
      polls[polls.length - 1] = { at: Date.now(), status: -1 }; // the runner logs a warning and asks again
      return;
    }
    const one = runJob({ http, job, raw, info, options, timeScale, onStart, onFinish });
    running.add(one);
    const done = one.done.finally(() => {
      running.delete(one);
      work.delete(done);
    });
    work.add(done);
  }
  function onStart(job: StartedJob): void {
    started.push(job);
    for (const listener of startListeners) listener(job);
  }
  function onFinish(job: FinishedJob): void {
    finished.push(job);
    for (const listener of finishListeners) listener(job);
  }
  async function loop(): Promise<void> {
    while (!stopping.signal.aborted) {
      if (running.size < (options.concurrent ?? 1) && healthy()) await poll();
      await wait(options.checkIntervalMs ?? 50, undefined, { signal: stopping.signal }).catch(() => undefined);
    }
  }
  const looping = loop();
  return {
    started,
    finished,
    polls,
    healthy,
    onStart: (listener) => startListeners.push(listener),
    onFinish: (listener) => finishListeners.push(listener),
    async stop() {
      stopping.abort();
      for (const one of running) one.kill();
      http.close();
      await Promise.all([looping, ...work]);
    },
  };
}
