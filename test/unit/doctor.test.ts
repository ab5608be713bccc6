import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { CHECKS, examine } from '../../agent/src/domain/doctor/examine.ts';
import type { Finding } from '../../agent/src/domain/doctor/finding.ts';
import {
  type Observation,
  type RunnerEntryLook,
  type SettingsLook,
  seen,
  unseen,
} from '../../agent/src/domain/doctor/observation.ts';
import { placeOf } from '../../agent/src/domain/doctor/words.ts';
import { lookAtRunnerFile } from '../../agent/src/runners/gitlab/doctor/runner-files.ts';
import { lookAtSocket } from '../../agent/src/system/host/socket.ts';
import { ROOT } from '../support/source-files.ts';

const closed = unseen('closed to this user', 'run it as root');
/** A host on which nothing can be seen. */
const BLIND: Observation = {
  of: 'agent',
  hubBeside: null,
  now: Date.parse('2026-11-22T10:00:00Z'),
  version: '1.2.3',
  settings: { ok: false, problems: ['agent.yml: this user may not read it'], hidden: true },
  agentUid: null,
  gitlab: closed,
  runnerFiles: closed,
  processes: closed,
  files: closed,
  accounts: closed,
  stateDir: closed,
  disk: closed,
  sync: closed,
  backup: closed,
  gateway: closed,
  hub: closed,
  policy: closed,
  sameTags: closed,
  store: closed,
  certificates: closed,
  signIn: closed,
  channels: closed,
  executors: closed,
  git: closed,
};
const SETTINGS: SettingsLook = {
  file: '/etc/holdpoint/agent.yml',
  gitlabUrl: 'https://gitlab.example.com',
  gateway: { host: '127.0.0.1', port: 8093 },
  stateDir: '/var/lib/holdpoint',
  runners: [{ name: 'prod', guarded: true, ownToken: true }],
  receipts: null,
  faults: [],
  warnings: [],
};
const ENTRY: RunnerEntryLook = {
  file: '/etc/gitlab-runner/config.toml',
  name: 'prod',
  id: 31,
  url: 'http://127.0.0.1:8093',
  cloneUrl: 'https://gitlab.example.com',
  executor: 'docker',
  token: 'gateway',
  runner: 'prod',
  tlsCa: null,
  usesRouter: false,
  docker: { network: 'host', extraHosts: [], privileged: false, volumes: [] },
  custom: { prepare: null, run: null, calls: {}, gracefulKillS: null },
};
const withEntry = (change: Partial<RunnerEntryLook>, listen = '127.0.0.1'): Observation => ({
  ...BLIND,
  settings: { ok: true, value: { ...SETTINGS, gateway: { host: listen, port: 8093 } } },
  runnerFiles: seen([
    { path: ENTRY.file, mode: 0o600, uid: 0, problem: null, copies: [], entries: [{ ...ENTRY, ...change }] },
  ]),
});
const of = (check: string, observation: Observation): readonly Finding[] =>
  examine(observation).filter((one) => one.check === check);
const brief = (findings: readonly Finding[]): readonly string[] =>
  findings.map(({ status, message }) => `${status} ${message}`);

