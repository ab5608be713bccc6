import { jobOfToken } from './job-auth.ts';
import { cancel, play, retry } from './jobs.ts';
import { noteRoute } from './note-routes.ts';
import { type Answer, type Job, json, refuse, type World } from './state.ts';
import type { FakeCommitStatus, FakeUser } from './types.ts';
import { jobView, personTokenView, pipelineView, userView } from './views.ts';

interface Credentials {
  readonly privateToken: string;
  readonly jobToken: string;
}

/** Whoever asks, and what they may; null for a token that is none. */
interface Asking {
  readonly user: FakeUser | undefined;
  readonly may: (what: 'read' | 'retry' | 'status' | 'note') => boolean;
}

function asking(world: World, token: string): Asking | null {
  if (token === '') return null;
  if (token === world.apiToken) return { user: undefined, may: () => true };
  const known = world.personTokens.get(token);
  // As GitLab: it ends as its last day begins.
  if (known === undefined || (known.expiresAt !== null && world.now() >= Date.parse(known.expiresAt))) return null;
  known.lastUsedAt = world.now();
  return { user: known.user, may: (what) => known.may.has(what) };
}

/** Routes of people: `/api/v4/user` and those below `/api/v4/projects/:id`; null if none is meant. */
export function peopleRoute(
  world: World,
  method: string,
  path: string,
  who: Credentials,
  body: Record<string, unknown>,
): Answer | null {
  const person = asking(world, who.privateToken);
  if (method === 'GET' && path === '/api/v4/user' && person?.user !== undefined)
    return json(200, userView(person.user));
  if (path === '/api/v4/user') return refuse(401, '401 Unauthorized');
  if (method === 'GET' && path === '/api/v4/personal_access_tokens/self') {
    const token = world.personTokens.get(who.privateToken);
    if (person === null || token === undefined) return refuse(401, '401 Unauthorized');
    return json(200, personTokenView(token));
  }
  const match = /^\/api\/v4\/projects\/([^/]+)(?:\/(.+))?$/.exec(path);
  if (match === null) return null;
  const project = decodeURIComponent(match[1] ?? '');
  const asJob = world.options.jobTokensReadJobs ? jobOfToken(world, who.jobToken) : null;
  if (person === null && (asJob === null || method !== 'GET')) return refuse(401, '401 Unauthorized');
  const here = (job: Job) => String(job.projectId) === project || job.projectPath === project;
  // A job's token reaches its own project; everything else does not exist for it.
  if (person === null && asJob !== null && !here(asJob)) return refuse(404, '404 Project Not Found');
  // GitLab says 404 to whoever may not even see a project.
  if (person !== null && !person.may('read')) return refuse(404, '404 Project Not Found');
  const rest = match[2] ?? '';
  if (rest === '' && method === 'GET') return json(200, { id: Number(project) });
  return (
    compareRoute(world, method, rest, here) ??
    statusRoute(world, method, project, rest, person, body) ??
    noteRoute(world, method, project, rest, { user: person?.user, mayWrite: person?.may('note') === true }, body) ??
    pipelineRoute(world, method, rest, here) ??
    jobRoute(world, method, rest, here, person)
  );
}

function statusRoute(
  world: World,
  method: string,
  project: string,
  rest: string,
  person: Asking | null,
  body: Record<string, unknown>,
): Answer | null {
  const match = /^statuses\/([0-9a-f]{40})$/.exec(rest);
  if (match === null || method !== 'POST') return null;
  if (person === null || !person.may('status')) return refuse(403, '403 Forbidden');
  const status: FakeCommitStatus = {
    projectId: Number(project),
    sha: match[1] ?? '',
    name: String(body.name),
    state: String(body.state),
    pipelineId: typeof body.pipeline_id === 'number' ? body.pipeline_id : null,
    by: person.user?.username ?? 'root',
  };
  const last = world.statuses.findLast((one) => one.sha === status.sha && one.name === status.name);
  if (last?.state === status.state)
    return refuse(
      400,
      `Cannot transition status via :enqueue from :${status.state} (Reason(s): Status cannot transition)`,
    );
  world.statuses.push(status);
  return json(201, { id: world.statuses.length, ...body });
}

/** `GET repository/compare`: the commits that jobs of the project were enqueued with. */
function compareRoute(world: World, method: string, rest: string, here: (job: Job) => boolean): Answer | null {
  if (rest !== 'repository/compare' || method !== 'GET') return null;
  const commits = [...world.jobs.values()].filter(here).flatMap((job) => job.options.commits ?? []);
  const shown = commits.map(({ name, email }) => ({
    author_name: name,
    author_email: email,
    committer_name: name,
    committer_email: email,
  }));
  return json(200, { commit: null, commits: shown, diffs: [], compare_timeout: false, compare_same_ref: false });
}

function pipelineRoute(world: World, method: string, rest: string, here: (job: Job) => boolean): Answer | null {
  const match = /^pipelines\/(\d+)(\/jobs)?$/.exec(rest);
  if (match === null || method !== 'GET') return null;
  const id = Number(match[1]);
  const jobs = [...world.jobs.values()].filter((job) => job.pipeline.id === id && here(job));
  const pipeline = jobs[0]?.pipeline;
  if (pipeline === undefined) return refuse(404, '404 Pipeline Not Found');
  if (match[2] === undefined) return json(200, pipelineView(world, pipeline));
  const shown = jobs.filter((job) => job.retriedAs === null).map(jobView);
  return json(200, shown, { 'X-Total': String(shown.length), 'X-Page': '1', 'X-Total-Pages': '1', 'X-Next-Page': '' });
}

function jobRoute(
  world: World,
  method: string,
  rest: string,
  here: (job: Job) => boolean,
  person: Asking | null,
): Answer {
  const match = /^jobs\/(\d+)(?:\/(trace|cancel|retry|play|erase))?$/.exec(rest);
  const job = match === null ? undefined : world.jobs.get(Number(match[1]));
  if (match === null || job === undefined || !here(job)) return refuse(404, '404 Not found');
  switch (`${method} ${match[2] ?? ''}`.trim()) {
    case 'GET':
      return json(200, jobView(job));
    case 'GET trace':
      return { status: 200, headers: { 'Content-Type': 'text/plain' }, body: job.trace };
    case 'POST cancel':
      if (person?.may('retry') !== true) return refuse(403, '403 Forbidden');
      cancel(world, job, job.cancelGracefully);
      return json(201, jobView(job));
    case 'POST retry': {
      if (person?.may('retry') !== true) return refuse(403, '403 Forbidden');
      const again = retry(world, job, person.user);
      return again === null ? refuse(403, '403 Forbidden - Job is not retryable') : json(201, jobView(again));
    }
    case 'POST play':
      return play(world, job, undefined) ? json(200, jobView(job)) : refuse(400, '400 Bad request - Unplayable Job');
    case 'POST erase':
      erase(world, job);
      return json(201, jobView(job));
    default:
      return refuse(405, '405 Method Not Allowed');
  }
}

/** Takes log and artifacts away. */
export function erase(world: World, job: Job): void {
  job.erasedAt = world.now();
  job.trace = Buffer.alloc(0);
  job.artifacts = [];
}
