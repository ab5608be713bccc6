import { execFileSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { FilesRead } from '../../agent/src/domain/covered-files.ts';
import type { Repository } from '../../agent/src/ports/repository.ts';
import { gitEnvironment } from '../../agent/src/system/git/process.ts';
import { gitRepository } from '../../agent/src/system/git/repository.ts';
import { startGitServer, type TreeContent } from '../support/git-server.ts';

const PATH = 'acme/api.git';
const TOKEN = 'glcbt-64_secret-of-the-job';
const sha256 = (text: string | Uint8Array): string => createHash('sha256').update(text).digest('hex');

let server: Awaited<ReturnType<typeof startGitServer>>;
let elsewhere: Server;
const leaked: (string | undefined)[] = [];
let redirects = false;
let folder: string;
let repository: Repository;

beforeAll(async () => {
  elsewhere = createServer((request, response) => {
    leaked.push(request.headers.authorization);
    response.writeHead(404).end();
  });
  await new Promise<void>((resolve) => elsewhere.listen(0, '127.0.0.1', resolve));
  server = await startGitServer((request, response) => {
    if (!redirects) return false;
    const { port } = elsewhere.address() as AddressInfo;
    request.resume();
    response.writeHead(302, { location: `http://127.0.0.1:${port}${request.url}` }).end();
    return true;
  });
  folder = mkdtempSync(join(tmpdir(), 'holdpoint-repositories-'));
  repository = gitRepository({ folder });
});
afterAll(async () => {
  await server.stop();
  await new Promise((resolve) => elsewhere.close(resolve));
  rmSync(folder, { recursive: true, force: true });
});
afterEach(() => {
  redirects = false;
  server.mayRead = (user, password) => user === 'gitlab-ci-token' && password === TOKEN;
  // Whatever happened, nothing of it is left on the disk.
  expect(readdirSync(folder)).toEqual([]);
});

function read(commit: string, patterns: readonly string[], more: { url?: string; password?: string } = {}) {
  server.mayRead = (user, password) => user === 'gitlab-ci-token' && password === TOKEN;
  const url = more.url ?? `${server.url}/${PATH}`;
  return repository.read({
    url,
    username: 'gitlab-ci-token',
    password: more.password ?? TOKEN,
    ca: null,
    commit,
    patterns,
  });
}
const commit = (files: Record<string, TreeContent>) => server.commit(PATH, files);
function files(found: FilesRead) {
  if (!found.ok) throw new Error(found.reason);
  return found.files;
}

describe('files of a repository at a commit', () => {
  it('T5 are those that the patterns mean, with mode, SHA-256 and text', async () => {
    const secret = randomBytes(50_000);
    const at = commit({
      'deploy.sh': { executable: '#!/bin/sh\nkubectl apply\n' },
      'ansible/site.yml': '- hosts: all\n',
      'ansible/roles/web/main.yml': '',
      'ansible/logo.png': new Uint8Array([0x89, 0x50, 0, 1]),
      'src/big.bin': secret,
      Makefile: 'all:\n',
    });
    const found = files(await read(at, ['deploy.sh', 'ansible/**', 'makefile', 'absent']));
    expect(found.map(({ path }) => path).sort()).toEqual([
      'Makefile',
      'ansible/logo.png',
      'ansible/roles/web/main.yml',
      'ansible/site.yml',
      'deploy.sh',
    ]);
    const text = '#!/bin/sh\nkubectl apply\n';
    expect(found.find(({ path }) => path === 'deploy.sh')).toEqual({
      ...{ kind: 'file', path: 'deploy.sh', executable: true },
      ...{ sha256: sha256(text), bytes: text.length, text },
    });
    expect(found.find(({ path }) => path === 'ansible/roles/web/main.yml')).toMatchObject({ bytes: 0, text: '' });
    expect(found.find(({ path }) => path === 'ansible/logo.png')).toMatchObject({ bytes: 4, text: null });
  });

  it('T5 links and submodules stand as such, one in place of a folder that a pattern means as well', async () => {
    const at = commit({
      'deploy.sh': { link: 'lib/real.sh' },
      'lib/real.sh': 'x',
      ansible: { link: '../outside' },
      'vendor/tool': { submodule: 'b'.repeat(40) },
      'docs/a.md': { link: 'deploy.sh' },
    });
    expect(files(await read(at, ['deploy.sh', 'ansible/**', 'vendor/tool/run.sh']))).toEqual([
      { kind: 'link', path: 'ansible', target: '../outside' },
      { kind: 'link', path: 'deploy.sh', target: 'lib/real.sh' },
      { kind: 'submodule', path: 'vendor/tool', commit: 'b'.repeat(40) },
    ]);
  });

  it('T5 bring the attributes by which git writes them into the work tree: the same content is another script by them', async () => {
    const script = 'set -e\n./check "$1"\nkubectl apply\n';
    const plain = commit({ 'ops/deploy.sh': script, 'docs/.gitattributes': '* eol=lf\n' });
    const windows = commit({ 'ops/deploy.sh': script, '.gitattributes': 'ops/deploy.sh text eol=crlf\n' });
    const clone = mkdtempSync(join(tmpdir(), 'holdpoint-checkout-'));
    const written = (at: string): string => {
      const env = { PATH: process.env.PATH, HOME: clone, GIT_INDEX_FILE: join(clone, `index-${at}`) };
      const place = ['--git-dir', server.folderOf(PATH), '--work-tree', join(clone, at)];
      mkdirSync(join(clone, at));
      execFileSync('git', [...place, 'checkout', '-f', at, '--', '.'], { env });
      return readFileSync(join(clone, at, 'ops/deploy.sh'), 'utf8');
    };
    try {
      // What no shell takes for `set -e`: from there on a check that fails stops nothing.
      expect([written(plain), written(windows)]).toEqual([script, script.replaceAll('\n', '\r\n')]);
    } finally {
      rmSync(clone, { recursive: true, force: true });
    }
    expect(files(await read(plain, ['ops/*.sh'])).map(({ path }) => path)).toEqual(['ops/deploy.sh']);
    const found = files(await read(windows, ['ops/*.sh']));
    expect(found.map(({ path }) => path).sort()).toEqual(['.gitattributes', 'ops/deploy.sh']);
    const deep = commit({
      'OPS/prod/run.sh': 'x\n',
      'ops/.GitAttributes': { link: '../shared' },
      'OPS/prod/.gitattributes': 'run.sh ident\n',
      'OPS/test/.gitattributes': '* ident\n',
      'ops/prod2/.gitattributes': '* ident\n',
    });
    expect(
      files(await read(deep, ['ops/prod/**']))
        .map(({ path }) => path)
        .sort(),
    ).toEqual(['OPS/prod/.gitattributes', 'OPS/prod/run.sh', 'ops/.GitAttributes']);
  });

  it('of a repository with SHA-256 ids are read as well', async () => {
    const at = server.commit('acme/new.git', { 'deploy.sh': 'echo\n' }, 'sha256');
    expect(at).toHaveLength(64);
    const found = files(await read(at, ['*.sh'], { url: `${server.url}/acme/new.git` }));
    expect(found).toMatchObject([{ path: 'deploy.sh', text: 'echo\n' }]);
  });

  it('T33 paths with line ends, quotes and other scripts are themselves, and one that is no UTF-8 is told', async () => {
    const at = commit({ 'scripts/a\nb.sh': '1', 'scripts/"ü\u202e".sh': '2', 'scripts/Ünï.sh': '3' });
    const found = files(await read(at, ['scripts/*.sh']));
    expect(found.map(({ path }) => path).sort()).toEqual(['scripts/"ü\u202e".sh', 'scripts/a\nb.sh', 'scripts/Ünï.sh']);
    const bad = commit({ 'scripts/\u00ff.sh': '1' });
    expect(await read(bad, ['scripts/*'])).toMatchObject({ ok: false, retry: false });
    expect(files(await read(bad, ['deploy.sh']))).toEqual([]);
  });

  it('T5 T25 run nothing: no hook, filter, fsmonitor, pager or helper of the repository or of the host', async () => {
    const trap = join(folder, '..', `holdpoint-trap-${process.pid}`);
    const script = `#!/bin/sh\necho ran >>${trap}\ncat\n`;
    const home = mkdtempSync(join(tmpdir(), 'holdpoint-home-'));
    const tool = join(home, 'tool.sh');
    writeFileSync(tool, script, { mode: 0o755 });
    const config = `[core]\n\tfsmonitor = ${tool}\n\thooksPath = ${home}\n\tsshCommand = ${tool}\n[credential]\n\thelper = ${tool}\n[filter "x"]\n\tsmudge = ${tool}\n[diff]\n\texternal = ${tool}\n`;
    writeFileSync(join(home, '.gitconfig'), config);
    for (const hook of ['post-checkout', 'reference-transaction', 'pre-auto-gc', 'post-index-change'])
      writeFileSync(join(home, hook), script, { mode: 0o755 });
    const kept = {
      HOME: process.env.HOME,
      GIT_SSH_COMMAND: process.env.GIT_SSH_COMMAND,
      GIT_ASKPASS: process.env.GIT_ASKPASS,
      GIT_CONFIG_GLOBAL: process.env.GIT_CONFIG_GLOBAL,
      GIT_EXTERNAL_DIFF: process.env.GIT_EXTERNAL_DIFF,
    };
    Object.assign(process.env, {
      HOME: home,
      GIT_SSH_COMMAND: tool,
      GIT_ASKPASS: tool,
      GIT_CONFIG_GLOBAL: join(home, '.gitconfig'),
      GIT_EXTERNAL_DIFF: tool,
    });
    try {
      const at = commit({
        '.gitattributes': '*.sh filter=x diff=x eol=crlf\n',
        '.gitmodules': `[submodule "a"]\n\tpath = a\n\turl = ext::${tool}\n`,
        a: { submodule: 'c'.repeat(40) },
        'hooks/post-checkout': { executable: script },
        '.lfsconfig': `[lfs]\n\turl = http://127.0.0.1:1/${tool}\n`,
        'deploy.sh': 'line\n',
        'big.dat': 'version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n',
      });
      const found = files(await read(at, ['*.sh', '*.dat', 'a']));
      expect(found.map((file) => (file.kind === 'file' ? file.text : file.kind)).sort()).toEqual([
        '*.sh filter=x diff=x eol=crlf\n',
        'line\n',
        'submodule',
        'version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n',
      ]);
      server.mayRead = () => false;
      const other = commit({ 'deploy.sh': 'other\n' });
      expect(await read(other, ['*.sh'], { password: 'wrong' })).toMatchObject({ ok: false });
      expect(existsSync(trap) ? readFileSync(trap, 'utf8') : '').toBe('');
    } finally {
      for (const [name, value] of Object.entries(kept))
        if (value === undefined) delete process.env[name];
        else process.env[name] = value;
      rmSync(home, { recursive: true, force: true });
      rmSync(trap, { force: true });
    }
  });

  it('T24 T32 the credential goes to the server that was named: a redirect elsewhere gets none, and no words repeat it', async () => {
    const at = commit({ 'deploy.sh': 'redirected\n' });
    redirects = true;
    const found = await read(at, ['deploy.sh']);
    expect(found).toMatchObject({ ok: false });
    // Nobody is asked there at all, with a credential or without.
    expect(leaked).toEqual([]);
    expect(JSON.stringify(found)).not.toContain(TOKEN);
  });

  it('T24 the credential stands on no command line, in no file and in no variable but the one that git reads', () => {
    const secret = Buffer.from(`gitlab-ci-token:${TOKEN}`).toString('base64');
    const remote = { url: `${server.url}/${PATH}`, username: 'gitlab-ci-token', password: TOKEN, caFile: null };
    const held = Object.entries(gitEnvironment({ folder: '/x', remote })).filter(([, value]) => value.includes(secret));
    expect(held).toHaveLength(1);
    const here = JSON.stringify(gitEnvironment({ folder: '/x', remote: null }));
    expect(here).not.toContain(secret);
    expect(here).not.toContain('remote.origin.url');
  });

  it('T30 a server that refuses, does not know the commit, is not there or hangs is told in words, and tried again where that may help', async () => {
    const at = commit({ 'deploy.sh': 'refused\n' });
    expect(await read(at, ['deploy.sh'], { password: 'wrong' })).toEqual({
      ok: false,
      retry: false,
      reason: 'the server does not let this job read the repository',
    });
    expect(await read('d'.repeat(40), ['deploy.sh'])).toMatchObject({ ok: false, retry: false });
    expect(await read('main', ['deploy.sh'])).toMatchObject({ ok: false, retry: false });
    expect(await read(at, ['deploy.sh'], { url: 'file:///etc/.git/x' })).toMatchObject({ ok: false, retry: false });
    expect(await read(at, ['deploy.sh'], { url: 'http://127.0.0.1:1/x.git' })).toMatchObject({
      ok: false,
      retry: true,
    });
    const hung = createServer(() => {});
    await new Promise<void>((resolve) => hung.listen(0, '127.0.0.1', resolve));
    const own = mkdtempSync(join(tmpdir(), 'holdpoint-repositories-'));
    const impatient = gitRepository({ folder: own, timeoutMs: 700 });
    const url = `http://127.0.0.1:${(hung.address() as AddressInfo).port}/x.git`;
    const late = await impatient.read({ url, username: 'u', password: 'p', ca: null, commit: at, patterns: ['a'] });
    expect(late).toEqual({ ok: false, retry: true, reason: 'it took longer than 0.7 seconds' });
    expect(readdirSync(own)).toEqual([]);
    rmSync(own, { recursive: true });
    hung.closeAllConnections();
    await new Promise((resolve) => hung.close(resolve));
  });

  it('T30 thousands of files, and one that is huge or unpacks to it, are refused in words', async () => {
    const many = Object.fromEntries(Array.from({ length: 1_200 }, (_, i) => [`many/${i}.sh`, 'x']));
    const at = commit({ ...many, 'zeros.bin': new Uint8Array(40 * 1024 * 1024), 'deploy.sh': 'small\n' });
    expect(await read(at, ['many/**'])).toMatchObject({ ok: false, reason: 'the patterns mean more than 1000 files' });
    expect(await read(at, ['zeros.bin'])).toMatchObject({ ok: false, reason: 'a covered file has more than 32 MiB' });
    expect(files(await read(at, ['deploy.sh', 'many/7.sh']))).toHaveLength(2);
  });

  it('T13 a server that lies about a content is found out: what has another id is not there', async () => {
    const honest = commit({ 'deploy.sh': 'honest content of the script\n' });
    // The object of the blob is replaced on the server by another of the same name.
    const objects = join(server.folderOf(PATH), 'objects');
    server.configure(PATH, 'core.compression', '0');
    const lying = await startGitServer();
    try {
      lying.mayRead = () => true;
      const at = lying.commit('x.git', { 'deploy.sh': 'honest content of the script\n' });
      expect(at).toBe(honest);
      const { execFileSync } = await import('node:child_process');
      const { deflateSync } = await import('node:zlib');
      const folderOf = lying.folderOf('x.git');
      const blob = execFileSync('git', ['-C', folderOf, 'rev-parse', `${at}:deploy.sh`])
        .toString()
        .trim();
      // Loose objects, so that one can be written over.
      const pack = readdirSync(join(folderOf, 'objects/pack')).find((name) => name.endsWith('.pack'));
      if (pack !== undefined) {
        const bytes = readFileSync(join(folderOf, 'objects/pack', pack));
        rmSync(join(folderOf, 'objects/pack'), { recursive: true, force: true });
        execFileSync('git', ['-C', folderOf, 'unpack-objects', '-q'], { input: bytes });
      }
      const path = join(folderOf, 'objects', blob.slice(0, 2), blob.slice(2));
      rmSync(path, { force: true });
      const evil = 'evil content, as long as the.. \n';
      writeFileSync(path, deflateSync(Buffer.from(`blob ${evil.length}\0${evil}`)));
      const found = await repository.read({
        ...{ url: `${lying.url}/x.git`, username: 'u', password: 'p', ca: null },
        ...{ commit: at, patterns: ['deploy.sh'] },
      });
      expect(found.ok).toBe(false);
    } finally {
      await lying.stop();
    }
    expect(existsSync(objects)).toBe(true);
  });

  it('T30 a server without partial clones gives no more than the limit, and the same answer', async () => {
    const at = commit({ 'deploy.sh': 'whole\n', 'other.bin': randomBytes(10_000) });
    server.configure(PATH, 'uploadpack.allowFilter', 'false');
    try {
      expect(files(await read(at, ['deploy.sh']))).toMatchObject([{ path: 'deploy.sh', text: 'whole\n' }]);
    } finally {
      server.configure(PATH, 'uploadpack.allowFilter', 'true');
    }
  });
});
