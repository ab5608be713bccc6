import { createHash, randomBytes } from 'node:crypto';
import { type RunValues, renderPayload } from './payload.ts';
import type { Job, Pipeline, Runner, World } from './state.ts';
import { jobToken } from './tokens.ts';
import type { EnqueueOptions, FakeUser, JobStatus } from './types.ts';

// biome-ignore lint/suspicious/noExplicitAny: a fixture is any payload GitLab can send, read here without judging it
type Payload = Record<string, any>;

const hex40 = (text: string) => createHash('sha1').update(text).digest('hex');

/** Job ids have nine digits, as on a GitLab of some years: the digest un-expands ids of six digits or more only. */
function freshId(taken: { has(id: number): boolean }, first: number, size: number): number {
  return first + size * 11 + (taken.has(first + size * 11) ? 1 : 0);
}

function variableOf(payload: Payload, key: string): string | null {
  const list: { key: string; value: string | null }[] = Array.isArray(payload.variables) ? payload.variables : [];
  return list.findLast((one) => one.key === key)?.value ?? null;
}

function pipelineOf(world: World, payload: Payload, options: EnqueueOptions, projectId: number): Pipeline {
  const id = options.pipeline ?? freshId(world.pipelines, 1_700_003, world.pipelines.size);
  const known = world.pipelines.get(id);
  if (known !== undefined) return known;
  const pipeline: Pipeline = {
    id,
    iid: 1000 + world.pipelines.size,
    projectId,
    sha: options.sha ?? hex40(`commit of pipeline ${id}`),
    beforeSha: hex40(`commit before pipeline ${id}`),
    ref: String(payload.git_info?.ref ?? 'main'),
    tag: payload.git_info?.ref_type === 'tag',
    commit: commitOf(payload),
    source: options.source ?? variableOf(payload, 'CI_PIPELINE_SOURCE') ?? 'push',
    createdAt: world.now() - 30_000,
  };
  world.pipelines.set(id, pipeline);
  return pipeline;
}

function commitOf(payload: Payload): Pipeline['commit'] {
  const author = /^(.*?) <([^>]*)>$/.exec(variableOf(payload, 'CI_COMMIT_AUTHOR') ?? '');
  return {
    title: variableOf(payload, 'CI_COMMIT_TITLE') ?? 'Update the pipeline',
    authorName: author?.[1] ?? 'Zoë Müller',
    authorEmail: author?.[2] ?? 'zoe@example.com',
  };
}

function environmentOf(payload: Payload, options: EnqueueOptions): Job['environment'] {
  if (options.environment !== undefined) return options.environment;
  const name = variableOf(payload, 'CI_ENVIRONMENT_NAME');
  if (name === null) return null;
  const slug = variableOf(payload, 'CI_ENVIRONMENT_SLUG') ?? name;
  return { name, slug, tier: variableOf(payload, 'CI_ENVIRONMENT_TIER') ?? 'other' };
}

/** Puts a job into the queue (or makes it manual); its payload is rendered when a runner gets it. */
export function enqueue(world: World, input: string | object, options: EnqueueOptions): Job {
  const template = typeof input === 'string' ? input : JSON.stringify(input);
  const payload = JSON.parse(template) as Payload;
  const projectId = Number(payload.job_info?.project_id ?? 1);
  const pipeline = pipelineOf(world, payload, options, projectId);
  const now = world.now();
  const id = freshId(world.jobs, 170_000_011, world.jobs.size);
  const job: Job = {
    id,
    name: String(payload.job_info?.name ?? 'job'),
    stage: String(payload.job_info?.stage ?? 'test'),
    projectId,
    projectPath: String(payload.job_info?.project_full_path ?? variableOf(payload, 'CI_PROJECT_PATH') ?? 'acme/api'),
    webUrl: String(variableOf(payload, 'CI_JOB_URL') ?? '').replace(String(payload.id), String(id)),
    pipeline,
    user: options.user ?? userOf(payload),
    template,
    options,
    environment: environmentOf(payload, options),
    timeoutS: options.timeoutS ?? Number(payload.runner_info?.timeout ?? 3600),
    onlyFor: options.runner === undefined ? null : runnerWith(world, options.runner),
    status: options.manual === true ? 'manual' : 'pending',
    createdAt: now,
    queuedAt: now,
    startedAt: null,
    finishedAt: null,
    updatedAt: now,
    erasedAt: null,
    runner: null,
    systemId: null,
    cancelGracefully: false,
    token: '',
    tokenExpiresAt: null,
    handedOutAt: null,
    handOuts: 0,
    payload: null,
    trace: Buffer.alloc(0),
    failureReason: null,
    exitCode: null,
    checksum: null,
    checksumSince: null,
    artifacts: [],
    retriedAs: null,
    requests: [],
  };
  world.jobs.set(id, job);
  const previous = options.retryOf === undefined ? undefined : world.jobs.get(options.retryOf);
  if (previous !== undefined) previous.retriedAs = id;
  if (job.status === 'pending') tickQueues(world, job);
  return job;
}

