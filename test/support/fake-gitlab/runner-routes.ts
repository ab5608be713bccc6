import { createHash, randomBytes } from 'node:crypto';
import { assign, handOut } from './jobs.ts';
import { throttled } from './limits.ts';
import { type Answer, json, type Runner, refuse, type World } from './state.ts';

// biome-ignore lint/suspicious/noExplicitAny: a body is whatever a client sent
type Body = Record<string, any>;

/** The runner with this name, registered now if it is new. */
export function registerRunner(world: World, name: string): Runner {
  const known = world.runners.find((runner) => runner.name === name && !runner.removed);
  if (known !== undefined) return known;
  const runner: Runner = {
    id: 31 + world.runners.length,
    name,
    token: `glrt-t1_${randomBytes(15).toString('base64url').slice(0, 20)}`,
    paused: false,
    removed: false,
    queue: randomBytes(16).toString('hex'),
    lastAnswer: null,
    tags: [],
    runUntagged: false,
    projects: [],
    isHidden: false,
  };
  world.runners.push(runner);
  return runner;
}

function runnerOf(world: World, token: unknown): Runner | undefined {
  return world.runners.find((runner) => !runner.removed && runner.token === token);
}

/** `POST /runners/verify`. */
export function verifyRunner(world: World, body: Body): Answer {
  const runner = runnerOf(world, body.token);
  if (runner === undefined) return refuse(403, '403 Forbidden');
  return json(200, { id: runner.id, token: runner.token, token_expires_at: world.options.runnerTokenExpiresAt });
}

/** `DELETE /runners`: takes the runner away. */
export function deleteRunner(world: World, body: Body): Answer {
  const runner = runnerOf(world, body.token);
  if (runner === undefined) return refuse(403, '403 Forbidden');
  runner.removed = true;
  return { status: 204 };
}

/** `DELETE /runners/managers`. */
export function deleteManager(world: World, body: Body): Answer {
  if (runnerOf(world, body.token) === undefined) return refuse(403, '403 Forbidden');
  if (typeof body.system_id !== 'string') return json(400, { error: 'system_id is missing' });
  return { status: 204 };
}

/** `POST /runners/reset_authentication_token`: the old token is dead at once. */
export function resetToken(world: World, body: Body): Answer {
  const runner = runnerOf(world, body.token);
  if (runner === undefined) return refuse(403, '403 Forbidden');
  runner.token = `glrt-t1_${createHash('sha256').update(randomBytes(16)).digest('base64url').slice(0, 20)}`;
  return json(201, { token: runner.token, token_expires_at: world.options.runnerTokenExpiresAt });
}

/** `POST /jobs/request`, Workhorse and Rails together. `gone` resolves when the client hangs up. */
export async function requestJob(world: World, body: Body, gone: Promise<void>): Promise<Answer> {
  const polled = await longPoll(world, body, gone);
  if (polled !== null) return polled;
  if (typeof body.token !== 'string') return json(400, { error: 'token is missing' });
  const limited = throttled(world, 'request', body.token, world.options.jobsRequestPerMinute);
  if (limited !== null) return limited;
  const runner = runnerOf(world, body.token);
  if (runner === undefined) return refuse(403, '403 Forbidden');
  const none: Answer = { status: 204, headers: { 'X-GitLab-Last-Update': runner.queue } };
  if (runner.paused || body.last_update === runner.queue) return none;
  const systemId = typeof body.system_id === 'string' ? body.system_id : null;
  const job = assign(world, runner, body.info?.features ?? {}, systemId);
  if (job === null) return none;
  const bytes = handOut(world, job, runner);
  runner.lastAnswer = bytes;
  return { status: 201, headers: { 'Content-Type': 'application/json' }, body: bytes };
}

/** Workhorse: an empty queue that the runner knows of is watched; any change is told by 204, so that it asks again. */
async function longPoll(world: World, body: Body, gone: Promise<void>): Promise<Answer | null> {
  const runner = runnerOf(world, body.token);
  const waitMs = world.options.longPollMs;
  if (runner === undefined || runner.paused || waitMs <= 0 || body.last_update !== runner.queue) return null;
  await new Promise<void>((resolve) => {
    const timer = setTimeout(done, waitMs);
    const watcher = (changed: Runner) => {
      if (changed === runner) done();
    };
    function done() {
      clearTimeout(timer);
      world.queueWatchers.delete(watcher);
      resolve();
    }
    world.queueWatchers.add(watcher);
    void gone.then(done);
  });
  return { status: 204, headers: { 'Gitlab-Ci-Builds-Polling': 'yes' } };
}
