import { expect } from 'vitest';
import type { TokenScope } from '../../agent/src/domain/token.ts';
import type { Loose } from './gitlab-clients/client.ts';
import type { TestHub } from './hub-server.ts';

/** An answer of GitLab's API. */
export interface V4Said {
  readonly status: number;
  readonly body: Loose;
  readonly headers: Headers;
}
/** What is sent: one of the ways in which GitLab takes a body. */
export type Sent =
  | { readonly json: unknown }
  | { readonly form: string }
  | { readonly multipart: Readonly<Record<string, string>> | FormData }
  | { readonly raw: string; readonly type: string };

/** One person asking /api/v4 of a hub. */
export interface Asker {
  ask(method: string, path: string, sent?: Sent): Promise<V4Said>;
  get(path: string): Promise<V4Said>;
  post(path: string, json?: unknown): Promise<V4Said>;
  put(path: string, json: unknown): Promise<V4Said>;
  remove(path: string): Promise<V4Said>;
}

function requestOf(sent: Sent | undefined): { headers: Record<string, string>; body?: string | FormData } {
  if (sent === undefined) return { headers: {} };
  if ('json' in sent) return { headers: { 'content-type': 'application/json' }, body: JSON.stringify(sent.json) };
  if ('form' in sent)
    return { headers: { 'content-type': 'application/x-www-form-urlencoded' }, body: encodeURI(sent.form) };
  if ('raw' in sent) return { headers: { 'content-type': sent.type }, body: sent.raw };
  const form = sent.multipart instanceof FormData ? sent.multipart : new FormData();
  if (!(sent.multipart instanceof FormData))
    for (const [name, value] of Object.entries(sent.multipart)) form.append(name, value);
  return { headers: {}, body: form };
}

/** A person with a token of these scopes. */
export async function asker(
  hub: TestHub,
  username: string,
  scopes: readonly TokenScope[] = ['read', 'approve', 'deploy'],
): Promise<Asker> {
  const token = await hub.token(username, scopes);
  const ask = async (method: string, path: string, sent?: Sent): Promise<V4Said> => {
    const { headers, body } = requestOf(sent);
    const response = await fetch(`${hub.url}/api/v4${path}`, {
      method,
      headers: { 'private-token': token, ...headers },
      ...(body === undefined ? {} : { body }),
    });
    const text = await response.text();
    if (text !== '') expect(response.headers.get('content-type')).toBe('application/json');
    return { status: response.status, body: text === '' ? ({} as Loose) : JSON.parse(text), headers: response.headers };
  };
  return {
    ask,
    get: (path) => ask('GET', path),
    post: (path, json) => ask('POST', path, json === undefined ? undefined : { json }),
    put: (path, json) => ask('PUT', path, { json }),
    remove: (path) => ask('DELETE', path),
  };
}

/** Elements of a list that came as JSON. */
export const listed = (value: Loose | undefined): Loose[] => Object.values(value ?? {});
