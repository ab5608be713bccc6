import { jobOfToken } from './job-auth.ts';
import { cancel, play, retry } from './jobs.ts';
import { type Answer, type Job, json, refuse, type World } from './state.ts';
import { jobView, pipelineView } from './views.ts';

interface Credentials {
  readonly privateToken: string;
  readonly jobToken: string;
}

/** Routes below `/api/v4/projects/:id/…`; null if none is meant. */
export function peopleRoute(world: World, method: string, path: string, who: Credentials): Answer | null {
  const match = /^\/api\/v4\/projects\/([^/]+)\/(.+)$/.exec(path);
  if (match === null) return null;
  const project = decodeURIComponent(match[1] ?? '');
  const person = who.privateToken !== '' && who.privateToken === world.apiToken;
  const asJob = world.options.jobTokensReadJobs ? jobOfToken(world, who.jobToken) : null;
  if (!person && (asJob === null || method !== 'GET')) return refuse(401, '401 Unauthorized');
  const here = (job: Job) => String(job.projectId) === project || job.projectPath === project;
  // A job's token reaches its own project; everything else does not exist for it.
  if (!person && asJob !== null && !here(asJob)) return refuse(404, '404 Project Not Found');
  const rest = match[2] ?? '';
  return pipelineRoute(world, method, rest, here) ?? jobRoute(world, method, rest, here);
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

function jobRoute(world: World, method: string, rest: string, here: (job: Job) => boolean): Answer {
  const match = /^jobs\/(\d+)(?:\/(trace|cancel|retry|play|erase))?$/.exec(rest);
  const job = match === null ? undefined : world.jobs.get(Number(match[1]));
  if (match === null || job === undefined || !here(job)) return refuse(404, '404 Not found');
  switch (`${method} ${match[2] ?? ''}`.trim()) {
    case 'GET':
      return json(200, jobView(job));
    case 'GET trace':
      return { status: 200, headers: { 'Content-Type': 'text/plain' }, body: job.trace };
    case 'POST cancel':
      cancel(world, job, job.cancelGracefully);
      return json(201, jobView(job));
    case 'POST retry': {
      const again = retry(world, job, undefined);
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
