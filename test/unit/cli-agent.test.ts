import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { RunningAgent } from '../../agent/src/cli/parts.ts';
import type { AgentConfig } from '../../agent/src/config/load.ts';
import { HoldpointError } from '../../agent/src/domain/errors.ts';
import { firstLink } from '../../agent/src/wire/page-paths.ts';
import { type CliRun, runCli } from '../support/cli.ts';

let folder: string;
let done: string[];
let seen: AgentConfig | null;
let out: string;
let stop: AbortController;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'holdpoint-agent-'));
  writeFileSync(join(folder, 'principals.yaml'), 'users: []\n');
  writeFileSync(join(folder, 'agent.yml'), 'gitlab: {url: https://gitlab.example.com}\nprincipals: principals.yaml\n');
  done = [];
  seen = null;
  out = '';
  stop = new AbortController();
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** Runs `holdpoint agent` with parts that only note what is asked of them. */
function start(
  argv: readonly string[],
  bootstrapToken: string | null,
  startAgent?: () => Promise<RunningAgent>,
): Promise<CliRun> {
  const note = (word: string) => async () => void done.push(word);
  const agent: RunningAgent = {
    gatewayUrl: 'http://127.0.0.1:8093',
    hubUrl: 'http://127.0.0.1:8094',
    metricsUrl: null,
    left: () => ({ requests: 2, parked: 1, atMostMs: 55_000 }),
    bootstrapToken,
    firstLink: bootstrapToken === null ? null : firstLink('http://127.0.0.1:8094', bootstrapToken),
    alive: async () => {},
    stop: note('stop'),
  };
  const parts = {
    startAgent: async (config: AgentConfig) => {
      seen = config;
      done.push('start');
      return startAgent ? startAgent() : agent;
    },
    notifier: async () => ({
      ready: async (status: string) => void done.push(`ready ${status}`),
      stopping: async (status: string, atMostMs: number) => void done.push(`${status}, at most ${atMostMs} ms`),
    }),
  };
  const onOut = (text: string) => {
    out += text;
  };
  return runCli(['agent', '--config', join(folder, 'agent.yml'), ...argv], {
    parts,
    cwd: folder,
    stop: stop.signal,
    onOut,
  });
}

const STOPPING = 'stopping; 2 requests are finished first, 1 parked job stays for the next start, at most 75000 ms';
const READY = 'ready gateway http://127.0.0.1:8093, hub http://127.0.0.1:8094';

describe('holdpoint agent', () => {
  it('says in one line that it is ready and where, tells the service manager, and stops in order', async () => {
    const running = start([], null);
    await vi.waitFor(() => expect(done).toEqual(['start', READY]));
    expect(out).toBe('holdpoint: ready; gateway http://127.0.0.1:8093, hub http://127.0.0.1:8094\n');
    stop.abort();
    expect(await running).toMatchObject({ exit: 0, err: '' });
    expect(done).toEqual(['start', READY, STOPPING, 'stop']);
  });

  it('shows the one-time token, in a link that signs in and in the command that makes a token of your own (T24)', async () => {
    stop.abort();
    await start([], 'hp_one-time-token-of-a-test');
    expect(out.split('hp_one-time-token-of-a-test')).toHaveLength(3);
    expect(out).toContain('\n  http://127.0.0.1:8094/sign-in#first=hp_one-time-token-of-a-test\n');
    expect(out).toContain(
      'HOLDPOINT_TOKEN=hp_one-time-token-of-a-test holdpoint token create --hub http://127.0.0.1:8094 --user NAME --out FILE\n',
    );
    expect(out).toMatch(/within 15 minutes/);
  });

  it('is one object with --json', async () => {
    stop.abort();
    await start(['--json'], null);
    expect(JSON.parse(out)).toEqual({
      gateway_url: 'http://127.0.0.1:8093',
      hub_url: 'http://127.0.0.1:8094',
      metrics_url: null,
      bootstrap_token: null,
      sign_in_link: null,
    });
  });

  it('stops in order when the stop comes while it starts', async () => {
    stop.abort();
    expect(await start([], null)).toMatchObject({ exit: 0 });
    expect(done).toEqual(['start', READY, STOPPING, 'stop']);
  });

  it('has a flag for every scalar that reaches the configuration', async () => {
    stop.abort();
    const flags = {
      '--gitlab-url': 'https://other.example.com',
      '--gateway-listen': '[::1]:1',
      '--gateway-drain': '3s',
      '--metrics-listen': '127.0.0.1:3',
      '--trace-otlp-url': 'http://127.0.0.1:4318',
      '--hub-listen': '127.0.0.1:2',
      '--hub-external-url': 'https://hub.example.com',
      '--hub-store': 'sqlite:/x/hub.sqlite',
      '--state-dir': '/x',
      '--keys-variable': '/x/v',
      '--keys-seal': '/x/s',
      '--parking-max-holds': '5',
      '--parking-live': '0s',
      '--parking-live-floor': '5m',
      '--parking-handover-confirm': '20s',
      '--log-level': 'warn',
      '--log-format': 'json',
    };
    const { err } = await start(Object.entries(flags).flat(), null);
    expect(err).toBe('');
    expect(seen).toMatchObject({
      gitlab: { url: 'https://other.example.com' },
      gateway: { listen: { host: '::1', port: 1 }, drainMs: 3_000 },
      metrics: { listen: { host: '127.0.0.1', port: 3 } },
      trace: { url: 'http://127.0.0.1:4318' },
      hub: { listen: { port: 2 }, externalUrl: 'https://hub.example.com', store: { path: '/x/hub.sqlite' } },
      stateDir: '/x',
      keys: { variable: '/x/v', seal: '/x/s' },
      parking: { maxHolds: 5, liveMs: 0, liveFloorMs: 300_000, handoverConfirmMs: 20_000 },
      log: { level: 'warn', format: 'json' },
    });
  });

  it('ends with the code of what kept it from starting, and is never called ready', async () => {
    const failing = () =>
      Promise.reject(new HoldpointError('store_unavailable', 'the database is locked: stop the other agent'));
    const { exit, err } = await start([], null, failing);
    expect([exit, err, out]).toEqual([1, 'holdpoint: the database is locked: stop the other agent\n', '']);
    expect(done).toEqual(['start']);
  });
});
