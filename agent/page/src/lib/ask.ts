import type { Problem } from '../../../src/wire/api.ts';
import { HubProblem } from './problem.ts';
import { session } from './who.ts';

/** The header that proves that a change was asked for by this page and by no other site (T23). */
const CSRF_HEADER = 'x-holdpoint-csrf';

function isProblem(value: unknown): value is Problem {
  return typeof value === 'object' && value !== null && 'code' in value && 'detail' in value;
}

async function failure(response: Response): Promise<HubProblem> {
  const body: unknown = await response.json().catch(() => null);
  if (isProblem(body)) return new HubProblem(body);
  const detail = `the hub answered with status ${response.status} and no reason`;
  return new HubProblem({ code: 'internal', status: response.status, detail });
}

/** One request to `/api/v1/`; rejects with a {@link HubProblem} when the hub refuses. */
export async function ask<T>(
  method: 'GET' | 'POST' | 'PUT' | 'DELETE',
  path: string,
  body?: object,
  signal?: AbortSignal,
): Promise<T> {
  const csrf = session.peek()?.csrf ?? null;
  const response = await fetch(`/api/v1/${path}`, {
    method,
    credentials: 'same-origin',
    cache: 'no-store',
    redirect: 'error',
    headers: {
      accept: 'application/json',
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...(method === 'GET' || csrf === null ? {} : { [CSRF_HEADER]: csrf }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    ...(signal === undefined ? {} : { signal }),
  });
  if (response.ok) return (await response.json()) as T;
  const problem = await failure(response);
  // Over meanwhile: the sign-in page takes over, and leads back here.
  const known = session.peek();
  if (response.status === 401 && known !== undefined && known.person !== null)
    session.value = { ...known, person: null, csrf: null, scopes: [] };
  throw problem;
}