/** Meant for a runner, not for its token of today: a token can be reset while the job waits. */
function runnerWith(world: World, token: string): Runner | 'nobody' {
  return world.runners.find((runner) => runner.token === token) ?? 'nobody';
}

function userOf(payload: Payload): FakeUser {
  return {
    id: Number(payload.job_info?.user_id ?? variableOf(payload, 'GITLAB_USER_ID') ?? 1),
    username: variableOf(payload, 'GITLAB_USER_LOGIN') ?? 'root',
    name: variableOf(payload, 'GITLAB_USER_NAME') ?? 'Administrator',
  };
}

/** A new queue value for every runner that may get this job, and a nudge for polls that wait. */
export function tickQueues(world: World, job: Job): void {
  for (const runner of world.runners) {
    if (job.onlyFor !== null && job.onlyFor !== runner) continue;
    runner.queue = randomBytes(16).toString('hex');
    for (const watcher of world.queueWatchers) watcher(runner);
  }
}

/** The oldest pending job for this runner, already running when this returns: GitLab assigns before it answers. */
export function assign(world: World, runner: Runner, features: Payload, systemId: string | null): Job | null {
  for (const job of world.jobs.values()) {
    if (job.status !== 'pending' || job.template === null) continue;
    if (job.onlyFor !== null && job.onlyFor !== runner) continue;
    const now = world.now();
    job.status = 'running';
    job.startedAt = now;
    job.updatedAt = now;
    job.runner = runner;
    job.systemId = systemId;
    job.cancelGracefully = features.cancel_gracefully === true;
    const identity = { id: job.id, projectId: job.projectId, userId: job.user.id, timeoutS: job.timeoutS };
    const made = jobToken(world.signer, world.options.jobTokens, identity, now);
    job.token = made.token;
    job.tokenExpiresAt = made.expiresAt;
    return job;
  }
  return null;
}

/** Renders what this job's answer carries; counts as a hand-out. */
export function handOut(world: World, job: Job, runner: Runner): Uint8Array {
  const now = world.now();
  const run: RunValues = {
    id: job.id,
    token: job.token,
    pipeline: job.pipeline,
    user: job.user,
    userChanged: job.user.id !== userOf(JSON.parse(job.template ?? '{}') as Payload).id,
    runner: { id: runner.id, name: runner.name },
    environment: job.options.environment ?? null,
    timeoutS: job.timeoutS,
    queuedS: Math.max(0, (now - job.queuedAt) / 1000),
    dependencies: dependenciesOf(world, job),
    now,
  };
  const payload = renderPayload(job.template ?? '{}', run, world.signer);
  job.options.mutate?.(payload);
  const text = JSON.stringify(payload);
  const rendered = job.options.render?.({ id: job.id, token: job.token, text }) ?? text;
  const bytes = typeof rendered === 'string' ? Buffer.from(rendered) : rendered;
  job.handOuts += 1;
  job.handedOutAt ??= now;
  job.payload = Buffer.from(bytes).toString('utf8');
  return bytes;
}

