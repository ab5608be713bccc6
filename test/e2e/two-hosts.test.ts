import { spawn } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Writable } from 'node:stream';
import { afterEach, describe, expect, it } from 'vitest';
import { startFakeGitlab } from '../support/fake-gitlab.ts';
import { HOLDPOINT } from '../support/holdpoint-process.ts';
import { eventually } from '../support/hub-server.ts';
import { canMakeNamespaces, OUTER } from '../support/namespaces.mjs';
import { startPostgres } from '../support/postgres.ts';
import { startScriptedRunner } from '../support/scripted-runner.ts';
import { ROOT } from '../support/source-files.ts';

/** The commands of the walk-through as the page has them. */
function pageCommands(): string {
  const page = readFileSync(join(ROOT, 'agent/docs/hub.md'), 'utf8');
  return /## Two hosts and a hub on one machine[\s\S]*?```sh\n([\s\S]*?)```/.exec(page)![1]!;
}
const zoe = { id: 9, username: 'zoe', name: 'Zoë Müller' };
const fixture = (name: string) => readFileSync(join(ROOT, 'test/fixtures/gitlab', `${name}.json`), 'utf8');
/** Takes connections at the first address and passes them on to the second; a number is a port, all else a socket of the file system. */
const RELAY = `const net = require('node:net');
const [from, to] = process.argv.slice(2).map((place) => (/^\\d+$/.test(place) ? Number(place) : place));
net.createServer((a) => { const b = net.connect(to); a.pipe(b).pipe(a); a.on('error', () => b.destroy()); b.on('error', () => a.destroy()); })
  .listen(from);`;

const stops: (() => unknown)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop();
});

/** The same in this process, which is outside; the answer is the port. */
function relay(from: string | number, to: string | number): Promise<number> {
  const server = createServer((socket) => {
    const other = typeof to === 'number' ? connect(to, '127.0.0.1') : connect(to);
    socket.pipe(other).pipe(socket);
    socket.on('error', () => other.destroy());
    other.on('error', () => socket.destroy());
  });
  stops.push(() => server.close());
  return new Promise((resolve) => {
    const up = (): void => {
      const address = server.address();
      resolve(typeof address === 'object' && address !== null ? address.port : 0);
    };
    if (typeof from === 'number') server.listen(from, '127.0.0.1', up);
    else server.listen(from, up);
  });
}

/** A shell with a network, mounts and processes of its own, in which nothing of this machine can be touched; all of it ends with it. */
function openShell(folder: string, env: Record<string, string>) {
  const script = 'mount -t tmpfs tmpfs /run; ip link set lo up; while read -r file <&3; do . "./$file"; done';
  const shell = spawn('unshare', [...OUTER, 'bash', '-c', script], {
    cwd: folder,
    env,
    stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
  });
  const gone = new Promise((resolve) => shell.once('close', resolve));
  stops.push(() => shell.kill('SIGKILL') && gone);
  let said = '';
  for (const stream of [shell.stdout!, shell.stderr!]) stream.on('data', (part) => (said += part));
  let count = 0;
  return {
    said: () => said,
    /** Runs commands in it, as somebody would type them one after the other; what they print comes back. Rejects when one fails. */
    async type(commands: string, logs: () => string = () => ''): Promise<string> {
      const file = `typed-${++count}`;
      // In the very shell, so that its variables and jobs stay; -e would end it, so the first that fails is told by a trap.
      writeFileSync(
        join(folder, file),
        `set -Eu -o pipefail\ntrap 'echo "::${file} failed: $BASH_COMMAND"' ERR\n${commands}\ntrap - ERR\necho '::${file} done'\n`,
      );
      const from = said.length;
      (shell.stdio[3] as Writable).write(`${file}\n`);
      const words = () => said.slice(from);
      await eventually(
        () => ({ words: words(), logs: logs(), ended: shell.exitCode }),
        ({ words: text, ended }) => {
          if (ended !== null || text.includes(`::${file} failed`))
            throw new Error(`the page failed: ${text}\n${logs()}`);
          return text.includes(`::${file} done`);
        },
        60_000,
      );
      return words().replace(`::${file} done\n`, '');
    },
  };
}

