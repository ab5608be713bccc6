import type { z } from 'zod';
import { ERRORS, type ErrorCode, HoldpointError } from '../domain/errors.ts';
import { printable } from '../domain/printable.ts';
import { pageOf, problemSchema } from '../wire/api.ts';
import { JOB_HEADER } from '../wire/token-use.ts';

/** Where the hub is and who asks. */
export interface ClientOptions {
  /** Address of the hub without a trailing slash, e.g. `http://127.0.0.1:8094`. */
  readonly url: string;
  readonly token: string | null;
  /** Milliseconds for one request, answer included. */
  readonly timeoutMs: number;
  /** The command line runs inside a job of a CI system, and says so. */
  readonly inJob?: boolean;
}

export type Query = Readonly<Record<string, string | number | undefined>>;

/** The hub's HTTP API as the command line sees it; every call rejects with a HoldpointError. */
export interface HubClient {
  readonly url: string;
  /** What every request says of who sends it, the token included. */
  readonly headers: Readonly<Record<string, string>>;
  /** `path` begins with `/api/v1/`; the answer is checked against the schema. */
  get<T extends z.ZodType>(path: string, schema: T, query?: Query): Promise<z.output<T>>;
  post<T extends z.ZodType>(path: string, schema: T, body: unknown): Promise<z.output<T>>;
  put<T extends z.ZodType>(path: string, schema: T, body: unknown): Promise<z.output<T>>;
  remove<T extends z.ZodType>(path: string, schema: T): Promise<z.output<T>>;
  /** Every item of a paged list, in the hub's order, at most `maxItems`. */
  list<T extends z.ZodType>(path: string, item: T, query?: Query, maxItems?: number): Promise<z.output<T>[]>;
  /** The body as text chunks, for exports. */
  stream(path: string, query?: Query): AsyncIterable<string>;
}

/** A Hold with its canonical form (6 MiB at most), diff and history; more is no answer of a hub. */
const MAX_ANSWER_BYTES = 64 * 1024 * 1024;
/** The most that the hub gives at once. */
const PAGE_ITEMS = 100;
/** More than anybody reads; `export` has no such limit. */
const MAX_LIST_ITEMS = 10_000;

const CAUSES: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nothing listens there',
  ENOTFOUND: 'no such host',
  EAI_AGAIN: 'the name could not be looked up',
  ECONNRESET: 'the connection was cut',
  UND_ERR_SOCKET: 'the connection was cut',
  UND_ERR_CONNECT_TIMEOUT: 'no answer in time',
  TimeoutError: 'no answer in time',
};

/** An error that says that no hub answers, why, and what to do (exit 6). */
export function hubAway(url: string, cause: unknown): HoldpointError {
  const inner = (cause as { cause?: { code?: unknown; errors?: { code?: unknown }[] } } | null)?.cause;
  const code = inner?.code ?? inner?.errors?.[0]?.code ?? (cause as { code?: unknown; name?: unknown } | null)?.code;
  const name = (cause as { name?: unknown } | null)?.name;
  const why = CAUSES[String(code)] ?? CAUSES[String(name)] ?? (typeof code === 'string' ? code : 'no connection');
  const way = 'start one with "holdpoint agent", or name it with --hub or HOLDPOINT_HUB_URL';
  return new HoldpointError('hub_unreachable', `cannot reach the hub at ${url}: ${why}; ${way}`, { cause });
}

function isErrorCode(code: string): code is ErrorCode {
  return Object.hasOwn(ERRORS, code);
}

const BY_STATUS: Readonly<Record<number, ErrorCode>> = {
  400: 'bad_input',
  401: 'unauthenticated',
  403: 'forbidden',
  404: 'not_found',
  409: 'wrong_state',
  413: 'too_large',
  422: 'bad_input',
  429: 'rate_limited',
};

/** The error that a problem document stands for; anything else did not come from a hub. */
function problemError(url: string, status: number, text: string): HoldpointError {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    value = null;
  }
  const problem = problemSchema.safeParse(value);
  if (!problem.success) {
    const way = 'is this the address of a hub? Give it with --hub or HOLDPOINT_HUB_URL';
    return new HoldpointError('hub_unreachable', `${url} answers ${status}, but not as a hub does; ${way}`);
  }
  const { code, detail } = problem.data;
  return new HoldpointError(isErrorCode(code) ? code : (BY_STATUS[status] ?? 'internal'), printable(detail));
}

