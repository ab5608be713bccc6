import { HoldpointError } from '../../domain/errors.ts';
import type { CiJob, CiJobStatus, CiServer, PayloadReading } from '../../ports/ci-server.ts';
import type { Log } from '../../ports/log.ts';
import type { Registries } from '../../ports/registry.ts';
import type { Repository } from '../../ports/repository.ts';
import { headerIn } from './headers.ts';
import { secretsOf } from './job-secrets.ts';
import type { KeySet } from './key-set.ts';
import { commitsOfPipeline, jobsOfPipeline, pipelineIn } from './origins.ts';
import type { PayloadReader } from './payload-reader.ts';
import { pinnedImages } from './pinned-images.ts';
import { sizeInRange } from './trace.ts';
import type { Answer, Upstream } from './upstream.ts';
import { verifiedFacts } from './verified-facts.ts';

/** One small call; GitLab answers these in milliseconds, and a parked job has the next heartbeat. */
const CALL_MS = 10_000;
/** Both questions about a job together: the runner's poll waits for them. */
const FACTS_MS = 5_000;
/** All of it together: the runner's poll, or the next try to admit the job, waits for it. */
const ALL_FACTS_MS = 15_000;
const MAX_ANSWER_BYTES = 1024 * 1024;
/** GitLab adds to a log only where it ends: here it never does, so it answers how long the log is and takes nothing. */
const BEYOND_ANY_LOG = 2 ** 40;

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

export interface CiServerOptions {
  readonly upstream: Upstream;
  readonly keySet: KeySet;
  readonly payloads: PayloadReader;
  readonly variableKey: () => Uint8Array | null;
  /** The operator's token for what a job's own may not ask; null where there is none. It only ever reads. */
  readonly token: () => string | null;
  readonly log: Log;
  /** Reads files of repositories; null where nothing does. */
  readonly repository: Repository | null;
  /** Asks registries what images stand for; null where nothing does. */
  readonly registries: Registries | null;
  /** PEM of the authority of GitLab's certificate. */
  readonly ca: string | null;
}

/** GitLab as the parking of jobs needs it; with the job's own token, and only what that may not ask with the operator's. */
export function createCiServer(options: CiServerOptions): CiServer {
  const { upstream, keySet, payloads, variableKey, token, log, repository, registries, ca } = options;
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
  const getAs = (credential: readonly [string, string], path: string, totalMs: number): Promise<Answer> =>
    upstream.call({
      method: 'GET',
      path,
      headers: [...credential, 'User-Agent', 'holdpoint'],
      timeoutMs: totalMs,
      totalMs,
      maxBytes: MAX_ANSWER_BYTES,
    });
  const get = (job: CiJob, path: string, totalMs: number): Promise<Answer> =>
    getAs(['JOB-TOKEN', job.token], path, totalMs);

  const patchLog = (job: CiJob, from: number, bytes: Uint8Array): Promise<Answer> =>
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
    secrets: secretsOf,
    identity: (payload) => payloads.jobIdentity(payload),
    lowerTimeout: (payload, timeoutS) => payloads.lowerTimeout(payload, timeoutS),
    async verify(job, facts) {
      const operator = token();
      const until = performance.now() + ALL_FACTS_MS;
      const asking = (credential: readonly [string, string]) => async (path: string) => {
        const unasked = (code: string): null => {
          log.warn({ job: job.jobId, path, code }, 'GitLab could not be asked about a job: it stays unverified');
          return null;
        };
        const left = Math.min(FACTS_MS, Math.floor(until - performance.now()));
        if (left <= 0) return json(unasked('all_facts_timeout'));
        return json(await getAs(credential, path, left).catch((error: Error) => unasked(error.name)));
      };
      const ask = asking(['JOB-TOKEN', job.token]);
      const askMore = operator === null ? null : asking(['PRIVATE-TOKEN', operator]);
      const [about, agents] = await Promise.all([ask('/api/v4/job'), ask('/api/v4/job/allowed_agents')]);
      const pipeline = pipelineIn(about);
      if (pipeline === null) return verifiedFacts(facts, { job: about, agents });
      const jobs = async () => {
        if (facts.dependencies.length === 0) return null;
        const own = await jobsOfPipeline(facts, pipeline, ask);
        return own ?? (askMore && jobsOfPipeline(facts, pipeline, askMore));
      };
      const [pipelineJobs, commits] = await Promise.all([
        jobs(),
        askMore && commitsOfPipeline(facts, pipeline, askMore),
      ]);
      return verifiedFacts(facts, { job: about, agents, pipelineJobs, commits });
    },
    async coveredFiles(job, { repository: path, commit, holdsSecret }, patterns) {
      if (repository === null) return { ok: false, retry: false, reason: 'this agent reads no repositories' };
      if (path === null) return { ok: false, retry: false, reason: 'the job names no repository' };
      const credential = { username: 'gitlab-ci-token', password: job.token };
      const found = await repository.read({ url: `${upstream.origin}${path}`, ...credential, ca, commit, patterns });
      if (!found.ok) return found;
      // A file that repeats a secret of the job is covered, and not shown (T32).
      const files = found.files.map((file) =>
        file.kind === 'file' && file.text !== null && holdsSecret(file.text) ? { ...file, text: null } : file,
      );
      return { ok: true, files };
    },
    pinnedImages: (sources, allowed, mayRetry) => pinnedImages(registries, sources, allowed, mayRetry),
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
    async logSize(job) {
      const answer = await patchLog(job, BEYOND_ANY_LOG, Buffer.from(' '));
      return answer.status === 416 ? sizeInRange(headerIn(answer.headers, 'range')) : null;
    },
    async writeNote(job, offset, text) {
      const bytes = Buffer.from(text);
      const patch = (from: number): Promise<Answer> => patchLog(job, from, bytes);
      let answer = await patch(offset);
      let from = offset;
      if (answer.status === 416) {
        const size = sizeInRange(headerIn(answer.headers, 'range'));
        if (size === null) throw unexpected('a note', answer);
        // Just this much longer: it is this note, whose answer was lost. Anything else is what a runner had sent when its job was stopped.
        if (size === offset + bytes.length) return size;
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
