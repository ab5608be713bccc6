import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type DemoIo, demo } from '../../agent/src/demo.ts';
import { ROOT, sourceFiles } from '../support/source-files.ts';

/** A machine of its own for the temporary folders, so that what is left behind is seen. */
let machine: string;
const before = process.env.TMPDIR;
beforeEach(() => {
  machine = mkdtempSync(join(tmpdir(), 'demo-test-'));
  process.env.TMPDIR = machine;
});
afterEach(() => {
  if (before === undefined) delete process.env.TMPDIR;
  else process.env.TMPDIR = before;
  rmSync(machine, { recursive: true, force: true });
});

interface Screen {
  readonly io: DemoIo;
  text(): string;
  stop(): void;
  press: (key: string) => void;
  /** Resolves when the screen shows this; rejects with what it shows after 30 s. */
  shows(pattern: RegExp): Promise<RegExpExecArray>;
}
function screen(terminal: boolean): Screen {
  const abort = new AbortController();
  let shown = '';
  let listener: ((key: string) => void) | null = null;
  const self: Screen = {
    io: {
      out: (text) => {
        shown += text;
      },
      stop: abort.signal,
      keys: terminal
        ? (listen) => {
            listener = listen;
            return () => {
              listener = null;
            };
          }
        : null,
    },
    text: () => shown,
    stop: () => abort.abort(),
    press: (key) => listener?.(key),
    async shows(pattern) {
      for (const deadline = Date.now() + 30_000; ; ) {
        const found = pattern.exec(shown);
        if (found !== null) return found;
        if (Date.now() > deadline) throw new Error(`wanted ${pattern}; the screen shows:\n${shown}`);
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    },
  };
  return self;
}
const WITH = { auto: false, color: false, keep: false };
const COMMAND =
  /HOLDPOINT_HUB_URL=(\S+) HOLDPOINT_TOKEN_FILE=(\S+) node \S+ approve (\d+) --digest (sha256:[0-9a-f]{64})/;

describe('what the demo needs of test/support', () => {
  it('runs without development packages', () => {
    const files = new Map(
      [...sourceFiles('agent/src'), ...sourceFiles('test/support')].map((file) => [file.path, file]),
    );
    const { dependencies } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { dependencies: object };
    const reached = new Set(['agent/src/demo.ts']);
    for (const path of reached)
      for (const name of files.get(path)?.imports ?? []) if (files.has(name)) reached.add(name);
    const packages = [...reached].flatMap((path) => files.get(path)?.imports.filter((name) => !files.has(name)) ?? []);
    const named = new Set(
      packages.filter((name) => !name.startsWith('node:')).map((name) => name.replace(/^((@[^/]+\/)?[^/]+).*/, '$1')),
    );
    expect(reached).toContain('test/support/fake-gitlab/server.ts');
    expect(named).toContain('node-pty');
    expect([...named].filter((name) => !Object.hasOwn(dependencies, name))).toEqual([]);
  });
});

describe('the demo', () => {
  it('--auto approves by itself, checks the outcome and leaves nothing behind', { timeout: 60_000 }, async () => {
    const on = screen(false);
    const exit = await demo({ ...WITH, auto: true }, on.io);
    expect(on.text()).toContain('All checks passed');
    expect(exit).toBe(0);
    expect(on.text()).toContain('waiting_for_approval → pending → running → success');
    expect(on.text()).toContain('| fetching https://evil.example.net/x.sh and handing it to a shell');
    expect(on.text()).not.toContain('\u001b');
    expect(on.text().split('\n').length).toBeLessThan(30);
    expect(readdirSync(machine)).toEqual([]);
  });

  it('waits for a key, and runs the job once it is pressed', { timeout: 60_000 }, async () => {
    const on = screen(true);
    const over = demo({ ...WITH, color: true }, on.io);
    await on.shows(/Press a/);
    on.press('x');
    on.press('a');
    expect(await over).toBe(0);
    expect(on.text()).toContain('Resumed over the websocket');
    expect(on.text()).toContain('\u001b[32msuccess\u001b[0m');
  });

  it('shows the line that changed, and ends on q without having run it', { timeout: 60_000 }, async () => {
    const on = screen(true);
    const over = demo(WITH, on.io);
    await on.shows(/Press a/);
    expect(on.text()).toMatch(/- echo "rollout of deployment\/api[^\n]*\n {5}\+ echo "fetching https:/);
    on.press('q');
    expect(await over).toBe(0);
    expect(on.text()).toContain('it never ran');
    expect(on.text()).not.toContain('| fetching');
  });

  it('without a terminal prints a command that works, with a token that only its owner can read', {
    timeout: 60_000,
  }, async () => {
    const on = screen(false);
    const over = demo(WITH, on.io);
    const [, hub = '', file = '', hold, digest] = await on.shows(COMMAND);
    expect(on.text()).not.toContain('Press a');
    expect(statSync(file).mode & 0o777).toBe(0o600);
    const answer = await fetch(`${hub}/api/v1/holds/${hold}/approve`, {
      method: 'POST',
      headers: { authorization: `Bearer ${readFileSync(file, 'utf8').trim()}`, 'content-type': 'application/json' },
      body: JSON.stringify({ digest }),
    });
    expect(answer.status).toBe(200);
    expect(await over).toBe(0);
  });

  it('ends on Ctrl-C while it waits, with 130 and nothing left', { timeout: 60_000 }, async () => {
    const on = screen(false);
    const over = demo(WITH, on.io);
    await on.shows(COMMAND);
    on.stop();
    expect(await over).toBe(130);
    expect(on.text()).toContain('Stopped.');
    expect(readdirSync(machine)).toEqual([]);
  });

  it('fails with the reason when it takes longer than it may, and keeps its folder when asked', {
    timeout: 60_000,
  }, async () => {
    const on = screen(false);
    expect(await demo({ ...WITH, auto: true, keep: true, limitMs: 1 }, on.io)).toBe(1);
    expect(on.text()).toMatch(/The demo failed: not done within/);
    const [folder = ''] = readdirSync(machine);
    expect(readdirSync(join(machine, folder))).toContain('agent.yml');
  });
});
