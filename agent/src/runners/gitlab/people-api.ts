import { z } from 'zod';
import { HoldpointError } from '../../domain/errors.ts';
import type { CiStatusWord, Seen } from '../../domain/retrying.ts';
import type { CiAnswer, CiApi, CiPlace } from '../../ports/ci-api.ts';
import { headerIn } from './headers.ts';
import { notesApi } from './notes-api.ts';
import { readHistory } from './pushed-history.ts';
import { type Answer, createUpstream } from './upstream.ts';

/** Nobody waits for these calls: a GitLab that is this slow is asked again later. */
const CALL_MS = 15_000;
/** A page of a hundred jobs is half a megabyte. */
const MAX_ANSWER_BYTES = 8 * 1024 * 1024;
/** GitLab itself allows no more jobs than this in a pipeline, at a hundred a page. */
const MAX_PAGES = 50;

const id = z.number().int().positive();
const userSchema = z.object({ id, username: z.string().min(1).max(255) });
const ownerSchema = userSchema.extend({ name: z.string().max(1_000).nullish(), bot: z.boolean().nullish() });
const tokenSchema = z.object({
  id,
  name: z.string().max(1_000),
  scopes: z.array(z.string().max(100)).max(100).nullish(),
  active: z.boolean(),
  revoked: z.boolean(),
  created_at: z.iso.datetime({ offset: true }).nullish(),
  last_used_at: z.iso.datetime({ offset: true }).nullish(),
  expires_at: z.iso.date().nullish(),
});
const jobSchema = z.object({
  id,
  name: z.string(),
  status: z.string(),
  started_at: z.string().nullish(),
  pipeline: z.object({ id }),
});

/** GitLab's many words for a job that has not started, and the few that matter. */
const WORDS: Readonly<Record<string, CiStatusWord>> = {
  created: 'created',
  waiting_for_resource: 'created',
  preparing: 'created',
  waiting_for_callback: 'created',
  scheduled: 'created',
  pending: 'pending',
  running: 'running',
  canceling: 'canceling',
  canceled: 'canceled',
  failed: 'failed',
  success: 'success',
  manual: 'manual',
};

function awayWith(what: string, why: string): HoldpointError {
  return new HoldpointError('ci_unreachable', `GitLab could not be asked ${what}: ${why}; it is tried again`);
}

/** 401, 403, 404 and their like are said for good; what GitLab may answer otherwise in a minute is an error. */
function refusal(what: string, { status }: Answer): { readonly ok: false; readonly status: number } {
  if (status < 300 || status === 408 || status === 429 || status >= 500) throw awayWith(what, `it answered ${status}`);
  return { ok: false, status };
}

function bodyOf<T extends z.ZodType>(what: string, schema: T, answer: Answer): z.output<T> {
  let value: unknown = null;
  try {
    if (answer.whole) value = JSON.parse(answer.body.toString());
  } catch {
    value = null;
  }
  const read = schema.safeParse(value);
  if (!read.success) throw awayWith(what, 'its answer was not understood');
  return read.data;
}