async function bodyText(response: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body ?? []) {
    size += chunk.byteLength;
    if (size > MAX_ANSWER_BYTES) {
      throw new HoldpointError('too_large', `the hub's answer is larger than ${MAX_ANSWER_BYTES} bytes; ask for less`);
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function understood<T extends z.ZodType>(url: string, path: string, schema: T, text: string): z.output<T> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new HoldpointError('internal', `${url}${path} answered no JSON; is this the address of a hub?`);
  }
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  const where = printable(issue?.path.join('.') ?? '');
  const way = 'hub and command line are of different versions: use the same';
  throw new HoldpointError('internal', `the hub's answer to ${path} was not understood at "${where}"; ${way}`);
}

/** A client over the built-in fetch; it never follows a redirect, so that the token goes nowhere else (T24). */
export function createHubClient(options: ClientOptions): HubClient {
  const { url, token, timeoutMs, inJob = false } = options;
  const own: Record<string, string> = {
    'user-agent': 'holdpoint-cli',
    ...(token !== null && { authorization: `Bearer ${token}` }),
    // A token of a person that a job can use lets the job decide on itself: the hub notes it (T24).
    ...(inJob && { [JOB_HEADER]: '1' }),
  };

  async function ask(
    method: 'GET' | 'POST' | 'PUT' | 'DELETE',
    path: string,
    query: Query,
    body?: unknown,
  ): Promise<Response> {
    const target = new URL(url + path);
    for (const [name, value] of Object.entries(query)) {
      if (value !== undefined) target.searchParams.set(name, String(value));
    }
    const headers: Record<string, string> = { ...own, accept: 'application/json' };
    if (body !== undefined) headers['content-type'] = 'application/json';
    const response = await fetch(target, {
      method,
      headers,
      redirect: 'manual',
      signal: AbortSignal.timeout(timeoutMs),
      ...(body !== undefined && { body: JSON.stringify(body) }),
    }).catch((error: unknown) => {
      throw hubAway(url, error);
    });
    if (response.status >= 300 && response.status < 400) {
      await response.body?.cancel();
      const way = 'a redirect is not followed with a token; give the address it leads to with --hub';
      throw new HoldpointError('hub_unreachable', `${url} answers with a redirect; ${way}`);
    }
    if (!response.ok) throw problemError(url, response.status, await readAll(response));
    return response;
  }

  const readAll = (response: Response): Promise<string> =>
    bodyText(response).catch((error: unknown) => {
      throw error instanceof HoldpointError ? error : hubAway(url, error);
    });

  const get: HubClient['get'] = async (path, schema, query = {}) =>
    understood(url, path, schema, await readAll(await ask('GET', path, query)));

  return {
    url,
    headers: own,
    get,
    post: async (path, schema, body) => understood(url, path, schema, await readAll(await ask('POST', path, {}, body))),
    put: async (path, schema, body) => understood(url, path, schema, await readAll(await ask('PUT', path, {}, body))),
    remove: async (path, schema) => understood(url, path, schema, await readAll(await ask('DELETE', path, {}))),
    list: async (path, item, query = {}, maxItems = MAX_LIST_ITEMS) => {
      const items: z.output<typeof item>[] = [];
      const seen = new Set<string>();
      for (let cursor = query.cursor; ; ) {
        const page = (await get(path, pageOf(item), { limit: PAGE_ITEMS, ...query, cursor })) as {
          items: z.output<typeof item>[];
          next_cursor: string | null;
        };
        items.push(...page.items);
        // A cursor that comes back again would be asked for without end.
        if (page.next_cursor === null || seen.has(page.next_cursor) || items.length >= maxItems) break;
        seen.add(page.next_cursor);
        cursor = page.next_cursor;
      }
      return items.slice(0, maxItems);
    },
    stream: async function* (path, query = {}) {
      const response = await ask('GET', path, query);
      const decoder = new TextDecoder();
      try {
        for await (const chunk of response.body ?? []) yield decoder.decode(chunk, { stream: true });
      } catch (error) {
        throw hubAway(url, error);
      }
      yield decoder.decode();
    },
  };
}
