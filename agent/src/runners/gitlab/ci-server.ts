import { HoldpointError } from '../../domain/errors.ts';
import type { Facts } from '../../domain/facts.ts';
import type { CiJob, CiJobStatus, CiServer, PayloadReading } from '../../ports/ci-server.ts';
import type { Log } from '../../ports/log.ts';
import { headerIn } from './headers.ts';
import type { KeySet } from './key-set.ts';
import type { PayloadReader } from './payload-reader.ts';
import { sizeInRange } from './trace.ts';
import type { Answer, Upstream } from './upstream.ts';
import { verifiedFacts } from './verified-facts.ts';

/** One small call; GitLab answers these in milliseconds, and a parked job has the next heartbeat. */
const CALL_MS = 10_000;
/** Both questions about a job together: the runner's poll waits for them. */
const FACTS_MS = 5_000;
const MAX_ANSWER_BYTES = 1024 * 1024;

/** Held until the set was fetched once for the key that a token names: at most a minute, or until GitLab answers. */
const KEY_UNKNOWN = 'the key of an id token is not known yet, and GitLab was asked for its keys a moment ago';

const ENDED: readonly string[] = ['canceled', 'failed', 'success'];

/** How GitLab has a job, by the header of an answer; null when it says nothing that ends or cancels it. */
function statusIn(answer: Answer): CiJobStatus | null {
  const status = headerIn(answer.headers, 'job-status')?.toLowerCase() ?? '';
  return status === 'canceling' || ENDED.includes(status) ? (status as CiJobStatus) : null;
}

function unexpected(what: string, answer: Answer): HoldpointError {
  return new HoldpointError('internal', `GitLab answered ${what} with ${answer.status}`);
}

function json(answer: Answer | null): unknown {
  if (answer === null || answer.status !== 200 || !answer.whole) return null;
  try {
    return JSON.parse(answer.body.toString());
  } catch {
    return null;
  }
}

/** GitLab's own limit is 50 needs; a pipeline of more pages than this is not looked through to its end. */
const MAX_PAGES = 10;
const PAGE_JOBS = 100;

/**
 * Ids of the jobs of the pipeline that GitLab has this job in, as far as they are needed; null when it does not say.
 * Newer servers let a job's token ask that of its own project; with older ones nothing is known to be of the same pipeline.
 */
async function jobsOfPipeline(
  job: unknown,
  facts: Facts,
  ask: (path: string) => Promise<Answer | null>,
): Promise<ReadonlySet<number> | null> {
  const pipeline = (job as { pipeline?: { id?: unknown } } | null)?.pipeline?.id;
  if (typeof pipeline !== 'number' || !Number.isSafeInteger(pipeline)) return null;
  const wanted = new Set(facts.dependencies.map((one) => one.jobId));
  const found = new Set<number>();
  for (let page = 1; page <= MAX_PAGES; page++) {
    const query = `include_retried=true&per_page=${PAGE_JOBS}&page=${page}`;
    const list = json(await ask(`/api/v4/projects/${facts.project.id}/pipelines/${pipeline}/jobs?${query}`));
    if (!Array.isArray(list)) return page === 1 ? null : found;
    for (const each of list as ({ id?: unknown; pipeline?: { id?: unknown } } | null)[]) {
      if (typeof each?.id === 'number' && each.pipeline?.id === pipeline) found.add(each.id);
    }
    if (list.length < PAGE_JOBS || [...wanted].every((id) => id !== null && found.has(id))) return found;
  }
  return found;
}

export interface CiServerOptions {
  readonly upstream: Upstream;
  readonly keySet: KeySet;
  readonly payloads: PayloadReader;
  readonly variableKey: () => Uint8Array | null;
  readonly log: Log;
}