describe('receipts', () => {
  const served = { socket: '/run/holdpoint/receipts.sock', found: { isSocket: true, openFolder: null } };
  const line = (verb: string) => ['/usr/bin/holdpoint', 'executor', verb];
  const calls = { config: line('config'), prepare: line('prepare'), run: line('run'), cleanup: line('cleanup') };
  const programs = { prepare: '/usr/bin/holdpoint', run: '/usr/bin/holdpoint', gracefulKillS: null };
  const custom = { executor: 'custom', custom: { ...programs, calls } };
  const without = ({ cleanup: _, ...rest }: typeof calls) => ({ ...rest, run: line('cleanup') });
  const with_ = (receipts: SettingsLook['receipts'], change: Partial<RunnerEntryLook>): Observation => {
    const look = withEntry(change);
    return { ...look, settings: { ok: true, value: { ...SETTINGS, receipts } } };
  };
  it.each([
    ['an executor that asks', served, custom, /^ok .*its executor asks for the receipt of each job$/],
    ['one that does not', served, {}, /^warn .*executor "docker" asks for no receipt/],
    [
      'one with calls that are others',
      served,
      { executor: 'custom', custom: { ...programs, calls: without(calls) } },
      /^fail .*run calls "\/usr\/bin\/holdpoint executor cleanup", cleanup_exec is not set/,
    ],
    ['one with nobody to ask', null, custom, /^warn .*has nobody to ask for receipts$/],
    ['neither', null, {}, /^ok .*asks for no receipt$/],
    [
      'a script of somebody’s before each job',
      served,
      { executor: 'custom', custom: { ...programs, prepare: '/opt/prepare.sh', calls: {} } },
      /^warn .*prepare_exec \(\/opt\/prepare\.sh\) is not holdpoint/,
    ],
    ['no socket', { ...served, found: null }, custom, /^fail nothing is at receipts\.socket /],
    [
      'a file in its place',
      { ...served, found: { isSocket: false, openFolder: null } },
      custom,
      /^fail .* is no socket$/,
    ],
    [
      'T25: a folder in which others write',
      { ...served, found: { isSocket: true, openFolder: { path: '/run/holdpoint', mode: 0o777 } } },
      custom,
      /^fail .*others can put a socket of theirs in its place/,
    ],
  ] as const)('%s', (_, receipts, change, says) => {
    expect(brief(of('receipts', with_(receipts, change)))[0]).toMatch(says);
  });

  it('the section of config.toml that the page of the executor shows is one that asks', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'holdpoint-doctor-custom-'));
    const page = readFileSync(join(ROOT, 'agent/docs/executor.md'), 'utf8');
    const toml = /```toml\n([^`]*)```/.exec(page)?.[1] ?? '';
    const entry = async (text: string) => {
      writeFileSync(join(folder, 'config.toml'), text);
      const { entries } = await lookAtRunnerFile(
        join(folder, 'config.toml'),
        { runners: [], whole: true },
        async () => null,
      );
      return brief(of('receipts', with_(served, entries[0]!)))[0];
    };
    expect(await entry(toml)).toMatch(/^ok .*asks for the receipt of each job$/);
    expect(await entry(toml.replace('"executor", "cleanup"', '"cleanup"'))).toMatch(/^fail .*cleanup calls/);
    rmSync(folder, { recursive: true });
  });

  it('T25: the folder of a socket is looked at up to the root', () => {
    const folder = mkdtempSync(join(tmpdir(), 'holdpoint-doctor-socket-'));
    chmodSync(folder, 0o755);
    writeFileSync(join(folder, 'file'), '');
    expect(lookAtSocket(join(folder, 'file'))).toEqual({ isSocket: false, openFolder: null });
    chmodSync(folder, 0o1777);
    expect(lookAtSocket(join(folder, 'file'))?.openFolder).toMatchObject({ path: folder });
    expect(lookAtSocket(join(folder, 'none'))).toBeNull();
    rmSync(folder, { recursive: true });
  });
});

describe('a host on which nothing can be seen', () => {
  it('is told so by every check, each with why and with the way to see it; none is silent, none fails', () => {
    const findings = examine(BLIND);
    expect([...new Set(findings.map(({ check }) => check))]).toEqual(CHECKS.map(({ id }) => id));
    expect(findings.filter(({ status }) => status !== 'skipped')).toEqual([]);
    for (const { message, mend } of findings)
      expect([message, mend].join(' ')).toMatch(/this user|neither GitLab nor the hub/);
  });
});

describe('the last backup', () => {
  const day = 86_400_000;
  it.each([
    [{ lastAt: null, sinceMs: day }, /^ok no backup was made, and the state is a day old/],
    [{ lastAt: null, sinceMs: 3 * day }, /^warn no backup was made, and the state is 3 days old/],
    [{ lastAt: BLIND.now - 6 * day, sinceMs: 90 * day }, /^ok the last backup is 6 days old/],
    [{ lastAt: BLIND.now - 8 * day, sinceMs: 90 * day }, /^warn the last backup is 8 days old/],
  ])('%j', (look, expected) => expect(brief(of('backup', { ...BLIND, backup: seen(look) }))[0]).toMatch(expected));
});

describe('the disk', () => {
  const disk = (change: object): readonly string[] =>
    brief(
      of('disk', {
        ...BLIND,
        disk: seen({
          path: '/var/lib/holdpoint',
          freeBytes: 8e9,
          totalBytes: 1e11,
          freeFiles: 0.5,
          kind: 'disk' as const,
          ...change,
        }),
      }),
    );
  it.each([
    [{}, /^ok /],
    [{ freeBytes: 9e8 }, /^warn .* 858 MiB of /],
    [{ freeBytes: 1e8 }, /^fail .* 95 MiB of /],
    [{ freeFiles: 0.01 }, /^warn .* 1 % of its inodes/],
    [{ kind: 'memory' }, /^fail .*lies in memory/],
    [{ kind: 'network' }, /^warn .*network file system/],
  ])('%j', (change, expected) => expect(disk(change)[0]).toMatch(expected));

  it.each([
    [2, 'ok'],
    [50, 'warn'],
    [500, 'fail'],
  ])('that syncs in %d ms: %s', (medianMs, status) =>
    expect(of('sync', { ...BLIND, sync: seen({ medianMs, worstMs: medianMs * 2 }) })[0]?.status).toBe(status),
  );
});

describe('the hub', () => {
  const hub = {
    url: 'http://h',
    ready: 'ok' as const,
    problems: [],
    version: '1.2.3',
    skewMs: 0,
    agents: seen([{ name: 'a', connected: true, version: '1.2.3', warnings: [] }]),
  };
  it('that is ready, of this version, with its agents linked, is well', () => {
    expect(
      [...of('hub', { ...BLIND, hub: seen(hub) }), ...of('version', { ...BLIND, hub: seen(hub) })].map(
        ({ status }) => status,
      ),
    ).toEqual(['ok', 'ok']);
  });
  it('is told with what it says of itself, and with agents that are away', () => {
    const away = {
      ...hub,
      ready: 'not_ready' as const,
      problems: ['the parking lot cannot be written'],
      agents: seen([{ name: 'a', connected: false, version: null, warnings: ['its clock is 5 minutes ahead'] }]),
    };
    expect(brief(of('hub', { ...BLIND, hub: seen(away) }))).toEqual([
      expect.stringMatching(/^fail .*parking lot cannot be written/),
      expect.stringMatching(/^fail agent a is not linked/),
      'warn agent a: its clock is 5 minutes ahead',
    ]);
    expect(of('hub', { ...BLIND, hub: seen({ ...hub, agents: seen([]) }) })[0]?.message).toContain(
      'knows no agent: nothing is guarded',
    );
  });
  it('and agents of other versions are named', () => {
    const old = {
      ...hub,
      version: '1.2.0',
      agents: seen([{ name: 'a', connected: true, version: '1.1.0', warnings: [] }]),
    };
    expect(brief(of('version', { ...BLIND, hub: seen(old) }))).toEqual([
      expect.stringContaining('the hub at http://h is 1.2.0'),
      expect.stringContaining('agent a is 1.1.0'),
    ]);
  });
});

describe('the network of jobs', () => {
  it.each<[Partial<RunnerEntryLook>, string, RegExp]>([
    [{ docker: { ...ENTRY.docker, network: null } }, '127.0.0.1', /^fail .*the container itself/],
    [
      {
        url: 'http://holdpoint:8093',
        docker: { ...ENTRY.docker, network: null, extraHosts: ['holdpoint:host-gateway'] },
      },
      '172.17.0.1',
      /^ok .*its containers ask holdpoint/,
    ],
    [
      {
        url: 'http://holdpoint:8093',
        docker: { ...ENTRY.docker, network: null, extraHosts: ['holdpoint:host-gateway'] },
      },
      '127.0.0.1',
      /^fail .*but the gateway listens on 127\.0\.0\.1 alone/,
    ],
    [{ executor: 'instance', url: 'https://gate.example.com' }, '127.0.0.1', /^ok /],
    [{ executor: 'custom' }, '127.0.0.1', /^skipped .*executor "custom" run is not known/],
    [{ executor: 'shell' }, '127.0.0.1', /^ok .*run on this host/],
  ])('%j, gateway on %s', (change, listen, expected) =>
    expect(brief(of('job_network', withEntry(change, listen)))[0]).toMatch(expected),
  );
});

describe('a gateway that is asked over TLS', () => {
  it('lets git in the jobs trust its authority alone, unless the runner has a file with both', () => {
    const url = 'https://gate.example.com';
    expect(brief(of('clone_url', withEntry({ url })))[0]).toMatch(/^warn .*git in its jobs trusts only the authority/);
    expect(brief(of('clone_url', withEntry({ url, tlsCa: { path: '/ca.pem', vouches: false } })))[0]).toMatch(
      /^fail .*\/ca\.pem does not vouch/,
    );
    expect(brief(of('clone_url', withEntry({ url, tlsCa: { path: '/ca.pem', vouches: true } })))[0]).toMatch(/^ok /);
  });
});

describe('the address of a runner', () => {
  it.each([
    ['http://127.0.0.1:8093', /^ok .*asks the gateway/],
    ['http://localhost:8093/', /^ok /],
    ['http://127.0.0.1:8099', /^fail .*past the gateway/],
    ['https://GITLAB.example.com/', /^fail .*past the gateway/],
    ['https://user:secret@gitlab.example.com:443', /^fail .*asks https:\/\/gitlab\.example\.com:443, past/],
    ['https://gate.example.com', /^warn .*not seen from here/],
    [null, /^fail .*no address/],
  ])('%s', (url, expected) => expect(brief(of('runner_address', withEntry({ url })))[0]).toMatch(expected));

  it('is read as gitlab-runner reads it', () => {
    expect(placeOf('https://h')).toEqual({ scheme: 'https', host: 'h', port: 443 });
    expect(placeOf('HTTP://[::1]:80/x')).toEqual({ scheme: 'http', host: '[::1]', port: 80 });
    for (const text of ['', 'h:80', 'ftp://h', 'https://']) expect(placeOf(text)).toBeNull();
  });
});

describe('the file of an executor that this user may not read', () => {
  it('is said to be so, and is no reason to fear for its jobs', () => {
    const entry = { file: ENTRY.file, name: 'prod', runner: 'prod' };
    const look = { entry, config: '/etc/holdpoint/executor.yml', settings: null, problems: [], gracefulKillS: 600 };
    const found = of('executor_settings', { ...BLIND, executors: seen([{ ...look, engine: null, pty: null }]) });
    expect(brief(found)).toEqual([expect.stringMatching(/^skipped .*this user may not read .*executor\.yml$/)]);
  });
});

describe('the page of documentation', () => {
  const page = readFileSync(join(ROOT, 'agent/docs/doctor.md'), 'utf8');
  it('has a section for every check, in its words and order, and for no other', () => {
    expect([...page.matchAll(/^### `(\w+)`: (.+)$/gm)].map(([, id, title]) => [id, title])).toEqual(
      CHECKS.map(({ id, title }) => [id, title]),
    );
    for (const { id, means } of CHECKS) expect(page.replace(/\s+/g, ' '), id).toContain(means);
  });
  it('says which checks an agent makes by itself', () => {
    const apart = CHECKS.filter(({ agent }) => !agent).map(({ id }) => `\`${id}\``);
    expect(page.replace(/\s+/g, ' ')).toContain(`all but ${apart.slice(0, -1).join(', ')} and ${apart.at(-1)}`);
  });
});
