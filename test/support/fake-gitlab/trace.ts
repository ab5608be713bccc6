import { authenticateJob, isAnswer, touch } from './job-auth.ts';
import { finish } from './jobs.ts';
import { throttled } from './limits.ts';
import { type Answer, refuse, type World } from './state.ts';

/** `PATCH /jobs/:id/trace`: appends only where the log ends, and says where that is. */
export function patchTrace(
  world: World,
  id: number,
  token: string,
  contentRange: string | undefined,
  body: Buffer,
): Answer {
  const limited = throttled(world, 'trace', token, world.options.jobEndpointsPerMinute);
  if (limited !== null) return limited;
  const job = authenticateJob(world, id, token);
  if (isAnswer(job)) return job;
  if (contentRange === undefined) return refuse(400, '400 Missing header Content-Range');
  // As Ruby's "0-99".split('-').map(&:to_i): what is no number counts as 0.
  const start = Number.parseInt(contentRange.split('-')[0] ?? '', 10) || 0;
  touch(world, job);
  if (start !== job.trace.length) {
    return {
      status: 416,
      headers: { Range: `0-${job.trace.length}` },
      body: '416 Range Not Satisfiable',
    };
  }
  if (job.trace.length + body.length > world.options.maxTraceBytes) {
    finish(world, job, 'failed', 'trace_size_exceeded');
    return refuse(403, '403 Forbidden', { 'Job-Status': job.status });
  }
  job.trace = Buffer.concat([job.trace, body]);
  return {
    status: 202,
    headers: {
      'Job-Status': job.status,
      Range: `0-${job.trace.length}`,
      'X-GitLab-Trace-Update-Interval': String(world.options.traceUpdateIntervalS),
    },
    body: '',
  };
}
