import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A registry that speaks the distribution API for pulling, with tokens as GitLab's and Docker's want them. */
export interface FakeRegistry {
  /** As it stands in references: `127.0.0.1:PORT`. */
  readonly host: string;
  /** Puts a manifest behind a tag; the answer is its digest. */
  tag(name: string, content: string): string;
  /** Puts an image that an engine can run behind a tag, as one of an index for several platforms; the answer is the index's digest. */
  image(name: string, layer: Uint8Array, config: object): string;
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
const MANIFEST = 'application/vnd.oci.image.manifest.v1+json';
const digestOf = (text: string | Uint8Array): string => `sha256:${createHash('sha256').update(text).digest('hex')}`;

/** Starts it on a free port of the loopback. */
export async function startFakeRegistry(): Promise<FakeRegistry> {
  const manifests = new Map<string, { readonly type: string; readonly text: string }>();
  const blobs = new Map<string, Uint8Array>();
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
      manifests.set(name, { type: TYPE, text: manifest });
      return digestOf(manifest);
    },
    image(name, layer, config) {
      const repository = name.replace(/:[^:]*$/, '');
      const blob = (mediaType: string, bytes: Uint8Array) => {
        blobs.set(digestOf(bytes), bytes);
        return { mediaType, digest: digestOf(bytes), size: bytes.length };
      };
      const put = (type: string, content: object, ...under: string[]) => {
        const text = JSON.stringify({ schemaVersion: 2, mediaType: type, ...content });
        for (const key of [...under, `${repository}:${digestOf(text)}`]) manifests.set(key, { type, text });
        return { mediaType: type, digest: digestOf(text), size: text.length };
      };
      const architecture = process.arch === 'x64' ? 'amd64' : process.arch;
      const rootfs = { type: 'layers', diff_ids: [digestOf(layer)] };
      const own = Buffer.from(JSON.stringify({ architecture, os: 'linux', config, rootfs }));
      const manifest = put(MANIFEST, {
        config: blob('application/vnd.oci.image.config.v1+json', own),
        layers: [blob('application/vnd.oci.image.layer.v1.tar', layer)],
      });
      // Of another platform nobody has anything here: it must not be asked for.
      const other = {
        mediaType: MANIFEST,
        digest: digestOf('other'),
        size: 5,
        platform: { architecture: 's390x', os: 'linux' },
      };
      const index = put(TYPE, { manifests: [other, { ...manifest, platform: { architecture, os: 'linux' } }] }, name);
      return index.digest;
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
    const [, name, kind, reference = ''] = /^\/v2\/(.+)\/(manifests|blobs)\/([^/]+)$/.exec(url.pathname) ?? [];
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
    if (url.pathname === '/v2/') {
      response.writeHead(200).end('{}');
      return;
    }
    const blob = kind === 'blobs' ? blobs.get(reference) : undefined;
    if (blob !== undefined) {
      response.writeHead(200, { 'content-type': 'application/octet-stream', 'content-length': blob.length }).end(blob);
      return;
    }
    const manifest = kind === 'blobs' ? undefined : manifests.get(`${name}:${reference}`);
    if (manifest === undefined || !String(request.headers.accept ?? '').includes(manifest.type)) {
      response.writeHead(404).end('{}');
      return;
    }
    const told = self.isTerse ? {} : { 'docker-content-digest': digestOf(manifest.text) };
    response.writeHead(200, { 'content-type': manifest.type, 'content-length': manifest.text.length, ...told });
    response.end(request.method === 'HEAD' ? undefined : manifest.text);
  }
  return self;
}
