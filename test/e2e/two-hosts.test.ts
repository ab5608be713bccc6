import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, connect as openSocket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { startFakeGitlab } from '../support/fake-gitlab.ts';
import { HOLDPOINT } from '../support/holdpoint-process.ts';
import { eventually } from '../support/hub-server.ts';
import { startPostgres } from '../support/postgres.ts';
import { startScriptedRunner } from '../support/scripted-runner.ts';
import { ROOT } from '../support/source-files.ts';

const run = (command: string, ...args: string[]) => spawnSync(command, args, { encoding: 'utf8' });
/** Only root may make a network namespace, and not in every container. */
function canMakeNamespaces(): boolean {
  const name = `hp-test-${process.pid}`;
  const made = run('ip', 'netns', 'add', name).status === 0;
  if (made) run('ip', 'netns', 'del', name);
  return made;
}
/** The commands of the walk-through as the page has them. */
function pageCommands(): string {
  const page = readFileSync(join(ROOT, 'agent/docs/hub.md'), 'utf8');
  return /## Two hosts and a hub on one machine[\s\S]*?```sh\n([\s\S]*?)```/.exec(page)![1]!;
}
const zoe = { id: 9, username: 'zoe', name: 'Zoë Müller' };
const fixture = (name: string) => readFileSync(join(ROOT, 'test/fixtures/gitlab', `${name}.json`), 'utf8');
/** Inside a namespace its gateway is on loopback; a runner of this process reaches it from outside through this. */
const FORWARD = `const net = require('node:net');
net.createServer((a) => { const b = net.connect(8093, '127.0.0.1'); a.pipe(b).pipe(a); a.on('error', () => b.destroy()); b.on('error', () => a.destroy()); })
  .listen(9093, '0.0.0.0', () => console.log('forwards'));`;

const stops: (() => unknown)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop();
});

describe.skipIf(!canMakeNamespaces())(
  'two hosts and a hub on one machine (root with network namespaces)',
  { timeout: 120_000 },
  () => {
    it('as the page has it, word by word: a job of each waits in one inbox, and is resumed on its host', async () => {
      const gitlab = await startFakeGitlab({});
      stops.push(() => gitlab.close());
      const server = await startPostgres();
      stops.push(() => server.remove());
      const { url: store } = await server.database();
      const folder = mkdtempSync(join(tmpdir(), 'holdpoint-two-hosts-'));
      stops.push(() => rmSync(folder, { recursive: true, force: true }));
      stops.push(() => {
        for (const args of [
          ['netns', 'del', 'build-1'],
          ['netns', 'del', 'build-2'],
          // A namespace goes only when its last process has: its end of the wire must not stand in the way of the next run.
          ['link', 'del', 'hp1'],
          ['link', 'del', 'hp2'],
          ['link', 'del', 'hp0'],
        ])
          run('ip', ...args);
      });
      // GitLab as the hosts reach it: at the address of the machine.
      const relay = createServer((socket) => {
        const to = openSocket(Number(new URL(gitlab.url).port), '127.0.0.1');
        socket.pipe(to).pipe(socket);
        socket.on('error', () => to.destroy());
        to.on('error', () => socket.destroy());
      });
      const port = await new Promise<number>((resolve) =>
        relay.listen(0, '0.0.0.0', () => resolve((relay.address() as { port: number }).port)),
      );
      stops.push(() => relay.close());
      writeFileSync(join(folder, 'holdpoint'), `#!/bin/sh\nexec ${process.execPath} ${HOLDPOINT} "$@"\n`);
      chmodSync(join(folder, 'holdpoint'), 0o755);
      const tokens = [gitlab.runnerToken('build-1'), gitlab.runnerToken('build-2')] as const;
      const given: Readonly<Record<string, string>> = {
        'GITLAB=https://gitlab.example.com': `GITLAB=http://10.77.0.1:${port}`,
        'STORE=postgres://holdpoint@127.0.0.1:5432/holdpoint': `STORE=${store}`,
        'TOKEN_1=glrt-of-one-runner TOKEN_2=glrt-of-another': `TOKEN_1=${tokens[0]} TOKEN_2=${tokens[1]}`,
      };
      let script = pageCommands();
      for (const [word, value] of Object.entries(given)) {
        expect(script).toContain(word);
        script = script.replace(word, value);
      }
      const env = { PATH: `${folder}:${process.env.PATH ?? ''}`, HOME: folder };
      const shell = spawn('bash', ['-euo', 'pipefail', '-c', `${script}\nwait`], {
        cwd: folder,
        env,
        detached: true,
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      stops.push(() => ended(shell));
      let said = '';
      for (const stream of [shell.stdout, shell.stderr]) stream.on('data', (part) => (said += part));
      const logs = () =>
        ['hub', 'build-1', 'build-2']
          .map((name) => run('tail', '-n', '5', join(folder, `${name}.log`)).stdout)
          .join('\n');
      await eventually(
        () => ({ said, logs: logs() }),
        ({ said: text }) => {
          if (shell.exitCode !== null) throw new Error(`the page failed: ${text}\n${logs()}`);
          return /build-1 +connected[\s\S]*build-2 +connected/.test(text);
        },
        60_000,
      );

      const cli = (...args: string[]) => {
        const done = spawnSync('holdpoint', [...args, '--json'], {
          env: {
            ...env,
            HOLDPOINT_HUB_URL: 'https://10.77.0.1:8094',
            NODE_EXTRA_CA_CERTS: join(folder, 'hub.pem'),
            HOLDPOINT_TOKEN_FILE: join(folder, 'maria.token'),
          },
          encoding: 'utf8',
        });
        expect(done.status, done.stderr).toBe(0);
        return JSON.parse(done.stdout.trim().split('\n').at(-1) ?? '') as {
          items: { id: number; digest: string; job_id: number; runner: string }[];
        };
      };
      const jobs = [];
      for (const [i, token] of tokens.entries()) {
        const forward = spawn('ip', ['netns', 'exec', `build-${i + 1}`, process.execPath, '-e', FORWARD], {
          stdio: ['ignore', 'pipe', 'inherit'],
        });
        stops.push(() => forward.kill('SIGKILL'));
        await new Promise((resolve) => forward.stdout.once('data', resolve));
        const runner = startScriptedRunner({
          url: `http://10.77.0.1${i + 1}:9093`,
          token,
          version: '18.5',
          exec: 'none',
        });
        stops.push(() => runner.stop());
        jobs.push(
          gitlab.enqueue(fixture(i === 0 ? 'test-unit.run1' : 'deploy-production.run1'), { runner: token, user: zoe }),
        );
      }
      const { items } = await eventually(
        () => cli('holds', 'list'),
        ({ items: all }) => all.length === 2,
        30_000,
      );
      expect(items.map(({ runner }) => runner).sort()).toEqual(['build-1', 'build-2']);
      for (const { id, digest } of items) cli('approve', String(id), '--digest', digest);
      for (const job of jobs) await gitlab.until(`job ${job}`, () => gitlab.job(job).status === 'success', 30_000);
    });
  },
);

/** Ends a shell with all that it has started: its process group, and nothing else. */
function ended(shell: ChildProcess): Promise<unknown> {
  const gone = new Promise((resolve) => (shell.exitCode !== null ? resolve(null) : shell.once('exit', resolve)));
  try {
    process.kill(-shell.pid!, 'SIGKILL');
  } catch {
    // All of it is gone already.
  }
  return gone;
}
