import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A registry that speaks the distribution API for manifests, with tokens as GitLab's and Docker's want them. */
export interface FakeRegistry {
  /** As it stands in references: `127.0.0.1:PORT`. */
  readonly host: string;
  /** Puts a manifest behind a tag; the answer is its digest. */
  tag(name: string, content: string): string;
  /** Who may pull; null: everybody, without being asked. */
  users: Readonly<Record<string, string>> | null;
  /** How callers prove themselves; `realm`: where they are sent for a token, itself unless told otherwise. */
  auth: { readonly scheme: 'bearer' | 'basic'; readonly realm?: string };
  /** Answers HEAD without the digest, as some do. */
  isTerse: boolean;
  /** Status of every answer, null for the real one. */
  broken: number | null;
  readonly asked: { readonly method: string; readonly url: string; readonly authorization: string | null }[];
  close(): Promise<void>;
}

const TYPE = 'application/vnd.oci.image.index.v1+json';
const digestOf = (text: string): string => `sha256:${createHash('sha256').update(text).digest('hex')}`;

/** Starts it on a free port of the loopback. */
export async function startFakeRegistry(): Promise<FakeRegistry> {
  const manifests = new Map<string, string>();
  const tokens = new Map<string, string>();
  const server = createServer((request, response) => answer(request, response));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  const self: FakeRegistry = {
    host,
    users: null,
    auth: { scheme: 'bearer' },
    isTerse: false,
    broken: null,
    asked: [],
    tag(name, content) {
      const manifest = JSON.stringify({ schemaVersion: 2, mediaType: TYPE, manifests: [], annotations: { content } });
      manifests.set(name, manifest);
      return digestOf(manifest);
    },
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  const isUser = (authorization: string): boolean => {
    const [user = '', password] = Buffer.from(authorization.replace(/^Basic /, ''), 'base64')
      .toString()
      .split(':');
    return self.users !== null && self.users[user] === password;
  };
  function answer(request: IncomingMessage, response: ServerResponse): void {
    const url = new URL(request.url ?? '/', `http://${host}`);
    const authorization = request.headers.authorization ?? '';
    self.asked.push({ method: request.method ?? 'GET', url: request.url ?? '/', authorization: authorization || null });
    if (self.broken !== null) {
      response.writeHead(self.broken, { location: 'http://127.0.0.1:1/elsewhere' }).end();
      return;
    }
    if (url.pathname === '/token') {
      if (self.users !== null && !isUser(authorization)) {
        response.writeHead(401).end('{}');
        return;
      }
      const token = `token-${tokens.size}`;
      tokens.set(token, url.searchParams.get('scope') ?? '');
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ token }));
      return;
    }
    const [, name, reference] = /^\/v2\/(.+)\/manifests\/([^/]+)$/.exec(url.pathname) ?? [];
    const scope = tokens.get(authorization.replace(/^Bearer /, ''));
    const may =
      self.users === null ||
      (self.auth.scheme === 'basic' ? isUser(authorization) : scope === `repository:${name}:pull`);
    if (!may) {
      const realm = self.auth.realm ?? `http://${host}/token`;
      const bearer = `Bearer realm="${realm}",service="${host}",scope="repository:${name}:pull,push,delete"`;
      const challenge = self.auth.scheme === 'basic' ? 'Basic realm="registry"' : bearer;
      response.writeHead(401, { 'www-authenticate': challenge }).end('{}');
      return;
    }
    const manifest = manifests.get(`${name}:${reference}`);
    if (manifest === undefined || !String(request.headers.accept ?? '').includes(TYPE)) {
      response.writeHead(404).end('{}');
      return;
    }
    const told = self.isTerse ? {} : { 'docker-content-digest': digestOf(manifest) };
    response.writeHead(200, { 'content-type': TYPE, ...told });
    response.end(request.method === 'HEAD' ? undefined : manifest);
  }
  return self;
}