/** Ids of the jobs that this one takes artifacts from: of the same pipeline; made up (finished) where none was enqueued. */
function dependenciesOf(world: World, job: Job): Record<string, number> {
  const found: Record<string, number> = {};
  const payload = JSON.parse(job.template ?? '{}') as Payload;
  for (const dependency of (payload.dependencies ?? []) as { name: string; artifacts_file?: { size?: number } }[]) {
    const same = [...world.jobs.values()].findLast(
      (one) => one.pipeline.id === job.pipeline.id && one.name === dependency.name,
    );
    const made = same ?? standIn(world, job, dependency.name, dependency.artifacts_file?.size ?? 1024);
    found[dependency.name] = made.id;
  }
  return found;
}

function standIn(world: World, of: Job, name: string, sizeBytes: number): Job {
  const id = freshId(world.jobs, 170_000_011, world.jobs.size);
  const webUrl = of.webUrl.replace(String(of.id), String(id));
  const job: Job = { ...of, id, name, stage: 'build', webUrl, template: null, options: {}, requests: [] };
  job.status = 'success';
  job.finishedAt = world.now();
  job.handedOutAt = null;
  job.handOuts = 0;
  job.token = '';
  job.trace = Buffer.alloc(0);
  job.artifacts = [];
  world.jobs.set(id, job);
  addGenerated(job, sizeBytes, 'artifacts.zip');
  return job;
}

/** Gives a job an archive whose bytes are made on the way out, so that gigabytes cost nothing. */
export function addGenerated(job: Job, sizeBytes: number, name: string): void {
  const hash = `sha256:${hashGenerated(job.id, sizeBytes)}`;
  job.artifacts.push({ name, type: 'archive', sizeBytes, hash, content: job.id });
}

/** Bytes that look random and depend on the seed alone, in blocks of 64 KiB. */
export function* generated(seed: number, sizeBytes: number): Generator<Uint8Array> {
  const block = Buffer.alloc(65_536);
  for (let offset = 0; offset < block.length; offset += 32) {
    createHash('sha256').update(`${seed}:${offset}`).digest().copy(block, offset);
  }
  for (let left = sizeBytes; left > 0; left -= block.length)
    yield left >= block.length ? block : block.subarray(0, left);
}

function hashGenerated(seed: number, sizeBytes: number): string {
  const hash = createHash('sha256');
  for (const block of generated(seed, sizeBytes)) hash.update(block);
  return hash.digest('hex');
}

/** Ends a job as an event does: whatever ends while canceling ends canceled. */
export function finish(world: World, job: Job, status: 'success' | 'failed' | 'canceled', reason: string | null): void {
  const ended: JobStatus = job.status === 'canceling' ? 'canceled' : status;
  job.status = ended;
  job.failureReason = reason;
  job.finishedAt = world.now();
  job.updatedAt = world.now();
}

/** As a user's Cancel button: `canceling` where the runner said at pickup that it can, else `canceled` at once. */
export function cancel(world: World, job: Job, graceful: boolean): boolean {
  if (job.status === 'running' && graceful) {
    job.status = 'canceling';
    job.updatedAt = world.now();
    return true;
  }
  if (job.status !== 'running' && job.status !== 'pending' && job.status !== 'manual') return false;
  job.status = 'canceled';
  job.finishedAt = world.now();
  return true;
}

/** The same configuration with a new id and token; null if this job has not ended or was retried already. */
export function retry(world: World, job: Job, user: FakeUser | undefined): Job | null {
  const ended = job.status === 'success' || job.status === 'failed' || job.status === 'canceled';
  if (!ended || job.retriedAs !== null || job.template === null) return null;
  const { manual: _, ...options } = job.options;
  const by = user ?? job.options.user;
  const runner = job.onlyFor === null ? undefined : job.onlyFor === 'nobody' ? job.options.runner : job.onlyFor.token;
  return enqueue(world, job.template, {
    ...options,
    ...(runner === undefined ? {} : { runner }),
    ...(by === undefined ? {} : { user: by }),
    pipeline: job.pipeline.id,
    retryOf: job.id,
  });
}

/** Starts a manual job in the name of whoever pressed; false if it is not manual. */
export function play(world: World, job: Job, user: FakeUser | undefined): boolean {
  if (job.status !== 'manual') return false;
  job.status = 'pending';
  job.queuedAt = world.now();
  job.updatedAt = world.now();
  if (user !== undefined) job.user = user;
  tickQueues(world, job);
  return true;
}
