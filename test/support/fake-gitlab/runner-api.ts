import { type Answer, json, type Runner, refuse, type World } from './state.ts';

/** What GitLab says it is. */
export const VERSION = '18.5.1-ee';

/** Whoever reads: the token must be one that may. */
function mayRead(world: World, token: string): boolean {
  return token === world.apiToken || world.personTokens.get(token)?.may.has('read') === true;
}

/** As the real one: its own clock, whatever that of the machine says. */
const dated = (world: World, answer: Answer): Answer => ({
  ...answer,
  headers: { ...answer.headers, Date: new Date(world.now()).toUTCString() },
});

const listed = (runner: Runner) => ({
  id: runner.id,
  description: runner.name,
  paused: runner.paused,
  active: !runner.paused,
  runner_type: 'project_type',
});

/** `GET /version`, `/runners/:id` and `/projects/:id/runners` for people; null if none is meant. */
export function runnerApi(world: World, method: string, url: URL, token: string): Answer | null {
  if (method !== 'GET') return null;
  const path = url.pathname;
  const match = /^\/api\/v4(?:\/version|\/runners\/(\d+)|\/projects\/(\d+)\/runners)$/.exec(path);
  if (match === null) return null;
  if (!mayRead(world, token)) return dated(world, refuse(401, '401 Unauthorized'));
  if (path.endsWith('/version')) return dated(world, json(200, { version: VERSION, revision: 'abcdef01' }));
  const there = world.runners.filter((runner) => !runner.removed);
  if (match[2] !== undefined) {
    const project = Number(match[2]);
    return json(200, there.filter((runner) => runner.projects.includes(project)).map(listed));
  }
  const runner = there.find(({ id }) => id === Number(match[1]));
  if (runner === undefined) return refuse(404, '404 Runner Not Found');
  // GitLab shows a runner to those who look after it.
  if (runner.isHidden) return refuse(403, '403 Forbidden');
  return json(200, {
    ...listed(runner),
    tag_list: runner.tags,
    run_untagged: runner.runUntagged,
    projects: runner.projects.map((id) => ({ id })),
    groups: [],
  });
}
