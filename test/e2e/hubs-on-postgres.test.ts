import { copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { verifyAudit } from '../../agent/src/app/verify-audit.ts';
import { openPostgresStore } from '../../agent/src/stores/postgres.ts';
import { type FakeGitlab, startFakeGitlab } from '../support/fake-gitlab.ts';
import { holdpoint, startAgentProcess, startHubProcess } from '../support/holdpoint-process.ts';
import { eventually } from '../support/hub-server.ts';
import { startPostgres, type TestPostgres } from '../support/postgres.ts';
import { writeAgentFolder, writeHubFolder } from '../support/scene.ts';
import { startScriptedRunner } from '../support/scripted-runner.ts';
import { ROOT } from '../support/source-files.ts';

const fixture = (name: string) => readFileSync(join(ROOT, 'test/fixtures/gitlab', `${name}.json`), 'utf8');
const zoe = { id: 9, username: 'zoe', name: 'Zoë Müller' };

let gitlab: FakeGitlab;
let server: TestPostgres;
let stops: (() => unknown)[];
beforeEach(async () => {
  stops = [];
  gitlab = await startFakeGitlab({});
  server = await startPostgres({ durable: true });
});
afterEach(async () => {
  for (const stop of stops.reverse()) await stop();
  await gitlab.close();
  await server.remove();
});
function hubFolder(listen: string): string {
  const folder = writeHubFolder({ gitlabUrl: gitlab.url, listen });
  stops.push(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}
async function hubAt(folder: string) {
  const hub = await startHubProcess(join(folder, 'hub.yml'));
  stops.push(() => hub.kill('SIGKILL'));
  return hub;
}

describe('hubs that share a PostgreSQL', { timeout: 120_000 }, () => {
  it('take over the store of one hub, decide for its agents at each of them, and go on after the database was away', async () => {
    const first = hubFolder('127.0.0.1:0');
    const alone = await hubAt(first);
    const yml = join(first, 'hub.yml');
    writeFileSync(yml, readFileSync(yml, 'utf8').replace('127.0.0.1:0', new URL(alone.hubUrl).host));
    let at = alone.hubUrl;
    let token = alone.bootstrapToken ?? '';
    const cli = async <T>(...args: string[]) => {
      const { code, out, err } = await holdpoint([...args, '--json'], {
        HOLDPOINT_TOKEN: token,
        HOLDPOINT_HUB_URL: at,
      });
      expect(code, err).toBe(0);
      return JSON.parse(out.trim().split('\n').at(-1) ?? '') as T;
    };
    ({ token } = await cli<{ token: string }>(
      ...['token', 'create', '--user', 'maria', '--scope', 'read', 'approve', 'admin'],
    ));
    const runnerToken = gitlab.runnerToken('build-1');
    const host = writeAgentFolder({
      gitlabUrl: gitlab.url,
      principals: false,
      runners: [{ name: 'build-1', token: runnerToken, protected: true }],
      hub: `url: "${alone.hubUrl}", enrolment_token_file: enrolment.token`,
    });
    stops.push(() => rmSync(host, { recursive: true, force: true }));
    await cli('agents', 'enroll', 'build-1', '--out', join(host, 'enrolment.token'));
    const agent = await startAgentProcess(join(host, 'agent.yml'));
    stops.push(() => agent.kill('SIGKILL'));
    const runner = startScriptedRunner({ url: agent.gatewayUrl, token: runnerToken, version: '18.5', exec: 'none' });
    stops.push(() => runner.stop());
    const hold = async (job: number) => {
      const list = async () =>
        (await cli<{ items: { id: number; job_id: number; digest: string }[] }>('holds', 'list')).items;
      return (await eventually(list, (items) => items.some((item) => item.job_id === job), 30_000)).find(
        (item) => item.job_id === job,
      )!;
    };
    const parked = gitlab.enqueue(fixture('test-unit.run1'), { runner: runnerToken, user: zoe });
    await hold(parked);

    // The store moves while the job waits.
    await alone.kill('SIGTERM');
    const { url } = await server.database();
    const [old, password] = [`sqlite:${join(first, 'state', 'hub.sqlite')}`, join(first, 'password')];
    writeFileSync(password, 'not-asked-for\n', { mode: 0o600 });
    const copied = await cli<{ rows: number; audit: { seq: number } }>(
      ...['store', 'copy', '--from', old, '--to', url, '--to-password-file', password],
    );
    expect(copied.rows).toBeGreaterThan(5);
    writeFileSync(yml, `${readFileSync(yml, 'utf8')}store: ${url}\nstore_password_file: password\n`);
    const moved = await hubAt(first);
    expect(moved.bootstrapToken).toBeNull();

    // A second hub has the keys of the first, and nothing else of it.
    const second = hubFolder('127.0.0.1:0');
    const wanting = await startHubProcess(join(second, 'hub.yml'), { HOLDPOINT_HUB_STORE: url }).then(
      () => 'started',
      (error: Error) => error.message,
    );
    expect(wanting).toContain('there is no variable key');
    mkdirSync(join(second, 'state'), { recursive: true, mode: 0o700 });
    for (const key of ['variable.key', 'hub.key', 'recordings.key'])
      copyFileSync(join(first, 'state', key), join(second, 'state', key));
    writeFileSync(join(second, 'hub.yml'), `${readFileSync(join(second, 'hub.yml'), 'utf8')}store: ${url}\n`);
    const other = await hubAt(second);

    // Decided at the second, resumed by the agent at the first.
    at = other.hubUrl;
    const { id, digest } = await hold(parked);
    await cli('approve', String(id), '--digest', digest);
    await gitlab.until('the parked job', () => gitlab.job(parked).status === 'success', 60_000);

    // The database crashes and comes back: hubs say so, and go on by themselves.
    await server.halt('immediate');
    const ready = async () => (await fetch(`${moved.hubUrl}/readyz`)).status;
    await eventually(ready, (status) => status === 503, 30_000);
    await server.start();
    await eventually(ready, (status) => status === 200, 30_000);
    const next = gitlab.enqueue(fixture('test-unit.run2'), { runner: runnerToken, user: zoe });
    await gitlab.until('the next job', () => gitlab.job(next).status === 'success', 60_000);
    const store = await openPostgresStore({ url });
    expect(await verifyAudit(store)).toMatchObject({ ok: true });
    await store.close();
  });
});
