import { createHash, randomBytes } from 'node:crypto';
import { existsSync, readFileSync, realpathSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { objectStorage } from './fake-gitlab/artifacts.ts';
import { createFaults, deliver } from './fake-gitlab/faults.ts';
import { jobOfToken } from './fake-gitlab/job-auth.ts';
import { addGenerated, cancel, enqueue, play, retry } from './fake-gitlab/jobs.ts';
import { NO_PEOPLE } from './fake-gitlab/member-routes.ts';
import { erase } from './fake-gitlab/people-routes.ts';
import { reap } from './fake-gitlab/reapers.ts';
import { registerRunner } from './fake-gitlab/runner-routes.ts';
import { serve } from './fake-gitlab/server.ts';
import type { Job, World } from './fake-gitlab/state.ts';
import { createSigner } from './fake-gitlab/tokens.ts';
import type { FakeArtifact, FakeGitlab, FakeGitlabOptions } from './fake-gitlab/types.ts';
import { snapshot } from './fake-gitlab/views.ts';

export type * from './fake-gitlab/types.ts';

/** Starts a GitLab that speaks the runner API on a real port, loopback unless told otherwise. */
export async function startFakeGitlab(options: FakeGitlabOptions = {}): Promise<FakeGitlab> {
  const { world, advance } = createWorld(options);
  const faults = createFaults();
  const host = options.host ?? '127.0.0.1';
  const { git } = options;
  if (git !== undefined)
    git.mayRead = (user, password) => user === 'gitlab-ci-token' && jobOfToken(world, password) !== null;
  const main = createServer((request, response) => {
    if (git?.handle(request, response) === true) return;
    serve(world, faults, request, response).catch((error: unknown) => {
      // A fault of the fake itself must be seen by the test that met it, not only by the client.
      if (!response.headersSent) response.writeHead(500, { 'X-Fake-Error': 'yes' });
      response.end(String(error));
    });
  });
  const storage = createServer((request, response) => {
    const answer = objectStorage(world, new URL(request.url ?? '/', 'http://fake.invalid'));
    void deliver(response, answer, null);
  });
  const port = await listen(main, options.port ?? 0, host);
  world.objectStorageUrl = `http://${host}:${await listen(storage, 0, host)}`;
  const jobOf = (id: number) => found(world, id);
  return {
    url: `http://${host}:${port}`,
    port,
    objectStorageUrl: world.objectStorageUrl,
    apiToken: world.apiToken,
    personToken(user, { may = ['read', 'retry', 'status'], ...said } = {}) {
      const token = `glpat-${createHash('sha256').update(randomBytes(16)).digest('base64url').slice(0, 20)}`;
      const changes = may.some((what) => what !== 'read');
      const year = new Date(world.now() + 365 * 86_400_000).toISOString().slice(0, 10);
      world.personTokens.set(token, {
        id: world.personTokens.size + 1,
        user,
        may: new Set(may),
        scopes: said.scopes ?? [changes ? 'api' : 'read_api'],
        expiresAt: said.expiresAt === undefined ? year : said.expiresAt,
        name: said.name ?? 'token',
        createdAt: world.now(),
        lastUsedAt: null,
      });
      return token;
    },
    setPeople: (people) => {
      world.people = people;
    },
    revokePersonToken: (token) => void world.personTokens.delete(token),
    push: (push) => void world.pushes.push(push),
    statuses: world.statuses,
    notes: world.notes,
    mergeRequest: (of) => void world.mergeRequests.push(of),
    deletePipeline(id) {
      for (const job of [...world.jobs.values()]) if (job.pipeline.id === id) world.jobs.delete(job.id);
    },
    clock: { now: world.now, advance },
    runnerToken: (name = 'runner') => registerRunner(world, name).token,
    describeRunner(token, what) {
      const runner = world.runners.find((one) => one.token === token);
      if (runner === undefined) throw new Error('no runner has this token');
      Object.assign(runner, what);
      return runner.id;
    },
    pauseRunner: (token, paused) => {
      for (const runner of world.runners) if (runner.token === token) runner.paused = paused;
    },
    removeRunner: (token) => {
      for (const runner of world.runners) if (runner.token === token) runner.removed = true;
    },
    enqueue: (payload, enqueueOptions = {}) => enqueue(world, payload, enqueueOptions).id,
    job: (id) => snapshot(jobOf(id)),
    jobs: () => [...world.jobs.values()].map(snapshot),
    cancel(id, how = {}) {
      const job = jobOf(id);
      cancel(world, job, how.graceful ?? job.cancelGracefully);
    },
    retry(id, user) {
      const again = retry(world, jobOf(id), user);
      if (again === null) throw new Error(`job ${id} is ${jobOf(id).status}: GitLab would not retry it`);
      return again.id;
    },
    play(id, user) {
      if (!play(world, jobOf(id), user)) throw new Error(`job ${id} is ${jobOf(id).status}, not manual`);
      return id;
    },
    erase: (id) => erase(world, jobOf(id)),
    putArtifact(id, sizeBytes, name = 'artifacts.zip'): FakeArtifact {
      const job = jobOf(id);
      addGenerated(job, sizeBytes, name);
      return snapshot(job).artifacts.at(-1)!;
    },
    unpersistedChunks: (times) => {
      world.unpersistedChunks = times;
    },
    fail: (rule) => faults.add(rule),
    jwks: () => world.signer.jwks(),
    idToken: (claims) => world.signer.sign(claims),
    log: world.log,
    until: (what, look, timeoutMs) => until(world, what, look, timeoutMs ?? 10_000),
    close: async () => {
      await Promise.all([stop(main), stop(storage)]);
    },
  };
}

function createWorld(options: FakeGitlabOptions): { world: World; advance: (ms: number) => void } {
  let offset = options.now === undefined ? 0 : options.now - Date.now();
  const { now: _now, host: _host, port: _port, git: _git, ...given } = options;
  const world: World = {
    options: {
      longPollMs: 0,
      traceUpdateIntervalS: 3,
      maxTraceBytes: 100 * 1024 * 1024,
      jobsRequestPerMinute: Number.POSITIVE_INFINITY,
      jobEndpointsPerMinute: Number.POSITIVE_INFINITY,
      jobTokens: 'jwt',
      unpersistedChunks: 0,
      unpersistedIntervalS: 1,
      jobStatusOnPut: true,
      jobTokensReadJobs: true,
      runnerTokenExpiresAt: null,
      ...given,
    },
    signer: createSigner(),
    now: () => Date.now() + offset,
    runners: [],
    jobs: new Map(),
    pipelines: new Map(),
    log: [],
    recent: new Map(),
    apiToken: `glpat-${createHash('sha256').update(randomBytes(16)).digest('base64url').slice(0, 20)}`,
    personTokens: new Map(),
    people: NO_PEOPLE,
    statuses: [],
    mergeRequests: [],
    notes: [],
    pushes: [],
    unpersistedChunks: options.unpersistedChunks ?? 0,
    objectStorageUrl: '',
    queueWatchers: new Set(),
  };
  const advance = (ms: number) => {
    offset += ms;
    reap(world);
  };
  return { world, advance };
}

function found(world: World, id: number): Job {
  reap(world);
  const job = world.jobs.get(id);
  if (job === undefined)
    throw new Error(`there is no job ${id}; there are ${[...world.jobs.keys()].join(', ') || 'none'}`);
  return job;
}

/** How often a condition is looked at again. */
const LOOK_MS = 5;

async function until<T>(
  world: World,
  what: string,
  look: () => T | undefined | false | null,
  timeoutMs: number,
): Promise<T> {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    const value = look();
    if (value !== undefined && value !== false && value !== null) return value;
    if (Date.now() > deadline) {
      const jobs = [...world.jobs.values()].map((job) => `${job.name} ${job.id} ${job.status}`).join(', ');
      const calls = world.log
        .slice(-8)
        .map((one) => `${one.method} ${one.path} ${one.status}`)
        .join(', ');
      throw new Error(`waited ${timeoutMs} ms for ${what}; jobs: ${jobs || 'none'}; last calls: ${calls || 'none'}`);
    }
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
}

function listen(server: Server, port: number, host: string): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => resolve((server.address() as AddressInfo).port));
  });
}

function stop(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}

/** Alone: `--port N` (or FAKE_GITLAB_PORT) and payload files to put into the queue; ends on a signal. */
async function main(argv: readonly string[]): Promise<void> {
  const { values, positionals } = parseArgs({
    args: [...argv],
    options: { port: { type: 'string' }, host: { type: 'string' }, runner: { type: 'string' } },
    allowPositionals: true,
  });
  const port = Number(values.port ?? process.env.FAKE_GITLAB_PORT ?? 0);
  const gitlab = await startFakeGitlab({ port, ...(values.host === undefined ? {} : { host: values.host }) });
  const lines = [
    `url ${gitlab.url}`,
    `runner-token ${gitlab.runnerToken(values.runner)}`,
    `api-token ${gitlab.apiToken}`,
  ];
  for (const file of positionals) lines.push(`job ${gitlab.enqueue(readFileSync(file, 'utf8'))} ${file}`);
  process.stdout.write(`${lines.join('\n')}\n`);
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void gitlab.close());
}

const started = process.argv[1];
if (started !== undefined && existsSync(started) && realpathSync(started) === fileURLToPath(import.meta.url)) {
  await main(process.argv.slice(2));
}
