import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { COMMANDS } from '../../agent/src/cli/commands.ts';
import { failureOf } from '../../agent/src/cli/failure.ts';
import { ERRORS, type ErrorCode, HoldpointError } from '../../agent/src/domain/errors.ts';
import { type CliRun, runCli } from '../support/cli.ts';
import {
  aHold,
  anApproval,
  configurationWith,
  type FakeHub,
  json,
  problem,
  startFakeHub,
} from '../support/fake-hub.ts';

const TOKEN = 'hp_AbCdEfGhIjKlMnOpQrStUvWxYz012345';
let hub: FakeHub;
let folder: string;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'holdpoint-cli-'));
  hub = await startFakeHub(TOKEN);
});
afterEach(async () => {
  await hub.close();
  rmSync(folder, { recursive: true, force: true });
});

const run = (...argv: string[]): Promise<CliRun> =>
  runCli(argv, { env: { HOLDPOINT_HUB_URL: hub.url, HOLDPOINT_TOKEN: TOKEN }, cwd: folder });

/** Exactly one line, that names no stack and no token. */
function oneLine(text: string): string {
  expect(text).toMatch(/^holdpoint: [^\n]+\n$/);
  expect(text).not.toMatch(/\n\s+at |\.ts:\d+/);
  expect(text).not.toContain(TOKEN);
  return text.trim();
}

