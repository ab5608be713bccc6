import { execFileSync, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** What stands at a path: text or bytes, an executable, a link's target, a submodule's commit. */
export type TreeContent =
  | string
  | Uint8Array
  | { readonly executable: string }
  | { readonly link: string }
  | { readonly submodule: string };

/** Repositories behind git's own HTTP server, on disk until `close`. */
export interface GitRepositories {
  /** Writes a commit without history; the answer is its id. `objectFormat` counts for the first commit of a repository. */
  commit(path: string, files: Readonly<Record<string, TreeContent>>, objectFormat?: 'sha1' | 'sha256'): string;
  /** A setting of the repository's own, as its owner may have made. */
  configure(path: string, key: string, value: string): void;
  folderOf(path: string): string;
  /** Serves a request below `/*.git/`; false for any other. The credential of each is kept. */
  handle(request: IncomingMessage, response: ServerResponse): boolean;
  /** Who may read, by user name and password; nobody is asked where there is none. */
  mayRead: (user: string, password: string) => boolean;
  readonly asked: { readonly method: string; readonly url: string; readonly authorization: string | null }[];
  close(): void;
}

const ENV = {
  PATH: process.env.PATH ?? '/usr/bin:/bin',
  HOME: '/nonexistent',
  GIT_CONFIG_NOSYSTEM: '1',
  GIT_CONFIG_GLOBAL: '/dev/null',
};

function modeOf(content: TreeContent): { mode: string; bytes: Uint8Array | null; commit: string | null } {
  const text = (value: string) => Buffer.from(value);
  if (typeof content === 'string') return { mode: '100644', bytes: text(content), commit: null };
  if (content instanceof Uint8Array) return { mode: '100644', bytes: content, commit: null };
  if ('executable' in content) return { mode: '100755', bytes: text(content.executable), commit: null };
  if ('link' in content) return { mode: '120000', bytes: text(content.link), commit: null };
  return { mode: '160000', bytes: null, commit: content.submodule };
}

/** As fast-import reads a path that is not plain; a byte that is no UTF-8 is written as `\xff` in the key. */
const quoted = (path: string): string =>
  `"${path
    .replace(/["\\]/g, (c) => `\\${c}`)
    .replaceAll('\n', '\\n')
    .replaceAll('\u00ff', '\\377')}"`;

/** An empty place for repositories. */
export function gitRepositories(): GitRepositories {
  const root = mkdtempSync(join(tmpdir(), 'holdpoint-git-server-'));
  const folderOf = (path: string): string => join(root, path);
  const run = (path: string, args: readonly string[], input?: Buffer): string =>
    execFileSync('git', ['-C', folderOf(path), ...args], { env: ENV, input, maxBuffer: 1 << 28 })
      .toString()
      .trim();
  const made = new Set<string>();
  const self: GitRepositories = {
    asked: [],
    mayRead: () => true,
    folderOf,
    configure: (path, key, value) => void run(path, ['config', key, value]),
    commit(path, files, objectFormat = 'sha1') {
      if (!made.has(path)) {
        mkdirSync(folderOf(path), { recursive: true });
        run(path, ['init', '--quiet', '--bare', `--object-format=${objectFormat}`]);
        // As GitLab's Gitaly serves them.
        for (const key of ['allowFilter', 'allowAnySHA1InWant']) run(path, ['config', `uploadpack.${key}`, 'true']);
        made.add(path);
      }
      const parts: Uint8Array[] = [];
      const say = (text: string) => parts.push(Buffer.from(text));
      say('commit refs/heads/main\ncommitter Zoë <zoe@example.com> 1700000000 +0000\ndata 6\nchange\ndeleteall\n');
      for (const [name, content] of Object.entries(files)) {
        const { mode, bytes, commit } = modeOf(content);
        if (bytes === null) say(`M ${mode} ${commit} ${quoted(name)}\n`);
        else {
          say(`M ${mode} inline ${quoted(name)}\ndata ${bytes.length}\n`);
          parts.push(bytes);
          say('\n');
        }
      }
      run(path, ['fast-import', '--quiet', '--force', '--date-format=raw'], Buffer.concat(parts));
      return run(path, ['rev-parse', 'refs/heads/main']);
    },
    handle(request, response) {
      const url = new URL(request.url ?? '/', 'http://git.invalid');
      if (!/\.git\//.test(url.pathname)) return false;
      const authorization = request.headers.authorization ?? null;
      self.asked.push({ method: request.method ?? 'GET', url: request.url ?? '/', authorization });
      const [user = '', ...rest] = Buffer.from((authorization ?? '').replace(/^Basic /, ''), 'base64')
        .toString()
        .split(':');
      if (!self.mayRead(user, rest.join(':'))) {
        request.resume();
        response.writeHead(401, { 'www-authenticate': 'Basic realm="GitLab"' }).end('HTTP Basic: Access denied');
        return true;
      }
      backend(root, url, request, response);
      return true;
    },
    close: () => rmSync(root, { recursive: true, force: true }),
  };
  return self;
}

/** One request through `git http-backend`. */
function backend(root: string, url: URL, request: IncomingMessage, response: ServerResponse): void {
  const child = spawn('git', ['http-backend'], {
    env: {
      ...ENV,
      GIT_PROJECT_ROOT: root,
      GIT_HTTP_EXPORT_ALL: '1',
      PATH_INFO: url.pathname,
      QUERY_STRING: url.search.slice(1),
      REQUEST_METHOD: request.method ?? 'GET',
      CONTENT_TYPE: request.headers['content-type'] ?? '',
      HTTP_CONTENT_ENCODING: String(request.headers['content-encoding'] ?? ''),
      GIT_PROTOCOL: String(request.headers['git-protocol'] ?? ''),
      REMOTE_ADDR: '127.0.0.1',
    },
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  request.pipe(child.stdin);
  child.stdin.on('error', () => {});
  let head: Buffer | null = Buffer.alloc(0);
  child.stdout.on('data', (part: Buffer) => {
    if (head === null) {
      response.write(part);
      return;
    }
    head = Buffer.concat([head, part]);
    const end = head.indexOf('\r\n\r\n');
    if (end === -1) return;
    const headers = Object.fromEntries(
      head
        .subarray(0, end)
        .toString()
        .split('\r\n')
        .map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1).trim()]),
    );
    const { Status: status = '200', ...others } = headers;
    response.writeHead(Number.parseInt(status, 10), others);
    response.write(head.subarray(end + 4));
    head = null;
  });
  child.on('close', () => response.end());
  response.on('close', () => child.kill('SIGKILL'));
}

/** A server that has nothing but repositories, or answers first what `instead` says. */
export async function startGitServer(
  instead?: (request: IncomingMessage, response: ServerResponse) => boolean,
): Promise<GitRepositories & { readonly url: string; stop(): Promise<void> }> {
  const repositories = gitRepositories();
  const server = createServer((request, response) => {
    if (instead?.(request, response) === true || repositories.handle(request, response)) return;
    response.writeHead(404).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return Object.assign(repositories, {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async stop() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      repositories.close();
    },
  });
}
