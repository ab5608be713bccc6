import type { Loose, TestHub } from './hub-server.ts';

/** A browser as far as the hub can tell: it keeps cookies, says where a request comes from, and follows nothing by itself. */
export interface BrowserClient {
  /** Its cookies by name. */
  readonly cookies: Map<string, string>;
  /** The whole text of each `Set-Cookie` it was sent, by name. */
  readonly set: Map<string, string>;
  /** What `GET /api/v1/session` gave for the header that guards unsafe methods. */
  csrf: string | null;
  fetch(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Reply>;
  /** Signs in with a token, as the page does. */
  signIn(token: string, user?: string): Promise<Reply>;
  /** A copy with the same cookies, as a second tab or a thief has it. */
  copy(): BrowserClient;
}
export interface Reply {
  readonly status: number;
  readonly body: Loose;
  readonly headers: Headers;
}

/** A browser that has the page open; `origin` is where the page is. */
export function browserClient(hub: Pick<TestHub, 'url'>, origin: string = hub.url): BrowserClient {
  const cookies = new Map<string, string>();
  const set = new Map<string, string>();
  const client: BrowserClient = {
    cookies,
    set,
    csrf: null,
    async fetch(method, path, body, headers = {}) {
      const response = await fetch(`${hub.url}${path}`, {
        method,
        redirect: 'manual',
        headers: {
          ...(cookies.size > 0 && { cookie: [...cookies].map(([name, value]) => `${name}=${value}`).join('; ') }),
          ...(method !== 'GET' && { origin, 'sec-fetch-site': 'same-origin' }),
          ...(client.csrf !== null && { 'x-holdpoint-csrf': client.csrf }),
          ...(body !== undefined && { 'content-type': 'application/json' }),
          ...headers,
        },
        ...(body !== undefined && { body: JSON.stringify(body) }),
      });
      for (const text of response.headers.getSetCookie()) {
        const [, name, value] = /^([^=]+)=([^;]*)/.exec(text)!;
        set.set(name!, text);
        if (/; Max-Age=0/i.test(text)) cookies.delete(name!);
        else cookies.set(name!, decodeURIComponent(value!));
      }
      const text = await response.text();
      const json = /[/+]json(;|$)/.test(response.headers.get('content-type') ?? '');
      return { status: response.status, body: json ? JSON.parse(text) : text, headers: response.headers };
    },
    async signIn(token, user) {
      const reply = await client.fetch('POST', '/api/v1/session', { token, ...(user !== undefined && { user }) });
      if (reply.status === 201) client.csrf = String(reply.body.csrf);
      return reply;
    },
    copy() {
      const other = browserClient(hub, origin);
      for (const [name, value] of cookies) other.cookies.set(name, value);
      other.csrf = client.csrf;
      return other;
    },
  };
  return client;
}