/** GitLab as the parking of jobs needs it; everything with the job's own token. */
export function createCiServer({ upstream, keySet, payloads, variableKey, log }: CiServerOptions): CiServer {
  const put = (job: CiJob, body: Record<string, unknown>): Promise<Answer> =>
    upstream.call({
      method: 'PUT',
      path: `/api/v4/jobs/${job.jobId}`,
      headers: ['Content-Type', 'application/json', 'JOB-TOKEN', job.token, 'User-Agent', 'holdpoint'],
      body: JSON.stringify({ token: job.token, ...body }),
      timeoutMs: CALL_MS,
      totalMs: CALL_MS,
      maxBytes: MAX_ANSWER_BYTES,
    });
  const get = (job: CiJob, path: string, totalMs: number): Promise<Answer> =>
    upstream.call({
      method: 'GET',
      path,
      headers: ['JOB-TOKEN', job.token, 'User-Agent', 'holdpoint'],
      timeoutMs: totalMs,
      totalMs,
      maxBytes: MAX_ANSWER_BYTES,
    });

  const keepAlive = async (job: CiJob): Promise<CiJobStatus> => {
    const answer = await put(job, { state: 'running' });
    if (answer.status === 200 || answer.status === 202) return statusIn(answer) ?? 'running';
    if (answer.status === 403 || answer.status === 404) return statusIn(answer) ?? 'refused';
    throw unexpected('a heartbeat', answer);
  };

  const readOnce = (
    payload: Uint8Array,
    runner: string,
  ): { reading: PayloadReading; view: ReturnType<KeySet['view']> } => {
    const view = keySet.view();
    const reading = payloads.readPayload(payload, {
      instance: upstream.origin,
      runner,
      variableKey: variableKey(),
      verifyIdToken: view.verify,
    });
    if (reading.ok) return { reading, view };
    const { path, reason } = reading;
    if (reading.code === 'variable_key_needed') return { reading: { ok: false, retry: true, reason }, view };
    return { reading: { ok: false, retry: false, path, reason }, view };
  };

  return {
    async read(payload, runner) {
      const { reading, view } = readOnce(payload, runner);
      const need = view.need();
      switch (need) {
        case 'none':
          return reading;
        case 'stale':
          // What GitLab does not give again is relied on a while longer: it is away, and the job with it.
          await keySet.refresh();
          return readOnce(payload, runner).reading;
        case 'missing': {
          // Without the key the token would be hashed as it is: another digest than the job has with it.
          if (!(await keySet.refresh())) return { ok: false, retry: true, reason: KEY_UNKNOWN };
          const again = readOnce(payload, runner);
          keySet.settle(again.view);
          return again.reading;
        }
        default:
          need satisfies never;
          return reading;
      }
    },
    identity: (payload) => payloads.jobIdentity(payload),
    lowerTimeout: (payload, timeoutS) => payloads.lowerTimeout(payload, timeoutS),
    async verify(job, facts) {
      const ask = (path: string): Promise<Answer | null> =>
        get(job, path, FACTS_MS).catch((error: Error) => {
          log.warn(
            { job: job.jobId, path, code: error.name },
            'GitLab could not be asked about a job: it stays unverified',
          );
          return null;
        });
      const [about, agents] = await Promise.all([ask('/api/v4/job'), ask('/api/v4/job/allowed_agents')]);
      const told = { job: json(about), agents: json(agents) };
      const pipelineJobs = facts.dependencies.length === 0 ? null : await jobsOfPipeline(told.job, facts, ask);
      return verifiedFacts(facts, { ...told, pipelineJobs });
    },
    keepAlive,
    async status(job) {
      const answer = await get(job, '/api/v4/job', CALL_MS);
      if (answer.status === 200) {
        const status = (json(answer) as { status?: unknown } | null)?.status;
        if (status === 'canceling') return 'canceling';
        return typeof status === 'string' && ENDED.includes(status) ? (status as CiJobStatus) : 'running';
      }
      // The token of a job that has ended is good for nothing more: an update is refused then, and says why.
      if (answer.status === 401 || answer.status === 403 || answer.status === 404) return keepAlive(job);
      throw unexpected('a question about a job', answer);
    },
    async fail(job, reason) {
      const answer = await put(job, { state: 'failed', failure_reason: reason });
      const status = statusIn(answer);
      if (answer.status === 200 || answer.status === 202)
        return status === null || status === 'canceling' ? 'failed' : status;
      if (answer.status === 403 || answer.status === 404)
        return status === null || status === 'canceling' ? 'refused' : status;
      throw unexpected('the end of a job', answer);
    },
    async writeNote(job, offset, text) {
      const bytes = Buffer.from(text);
      const patch = (from: number): Promise<Answer> =>
        upstream.call({
          method: 'PATCH',
          path: `/api/v4/jobs/${job.jobId}/trace`,
          headers: [
            ...['Content-Type', 'text/plain', 'JOB-TOKEN', job.token, 'User-Agent', 'holdpoint'],
            ...['Content-Range', `${from}-${from + bytes.length - 1}`],
          ],
          body: bytes,
          timeoutMs: CALL_MS,
          totalMs: CALL_MS,
          maxBytes: MAX_ANSWER_BYTES,
        });
      let answer = await patch(offset);
      let from = offset;
      if (answer.status === 416) {
        const size = sizeInRange(headerIn(answer.headers, 'range'));
        if (size === null) throw unexpected('a note', answer);
        // Nobody else writes to the log of a parked job: it is this note, whose answer was lost.
        if (size >= offset + bytes.length) return size;
        from = size;
        answer = await patch(from);
      }
      if (answer.status === 202) return sizeInRange(headerIn(answer.headers, 'range')) ?? from + bytes.length;
      // Said for good, and nothing was written.
      if ([400, 403, 404, 413].includes(answer.status)) return from;
      throw unexpected('a note', answer);
    },
  };
}
