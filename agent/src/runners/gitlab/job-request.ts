/** Workhorse takes 32 KiB of a jobs/request (413 above); twice that is room for what later runners add. */
export const MAX_JOB_REQUEST_BYTES = 64 * 1024;

/** A terminal or a proxy into an approved job is a way around its approval (T46); two-phase commit changes who has it when. */
const OFF = ['session', 'terminal', 'proxy', 'two_phase_job_commit'] as const;

/** A request of a runner with its token, or the answer that says what is wrong with it. */
export type RunnerBody =
  | { readonly ok: true; readonly token: string; readonly body: Record<string, unknown> }
  | { readonly ok: false; readonly status: 400 | 415; readonly message: string };

/**
 * Reads the JSON body of an endpoint that takes a runner's token. Another content type is refused, since GitLab would
 * read `session[url]=` out of a form; header and body must name the same token.
 */
export function readRunnerBody(
  bytes: Uint8Array,
  contentType: string | undefined,
  header: string | undefined,
): RunnerBody {
  if (!/^application\/json\s*(;.*)?$/i.test(contentType ?? '')) {
    return { ok: false, status: 415, message: '415 Unsupported Media Type: wanted application/json' };
  }
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    return { ok: false, status: 400, message: '400 Bad request: the body is not JSON' };
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    return { ok: false, status: 400, message: '400 Bad request: the body is not a JSON object' };
  }
  const body = value as Record<string, unknown>;
  const { token } = body;
  if (typeof token !== 'string' || token === '') {
    return { ok: false, status: 400, message: '400 Bad request: token is missing' };
  }
  if (header !== undefined && header !== token) {
    return { ok: false, status: 400, message: '400 Bad request: RUNNER-TOKEN and token differ' };
  }
  return { ok: true, token, body };
}

/** The body that goes to GitLab: without `session`, with the features that lead into a running job switched off. */
export function rewriteJobRequest(body: Record<string, unknown>): Record<string, unknown> {
  const { session: _session, ...rest } = body;
  const { info } = rest;
  if (typeof info !== 'object' || info === null || Array.isArray(info)) return rest;
  const { features } = info as Record<string, unknown>;
  if (typeof features !== 'object' || features === null || Array.isArray(features)) return rest;
  const off = Object.fromEntries(OFF.map((name) => [name, false]));
  return { ...rest, info: { ...info, features: { ...features, ...off } } };
}