describe.skipIf(!canMakeNamespaces())(
  'two hosts and a hub on one machine (in namespaces of their own)',
  { timeout: 90_000 },
  () => {
    it('as the page has it, word by word: a job of each waits in one inbox, and is resumed on its host', async () => {
      const folder = mkdtempSync(join(tmpdir(), 'holdpoint-two-hosts-'));
      stops.push(() => rmSync(folder, { recursive: true, force: true }));
      const gitlab = await startFakeGitlab({});
      stops.push(() => gitlab.close());
      const server = await startPostgres();
      stops.push(() => server.remove());
      const store = new URL((await server.database()).url);
      // What is outside, at the addresses that the hosts know: through the file system, since no network leads there.
      await relay(join(folder, 'gitlab.sock'), Number(new URL(gitlab.url).port));
      await relay(join(folder, 'postgres.sock'), Number(store.port));
      store.port = '5432';
      writeFileSync(join(folder, 'relay.cjs'), RELAY);
      writeFileSync(join(folder, 'holdpoint'), `#!/bin/sh\nexec ${process.execPath} ${HOLDPOINT} "$@"\n`);
      chmodSync(join(folder, 'holdpoint'), 0o755);
      const node = `${process.execPath} relay.cjs`;
      const shell = openShell(folder, { PATH: `${folder}:${process.env.PATH ?? ''}`, HOME: folder });
      await shell.type(`${node} 8929 gitlab.sock &\n${node} 5432 postgres.sock &`);

      const tokens = [gitlab.runnerToken('build-1'), gitlab.runnerToken('build-2')] as const;
      const given: Readonly<Record<string, string>> = {
        'GITLAB=https://gitlab.example.com': 'GITLAB=http://10.77.0.1:8929',
        'STORE=postgres://holdpoint@127.0.0.1:5432/holdpoint': `STORE=${store.href}`,
        'TOKEN_1=glrt-of-one-runner TOKEN_2=glrt-of-another': `TOKEN_1=${tokens[0]} TOKEN_2=${tokens[1]}`,
      };
      let script = pageCommands();
      for (const [word, value] of Object.entries(given)) {
        expect(script).toContain(word);
        script = script.replace(word, value);
      }
      const logs = () =>
        ['hub', 'build-1', 'build-2']
          .map((name) => join(folder, `${name}.log`))
          .map((file) => (existsSync(file) ? readFileSync(file, 'utf8').slice(-1_500) : ''))
          .join('\n');
      expect(await shell.type(script, logs)).toMatch(/build-1 +connected[\s\S]*build-2 +connected/);

      // A runner of this process reaches the gateway, which is on loopback of its host, in the same way.
      const jobs: number[] = [];
      for (const [i, token] of tokens.entries()) {
        const socket = join(folder, `gateway-${i + 1}.sock`);
        await shell.type(`ip netns exec build-${i + 1} ${node} ${socket} 8093 &`);
        await eventually(
          () => existsSync(socket),
          (up) => up,
          10_000,
        );
        const url = `http://127.0.0.1:${await relay(0, socket)}`;
        const runner = startScriptedRunner({ url, token, version: '18.5', exec: 'none' });
        stops.push(() => runner.stop());
        jobs.push(
          gitlab.enqueue(fixture(i === 0 ? 'test-unit.run1' : 'deploy-production.run1'), { runner: token, user: zoe }),
        );
      }
      for (const job of jobs)
        await gitlab.until(`job ${job} parked`, () => gitlab.job(job).trace.includes('/holds/'), 30_000);
      const listed = await shell.type('holdpoint holds list --json');
      const { items } = JSON.parse(listed.trim().split('\n').at(-1)!) as {
        items: { id: number; digest: string; runner: string }[];
      };
      expect(items.map(({ runner }) => runner).sort()).toEqual(['build-1', 'build-2']);
      await shell.type(items.map(({ id, digest }) => `holdpoint approve ${id} --digest ${digest}`).join('\n'));
      for (const job of jobs) await gitlab.until(`job ${job}`, () => gitlab.job(job).status === 'success', 30_000);
    });
  },
);
