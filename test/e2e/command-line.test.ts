import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { aHold, type FakeHub, startFakeHub } from '../support/fake-hub.ts';
import { HOLDPOINT, holdpoint } from '../support/holdpoint-process.ts';
import { ROOT } from '../support/source-files.ts';

let folder: string;
let hub: FakeHub;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'holdpoint-process-'));
  hub = await startFakeHub();
});
afterEach(async () => {
  await hub.close();
  rmSync(folder, { recursive: true, force: true });
});

/** Packages that a command line loads, as node's own coverage tells. */
async function packagesOf(...argv: string[]): Promise<string[]> {
  const { code, err } = await holdpoint(argv, { NODE_V8_COVERAGE: folder });
  expect(code, err).toBe(0);
  const urls = readdirSync(folder).flatMap((name) => {
    const { result } = JSON.parse(readFileSync(join(folder, name), 'utf8')) as { result: { url: string }[] };
    return result.map((script) => script.url);
  });
  const names = urls.flatMap((url) => /\/node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(url)?.[1] ?? []);
  expect(urls.some((url) => url.endsWith('/main.js'))).toBe(true);
  return [...new Set(names)].sort();
}

describe('a command loads what it needs', () => {
  it('--help and --version: the parser of the command line alone', async () => {
    expect(await packagesOf('--help')).toEqual(['commander']);
    expect(await packagesOf('--version')).toEqual(['commander']);
  });

  it('digest: no server, no database, no client', async () => {
    const packages = await packagesOf('digest', join(ROOT, 'test/fixtures/gitlab/test-unit.run1.json'));
    expect(packages).toEqual(['@noble/hashes', 'commander', 'fast-json-stable-stringify']);
  });

  it('holds: no server and no database', async () => {
    const packages = await packagesOf('holds', 'list', '--hub', hub.url);
    for (const heavy of ['fastify', 'better-sqlite3', 'undici', 'kysely', 'pino', 'ws'])
      expect(packages).not.toContain(heavy);
  });
});

/** Starts a command whose output somebody reads, and gives what they need. */
function start(argv: readonly string[]) {
  const child = spawn(process.execPath, [HOLDPOINT, ...argv], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: process.env.PATH },
  });
  let err = '';
  child.stderr.on('data', (chunk: Buffer) => {
    err += chunk.toString();
  });
  const ended = new Promise<{ code: number | null; err: string }>((resolve) =>
    child.on('close', (code) => resolve({ code, err })),
  );
  return { child, ended };
}

describe('the process', () => {
  it('ends cleanly when nobody reads on: "holdpoint … | head" (EPIPE)', async () => {
    const long = 'x'.repeat(2_000_000);
    hub.holds.set(1, aHold(1, { reason: 'y'.repeat(60_000), configuration: { form: 'x', long } }));
    const { child, ended } = start(['holds', 'show', '1', '--hub', hub.url]);
    child.stdout.once('data', () => child.stdout.destroy());
    expect(await ended).toEqual({ code: 0, err: '' });
  });

  it('writes all of a long answer before it ends', async () => {
    hub.holds.set(1, aHold(1, { configuration: { form: 'x', long: 'x'.repeat(3_000_000) } }));
    const { code, out } = await holdpoint(['holds', 'show', '1', '--json', '--hub', hub.url]);
    expect(code).toBe(0);
    expect(JSON.parse(out).configuration.long).toHaveLength(3_000_000);
  });

  it.each(['SIGINT', 'SIGTERM'] as const)('ends "holds watch" with 0 on %s', async (signal) => {
    hub.holds.set(1, aHold(1));
    const { child, ended } = start(['holds', 'watch', '--hub', hub.url]);
    child.stdout.once('data', () => child.kill(signal));
    expect(await ended).toEqual({ code: 0, err: '' });
  });

  it('that waits for a hub which never answers is ended by Ctrl-C', async () => {
    const sockets: Socket[] = [];
    const silent = createServer((socket) => void sockets.push(socket));
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
    const { port } = silent.address() as { port: number };
    const { child, ended } = start(['holds', 'list', '--hub', `http://127.0.0.1:${port}`]);
    await new Promise((resolve) => silent.once('connection', resolve));
    child.kill('SIGINT');
    expect(await ended).toEqual({ code: null, err: '' });
    expect(child.signalCode).toBe('SIGINT');
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => silent.close(resolve));
  });

  it('ends with the exit code and one line on standard error', async () => {
    const unknown = await holdpoint(['frobnicate']);
    expect(unknown).toEqual({
      code: 2,
      out: '',
      err: 'holdpoint: there is no command "frobnicate"; "holdpoint --help" lists them\n',
    });
    const config = await holdpoint(['agent', '--config', '/nowhere/agent.yml', '--json']);
    expect([config.code, JSON.parse(config.err).error.code]).toEqual([2, 'bad_config']);
  });
});
