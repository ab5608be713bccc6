import { authenticateJob, isAnswer, jobOfToken, touch } from './job-auth.ts';
import { finish } from './jobs.ts';
import { throttled } from './limits.ts';
import { type Answer, type Job, json, refuse, type World } from './state.ts';
import { jobView, userView } from './views.ts';

/** GitLab takes 202 for an answer to a final update this long, then ends the job whatever is missing. */
const ACCEPT_WINDOW_MS = 5 * 60_000;

/** Reasons that a runner may give; everything else becomes unknown_failure. */
const FAILURE_REASONS = new Set([
  'unknown_failure',
  'script_failure',
  'api_failure',
  'stuck_or_timeout_failure',
  'runner_system_failure',
  'missing_dependency_failure',
  'runner_unsupported',
  'stale_schedule',
  'job_execution_timeout',
  'archived_failure',
  'unmet_prerequisites',
  'scheduler_failure',
  'data_integrity_failure',
  'forward_deployment_failure',
  'user_blocked',
  'project_deleted',
  'ci_quota_exceeded',
  'pipeline_loop_detected',
  'no_matching_runner',
  'trace_size_exceeded',
  'builds_disabled',
  'environment_creation_failure',
  'deployment_rejected',
  'failed_outdated_deployment_job',
  'job_execution_server_timeout',
  'runner_configuration_error',
  'runner_external_dependency_failure',
  'runner_interrupted',
  'protected_environment_failure',
  'ip_restriction_failure',
  'job_router_failure',
  'job_token_expired',
]);

interface Update {
  readonly token?: unknown;
  readonly state?: unknown;
  readonly failure_reason?: unknown;
  readonly exit_code?: unknown;
  readonly checksum?: unknown;
  readonly output?: { readonly checksum?: unknown; readonly bytesize?: unknown };
}

function answered(world: World, job: Job, status: number, more: Readonly<Record<string, string>> = {}): Answer {
  const state = world.options.jobStatusOnPut ? { 'Job-Status': job.status } : {};
  return json(status, String(status), { ...state, ...more });
}

/** `PUT /jobs/:id`: heartbeat and final update. */
export function putJob(world: World, id: number, headerToken: string, body: Update): Answer {
  const token = typeof body.token === 'string' ? body.token : headerToken;
  const limited = throttled(world, 'job', token, world.options.jobEndpointsPerMinute);
  if (limited !== null) return limited;
  if (token === '') return json(400, { error: 'token is missing' });
  const job = authenticateJob(world, id, token);
  if (isAnswer(job)) return job;
  switch (body.state) {
    case 'running':
      touch(world, job);
      return answered(world, job, 200);
    case 'success':
    case 'failed': {
      const waiting = unpersisted(world, job, body);
      if (waiting !== null) return waiting;
      job.exitCode = typeof body.exit_code === 'number' ? body.exit_code : null;
      const given = typeof body.failure_reason === 'string' ? body.failure_reason : 'unknown_failure';
      const reason = FAILURE_REASONS.has(given) ? given : 'unknown_failure';
      finish(world, job, body.state, body.state === 'failed' ? reason : null);
      return answered(world, job, 200);
    }
    default:
      return json(400, { error: 'state does not have a valid value' });
  }
}

/** Notes the checksum; answers 202 while chunks of the log are said to be unpersisted. */
function unpersisted(world: World, job: Job, body: Update): Answer | null {
  const crc32 = body.output?.checksum ?? body.checksum;
  const bytesize = body.output?.bytesize;
  if (typeof crc32 !== 'string') return null;
  job.checksum = { crc32, bytesize: typeof bytesize === 'number' ? bytesize : null };
  job.checksumSince ??= world.now();
  if (world.unpersistedChunks <= 0 || world.now() - job.checksumSince > ACCEPT_WINDOW_MS) return null;
  world.unpersistedChunks -= 1;
  touch(world, job);
  return answered(world, job, 202, {
    'X-GitLab-Trace-Update-Interval': String(world.options.unpersistedIntervalS),
  });
}

/** `GET /job`: the running job that the token belongs to. */
export function currentJob(world: World, token: string): Answer {
  const job = jobOfToken(world, token);
  return job === null ? refuse(401, '401 Unauthorized') : json(200, jobView(job));
}

/** `GET /job/allowed_agents`: the one place where GitLab names the job's environment, user and roles. */
export function allowedAgents(world: World, token: string): Answer {
  const job = jobOfToken(world, token);
  if (job === null) return refuse(401, '401 Unauthorized');
  return json(200, {
    allowed_agents: [],
    job: { id: job.id },
    pipeline: { id: job.pipeline.id },
    project: { id: job.projectId, groups: [{ id: 77 }, { id: 5 }] },
    user: { ...userView(job.user), roles_in_project: ['guest', 'planner', 'reporter', 'developer'] },
    ...(job.environment === null ? {} : { environment: { slug: job.environment.slug, tier: job.environment.tier } }),
  });
}