/** Command line → exit code and what the one line must say. */
const USAGE: readonly (readonly [readonly string[], RegExp])[] = [
  [[], /no command given; "holdpoint --help" lists them/],
  [['hlods'], /there is no command "hlods"; did you mean "holds"\?/],
  [['pipelines'], /there is no command "pipelines"; "holdpoint --help" lists them/],
  [['holds', '--frob'], /unknown option '--frob'.*see "holdpoint holds --help"/],
  [['holds', 'shwo', '1'], /see "holdpoint holds --help"/],
  [['holds', 'show'], /missing required argument 'id'/],
  [['holds', 'show', 'x'], /"x" is no hold id; wanted a number, see "holdpoint holds list"/],
  [['holds', 'show', '0'], /is no hold id/],
  [['holds', 'list', '--state', 'blocked'], /"blocked" is no state; wanted one of waiting_for_approval, pending/],
  [['approve', '1'], /required option '--digest <sha256>' not specified/],
  [['approve', '--digest', `sha256:${'a'.repeat(64)}`], /missing required argument 'id'/],
  [['approve', '1', '--digest', `${'a'.repeat(64)}`, '--scope', 'any'], /scope any is not understood: write inputs=/],
  [['approve', '1', '--digest', 'a'.repeat(64), '--lifetime', 'uses:0'], /--lifetime: wanted run, uses:N/],
  [
    ['approve', '1', '--digest', 'a'.repeat(64), '--lifetime', 'forever'],
    /--lifetime: wanted run, uses:N, standing or/,
  ],
  [['approve', '1', '--digest', 'a'.repeat(64), '--comment', ' '], /--comment: wanted 1 to 4,000 characters/],
  [['reject', '1'], /required option '--comment <text>' not specified/],
  [['token', 'create', '--expires', 'soon'], /--expires: wanted a time like/],
  [['token', 'create', '--scope', 'root'], /--scope: "root" is none of read, approve, deploy/],
  [['holds', '--hub', 'ftp://x'], /--hub: wanted an address with https:\/\/ or http:\/\//],
  [['holds', '--hub', 'http://user:pw@127.0.0.1'], /--hub: a user or password in it is not allowed/],
  [['audit', 'verify'], /missing required argument 'file'/],
  [['audit', 'verify', 'nowhere.jsonl'], /cannot read "nowhere.jsonl": there is no such file/],
  [['audit', 'verify', 'x', '--head', 'y'], /--head: wanted NUMBER:sha256:HEX/],
  [['agent', '--config', 'nowhere.yml'], /nowhere.yml: cannot read it: there is no such file/],
];

describe('bad usage', () => {
  it.each(USAGE)('ends with 2 and one line that says the way out: %j', async (argv, expected) => {
    const { exit, out, err } = await run(...argv);
    expect({ exit, out }).toEqual({ exit: 2, out: '' });
    const first = err.split('\n')[0] ?? '';
    expect(oneLine(`${first}\n`)).toMatch(expected);
    expect(hub.requests).toEqual([]);
  });

  it('is told as {"error":{code,message}} on standard error with --json, before or after the command', async () => {
    for (const argv of [
      ['--json', 'holds', 'show', 'x'],
      ['holds', '--json', 'show', 'x'],
      ['holds', 'show', 'x', '--json'],
    ]) {
      const { exit, out, err } = await run(...argv);
      expect({ exit, out }).toEqual({ exit: 2, out: '' });
      expect(JSON.parse(err)).toEqual({
        error: { code: 'bad_usage', message: '"x" is no hold id; wanted a number, see "holdpoint holds list"' },
      });
    }
  });

  it('names every problem of a configuration, one a line, or as a list with --json', async () => {
    writeFileSync(join(folder, 'agent.yml'), 'gitlab: {url: 5}\nwhat: 1\n');
    // To an agent HOLDPOINT_HUB_URL is its own hub.url.
    const start = (...more: string[]) => runCli(['agent', '--config', 'agent.yml', ...more], { cwd: folder });
    const text = await start();
    expect(text.exit).toBe(2);
    expect(text.err.split('\n').filter((line) => line !== '')).toHaveLength(3);
    const { error } = JSON.parse((await start('--json')).err);
    expect(error).toMatchObject({ code: 'bad_config', message: '3 problems in the configuration' });
    expect(error.problems[0]).toEqual({
      where: 'agent.yml:1:15',
      path: 'gitlab.url',
      message: 'found 5, wanted text; put it in quotes',
    });
  });
});

describe('what the hub answers', () => {
  /** Status and code of a problem → exit code. */
  const ANSWERS: readonly (readonly [number, string, number])[] = [
    ...(Object.keys(ERRORS) as ErrorCode[]).map((code) => [ERRORS[code].status, code, ERRORS[code].exit] as const),
    // A code of a newer hub: by its status.
    [400, 'new_code', 2],
    [403, 'new_code', 5],
    [404, 'new_code', 3],
    [409, 'new_code', 4],
    [422, 'new_code', 2],
    [500, 'new_code', 1],
  ];
  it.each(ANSWERS)('%i %s ends with %i', async (status, code, exit) => {
    hub.answer('/api/v1/holds/1', (response) => problem(response, status, code, 'hold 1: some reason; do this'));
    const result = await run('holds', 'show', '1');
    expect(result.exit).toBe(exit);
    expect(oneLine(result.err)).toBe('holdpoint: hold 1: some reason; do this');
  });

  it('that is no hub at all ends with 6', async () => {
    for (const body of ['<html>hello</html>', '{"error":"x"}']) {
      hub.answer('/api/v1/holds/1', (response) => response.writeHead(404).end(body));
      const { exit, err } = await run('holds', 'show', '1');
      expect(exit).toBe(6);
      expect(oneLine(err)).toMatch(/answers 404, but not as a hub does; is this the address of a hub\?/);
    }
  });

  it('that is not understood ends with 1 and says where', async () => {
    hub.answer('/api/v1/holds/1', (response) => json(response, 200, { ...aHold(1), state: 'blocked' }));
    const { exit, err } = await run('holds', 'show', '1');
    expect(exit).toBe(1);
    expect(oneLine(err)).toMatch(/not understood at "state"; hub and command line are of different versions/);
  });

  it('that is cut off or away ends with 6 and says how to go on', async () => {
    hub.answer('/api/v1/holds/1', (response) =>
      response.writeHead(200, { 'content-length': '99' }).write('{"id"', () => response.destroy()),
    );
    expect((await run('holds', 'show', '1')).exit).toBe(6);
    await hub.close();
    const { exit, err } = await run('holds', 'show', '1');
    expect(exit).toBe(6);
    expect(oneLine(err)).toBe(
      `holdpoint: cannot reach the hub at ${hub.url}: nothing listens there; start one with "holdpoint agent", or name it with --hub or HOLDPOINT_HUB_URL`,
    );
    expect(JSON.parse((await run('holds', 'watch', '--json')).err).error.code).toBe('hub_unreachable');
    hub = await startFakeHub(TOKEN);
  });

  it('is asked for page after page, and a cursor that repeats ends the list', async () => {
    for (const id of [1, 2, 3, 4, 5]) hub.holds.set(id, aHold(id));
    expect(JSON.parse((await run('holds', '--json')).out).items.map((hold: { id: number }) => hold.id)).toEqual([
      1, 2, 3, 4, 5,
    ]);
    const { state: _, ...page } = { state: '', items: [], next_cursor: 'again' };
    for (let i = 0; i < 3; i++) hub.answer('/api/v1/approvals', (response) => json(response, 200, page));
    expect((await run('approvals', '--all')).exit).toBe(0);
    expect(hub.requests.filter((request) => request.path === '/api/v1/approvals')).toHaveLength(2);
  });
});

describe('the token', () => {
  it('is never a flag, and comes from a file that others cannot read, or from the environment (T24)', async () => {
    expect((await run('holds', '--token', TOKEN)).exit).toBe(2);
    const file = join(folder, 'token');
    writeFileSync(file, `${TOKEN}\n`, { mode: 0o600 });
    const env = { HOLDPOINT_HUB_URL: hub.url };
    const ask = (argv: string[], more: Record<string, string>) =>
      runCli(['holds', ...argv], { env: { ...env, ...more }, cwd: folder });
    expect((await ask(['--token-file', 'token'], { HOLDPOINT_TOKEN: 'wrong' })).exit).toBe(0);
    expect((await ask([], { HOLDPOINT_TOKEN_FILE: file, HOLDPOINT_TOKEN: 'wrong' })).exit).toBe(0);
    expect((await ask([], {})).exit).toBe(5);
    chmodSync(file, 0o644);
    const { exit, err } = await ask(['--token-file', 'token'], {});
    expect(exit).toBe(2);
    expect(oneLine(err)).toMatch(/--token-file: the file has mode 0644|--token-file: "token" has mode 0644/);
  });

  it('goes nowhere but to the hub: a redirect is not followed, and http:// only on this machine (T24)', async () => {
    let asked = 0;
    const elsewhere = createServer((_, response) => {
      asked += 1;
      response.end('{}');
    });
    await new Promise<void>((resolve) => elsewhere.listen(0, '127.0.0.1', resolve));
    const location = `http://127.0.0.1:${(elsewhere.address() as AddressInfo).port}/api/v1/holds`;
    for (const status of [301, 302, 307, 308]) {
      hub.answer('/api/v1/holds', (response) => response.writeHead(status, { location }).end());
      const { exit, err } = await run('holds');
      expect(exit).toBe(6);
      expect(oneLine(err)).toMatch(/a redirect is not followed with a token/);
    }
    await new Promise((resolve) => elsewhere.close(resolve));
    expect(asked).toBe(0);
    const { exit, err } = await run('holds', '--hub', 'http://hub.example.com');
    expect(exit).toBe(2);
    expect(oneLine(err)).toMatch(/http:\/\/ would send the token in clear/);
  });

  it('that is made is written once: alone on standard output, or to a new file of mode 600 (T24)', async () => {
    const made = {
      id: 4,
      name: null,
      owner: 'maria',
      owner_id: 21,
      scopes: ['read', 'approve'],
      made_by: [],
      created_at: '2026-11-22T10:00:00Z',
      expires_at: '2026-11-22T18:00:00Z',
      idle_ends_at: '2026-11-29T10:00:00Z',
      last_used_at: null,
      last_used_address: null,
      last_used_client: null,
      revoked_at: null,
      revoked_by: null,
      revoked_reason: null,
      replaced_by: null,
      valid: true,
      state: 'valid',
      flags: [],
      prefix: 'hp_zyx',
      token: 'hp_zyxwvutsrqponmlkjihgfedcba9876',
    };
    const prepare = () => hub.answer('/api/v1/tokens', (response) => json(response, 201, made));
    prepare();
    const shown = await run('token', 'create', '--user', 'maria', '--scope', 'read', 'approve', '--expires', '8h');
    expect(shown).toMatchObject({ exit: 0, out: `${made.token}\n` });
    expect(shown.err).not.toContain(made.token);
    expect(hub.requests[0]?.body).toEqual({ user: 'maria', scopes: ['read', 'approve'], expires_in_s: 28_800 });
    prepare();
    const kept = await run('token', 'create', '--out', 'mine', '--json');
    expect(kept.out).not.toContain(made.token);
    expect(readFileSync(join(folder, 'mine'), 'utf8')).toBe(`${made.token}\n`);
    expect(statSync(join(folder, 'mine')).mode & 0o777).toBe(0o600);
    const again = await run('token', 'create', '--out', 'mine');
    expect([again.exit, hub.requests.length]).toEqual([2, 2]);
    hub.answer('/api/v1/tokens', (response) => problem(response, 403, 'forbidden', 'no'));
    expect((await run('token', 'create', '--out', 'other')).exit).toBe(5);
    expect(() => statSync(join(folder, 'other'))).toThrow();
  });
});

describe('approve', () => {
  const digest = aHold(1).digest;

  it('sends the full digest that was given, and says what became of the Hold', async () => {
    hub.holds.set(1, aHold(1));
    for (const given of [digest, digest.slice('sha256:'.length)]) {
      hub.holds.set(1, aHold(1));
      const { exit, out } = await run(
        'approve',
        '1',
        '--digest',
        given,
        '--comment',
        'looks good',
        '--lifetime',
        'run',
      );
      expect({ exit, out }).toEqual({ exit: 0, out: 'hold 1 (deploy-production): pending\n' });
      expect(hub.requests.find((request) => request.method === 'POST')?.body).toEqual({
        digest,
        comment: 'looks good',
        lifetime: 'run',
      });
    }
  });

  it('refuses a prefix and anything else that is no whole digest, and asks nobody (T36)', async () => {
    hub.holds.set(1, aHold(1));
    for (const given of [
      digest.slice(0, 15),
      digest.slice(0, -1),
      'sha256:',
      '',
      `${digest}0`,
      digest.toUpperCase(),
      'md5:1',
    ]) {
      const { exit, err } = await run('approve', '1', '--digest', given);
      expect(exit, given).toBe(2);
      expect(oneLine(err)).toMatch(/--digest: .*; take the whole digest from "holdpoint holds show ID"/);
    }
    expect((await run('approve', '1', '--digest', digest.slice(0, 15))).err).toMatch(
      /8 of 64 digits: another configuration can begin with the same ones/,
    );
    expect(hub.requests).toEqual([]);
  });

  it('sends nothing when one of the Holds has another digest (T13, T36)', async () => {
    hub.holds.set(1, aHold(1));
    hub.holds.set(2, aHold(2, { configuration: configurationWith(['rm -rf /']) }));
    const { exit, err } = await run('approve', '1', '2', '--digest', digest);
    expect(exit).toBe(4);
    expect(oneLine(err)).toMatch(/hold 2 has the digest sha256:[0-9a-f]{64}, not the one given; look at it again/);
    expect(hub.requests.filter((request) => request.method === 'POST')).toEqual([]);
  });

  it('sends nothing when the configuration shown does not have the digest that the Hold claims (T23, T36)', async () => {
    hub.holds.set(1, { ...aHold(1), configuration: configurationWith(['make harmless']) });
    const { exit, err } = await run('approve', '1', '--digest', digest);
    expect(exit).toBe(4);
    expect(oneLine(err)).toMatch(/the configuration that the hub shows for it does not have this digest/);
    expect(hub.requests.filter((request) => request.method === 'POST')).toEqual([]);
  });

  it('tells whoever may not vote, and from whom values are hidden, that they may not (exit 5)', async () => {
    const configuration = { ...configurationWith(['make']), variables: [{ key: 'KEY', value: [{ hmac: 'hidden' }] }] };
    const mayVote = { ...aHold(1).may_vote, allowed: false, reason: 'you triggered this job' };
    hub.holds.set(1, { ...aHold(1), configuration, may_vote: mayVote });
    const { exit, err } = await run('approve', '1', '--digest', digest);
    expect(exit).toBe(5);
    expect(oneLine(err)).toBe('holdpoint: you may not vote on hold 1: you triggered this job');
  });

  it('answers several Holds of one question with one vote, and ends with 4 where one has ended', async () => {
    hub.holds.set(1, aHold(1));
    hub.holds.set(2, aHold(2));
    const { exit, out } = await run('approve', '1', '2', '--digest', digest);
    expect({ exit, out }).toEqual({
      exit: 0,
      out: 'hold 1 (deploy-production): pending\nhold 2 (deploy-production): pending\n',
    });
    expect(hub.requests.filter((request) => request.method === 'POST')).toHaveLength(1);
    expect((await run('approve', '1', '--digest', digest)).exit).toBe(4);
    expect((await run('approve', '9', '--digest', digest)).exit).toBe(3);
  });
});

describe('the other commands', () => {
  it('reject with the digest of the Hold, or only if it has the given one', async () => {
    hub.holds.set(1, aHold(1));
    expect((await run('reject', '1', '--comment', 'no', '--digest', 'b'.repeat(64))).exit).toBe(4);
    const { exit, out } = await run('reject', '1', '--comment', 'curl from the net', '--remember');
    expect({ exit, out }).toEqual({
      exit: 0,
      out: 'hold 1 (deploy-production): rejected; later jobs with this configuration are refused for a day\n',
    });
    expect(hub.requests.find((request) => request.method === 'POST')?.body).toEqual({
      digest: aHold(1).digest,
      comment: 'curl from the net',
      remember: true,
    });
  });

  it('revoke an approval and a token', async () => {
    hub.approvals.set(7, anApproval(7, configurationWith(['make'])));
    expect((await run('approvals', 'revoke', '7', '--comment', 'left')).out).toMatch(/^approval 7: revoked/);
    hub.answer('/api/v1/tokens/3/revoke', (response) => json(response, 200, {}));
    expect(await run('token', 'revoke', '3', '--json')).toMatchObject({ exit: 0, out: '{"id":3,"revoked":true}\n' });
    expect((await run('approvals', 'revoke', '8')).exit).toBe(3);
  });

  it('start the demo with what was asked, and end as it ends', async () => {
    const seen: boolean[] = [];
    const runDemo = async ({ auto }: { auto: boolean }) => {
      seen.push(auto);
      return 1;
    };
    const parts = { runDemo };
    expect([(await runCli(['demo'], { parts })).exit, (await runCli(['demo', '--auto'], { parts })).exit]).toEqual([
      1, 1,
    ]);
    expect(seen).toEqual([false, true]);
  });

  it('have --json and --help each, and --version is the package', async () => {
    expect((await runCli(['--version'])).out).toBe('1.2.3\n');
    expect((await runCli(['-h'])).out).toBe((await runCli(['--help'])).out);
    for (const { name } of COMMANDS) {
      const { exit, out, err } = await runCli([name, '--help']);
      expect([exit, err], name).toEqual([0, '']);
      expect(out, name).toContain('--json');
    }
  });
});

describe('an error that is told', () => {
  it('is one line without stack, control characters and tokens (T32, T33)', () => {
    const nasty = `x \u001b[31mred\u202e\nglrt-t1_AbCdEfGhIjKlMnOp ${TOKEN} eyJhbGciOi.eyJzdWIiOi.c2ln`;
    const unknown = failureOf(new Error(nasty), false);
    expect(unknown.exit).toBe(1);
    expect(unknown.text).toBe(
      'holdpoint: unexpected error: x ⟨U+001B⟩[31mred⟨U+202E⟩; please report it with what you did\n',
    );
    const known = failureOf(new HoldpointError('wrong_state', nasty), false);
    expect(known).toEqual({
      exit: 4,
      text: 'holdpoint: x ⟨U+001B⟩[31mred⟨U+202E⟩⟨U+000A⟩[redacted] [redacted] [redacted]\n',
    });
  });
});