/** GitLab's interface for people at this address. A credential goes there and nowhere else: no redirect is followed (T24). */
export function createPeopleApi(options: { readonly url: string; readonly ca?: string | undefined }): CiApi {
  const upstream = createUpstream(options);
  const ask = async (what: string, method: 'GET' | 'POST' | 'PUT', path: string, credential: string, body?: object) => {
    try {
      return await upstream.call({
        method,
        path: `/api/v4${path}`,
        headers: [
          ...['Authorization', `Bearer ${credential}`, 'User-Agent', 'holdpoint'],
          ...(body === undefined ? [] : ['Content-Type', 'application/json']),
        ],
        body: body === undefined ? undefined : JSON.stringify(body),
        timeoutMs: CALL_MS,
        totalMs: CALL_MS,
        maxBytes: MAX_ANSWER_BYTES,
      });
    } catch (error) {
      // The code alone: a message of the HTTP client may quote what was sent.
      const code = error instanceof Error && 'code' in error ? String(error.code) : 'no answer';
      throw awayWith(what, code);
    }
  };
  /** 404 for what is not there and for what may not be seen alike: the project tells them apart. */
  const gone = async (credential: string, projectId: number): Promise<CiAnswer<Seen>> => {
    const what = 'about a project';
    const answer = await ask(what, 'GET', `/projects/${projectId}`, credential);
    return answer.status === 200 ? { ok: true, value: { found: 'gone' } } : refusal(what, answer);
  };
  const pipelineOf = async (credential: string, { projectId, jobId }: CiPlace): Promise<CiAnswer<number>> => {
    const what = 'about a job';
    const answer = await ask(what, 'GET', `/projects/${projectId}/jobs/${jobId}`, credential);
    if (answer.status !== 200) return refusal(what, answer);
    return { ok: true, value: bodyOf(what, jobSchema, answer).pipeline.id };
  };

  return {
    async whoIs(credential) {
      const what = 'whose credential it is';
      const answer = await ask(what, 'GET', '/user', credential);
      if (answer.status !== 200) return refusal(what, answer);
      const { id: user, username } = bodyOf(what, userSchema, answer);
      return { ok: true, value: { id: user, username } };
    },
    async tokenOf(credential) {
      const what = 'about a token';
      const answer = await ask(what, 'GET', '/personal_access_tokens/self', credential);
      if (answer.status !== 200) return refusal(what, answer);
      const { created_at, last_used_at, expires_at, scopes, ...rest } = bodyOf(what, tokenSchema, answer);
      return {
        ok: true,
        value: {
          ...rest,
          scopes: scopes ?? [],
          createdAt: created_at ?? null,
          lastUsedAt: last_used_at ?? null,
          expiresAt: expires_at ?? null,
        },
      };
    },
    async ownerOf(credential) {
      const what = 'whose credential it is';
      const answer = await ask(what, 'GET', '/user', credential);
      if (answer.status !== 200) return refusal(what, answer);
      const { name, bot, ...user } = bodyOf(what, ownerSchema, answer);
      return { ok: true, value: { ...user, name: name ?? user.username, bot: bot ?? false } };
    },
    async look(credential, place) {
      const { projectId } = place;
      const pipeline =
        place.pipelineId === null
          ? await pipelineOf(credential, place)
          : { ok: true as const, value: place.pipelineId };
      if (!pipeline.ok) return pipeline.status === 404 ? gone(credential, projectId) : pipeline;
      const what = 'about the jobs of a pipeline';
      for (let page = 1; page <= MAX_PAGES; page++) {
        const path = `/projects/${projectId}/pipelines/${pipeline.value}/jobs?per_page=100&page=${page}`;
        const answer = await ask(what, 'GET', path, credential);
        if (answer.status === 404) return gone(credential, projectId);
        if (answer.status !== 200) return refusal(what, answer);
        const jobs = bodyOf(what, z.array(jobSchema).max(1_000), answer);
        // Without retried ones a name stands once; the newest should a server think otherwise.
        const found = jobs.filter((job) => job.name === place.job).sort((a, b) => b.id - a.id)[0];
        if (found !== undefined) {
          const started = typeof found.started_at === 'string';
          const job = { id: found.id, status: WORDS[found.status] ?? 'other', started };
          return { ok: true, value: { found: 'job', job } };
        }
        if ((headerIn(answer.headers, 'x-next-page') ?? '') === '') break;
      }
      return gone(credential, projectId);
    },
    async retry(credential, projectId, jobId) {
      const what = 'to retry a job';
      const answer = await ask(what, 'POST', `/projects/${projectId}/jobs/${jobId}/retry`, credential);
      if (answer.status !== 201 && answer.status !== 200) return refusal(what, answer);
      return { ok: true, value: bodyOf(what, jobSchema, answer).id };
    },
    async cancel(credential, projectId, jobId) {
      const what = 'to cancel a job';
      const answer = await ask(what, 'POST', `/projects/${projectId}/jobs/${jobId}/cancel`, credential);
      return answer.status === 201 || answer.status === 200 ? { ok: true, value: null } : refusal(what, answer);
    },
    async setStatus(credential, { projectId, sha, pipelineId, name, state, description, url }) {
      const what = 'to set a commit status';
      const answer = await ask(what, 'POST', `/projects/${projectId}/statuses/${sha}`, credential, {
        state,
        name,
        // GitLab takes 255 characters of either.
        description: description.slice(0, 255),
        target_url: url.slice(0, 255),
        ...(pipelineId === null ? {} : { pipeline_id: pipelineId }),
      });
      const { status } = answer;
      // 400 says that the status stands already: an answer to the same question was lost.
      const stands = status === 400 && answer.body.toString().includes('Cannot transition status');
      if (status === 201 || status === 200 || stands) return { ok: true, value: null };
      return refusal(what, answer);
    },
    ...notesApi({ ask, read: bodyOf, refusal }),
    async history(credential, question) {
      const get = (what: string, path: string) => ask(what, 'GET', path, credential);
      const found = await readHistory({ get, read: bodyOf }, question);
      if (!('refused' in found)) return { ok: true, value: found };
      const { refused: status } = found;
      if (status < 300 || status === 408 || status === 429 || status >= 500)
        throw awayWith('about pushes', `it answered ${status}`);
      return { ok: false, status };
    },
    close: () => upstream.close(),
  };
}
