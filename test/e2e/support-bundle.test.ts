import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { extract } from 'tar-stream';
import { afterEach, describe, expect, it } from 'vitest';
import { runCli } from '../support/cli.ts';
import { fixture } from '../support/gate.ts';
import { openScene, type Scene } from '../support/scene.ts';

let scene: Scene;
afterEach(async () => scene.close());

/** The files of a tar.gz, by name without their folder. */
async function unpack(path: string): Promise<Map<string, string>> {
  const files = new Map<string, string>();
  const tar = extract();
  tar.end(gunzipSync(readFileSync(path)));
  for await (const entry of tar) {
    let text = '';
    for await (const part of entry) text += part;
    files.set(entry.header.name.replace(/^[^/]+\//, ''), text);
  }
  return files;
}

const PLANTED = [
  'glpat-PlantedInTheLog0001',
  'hp_planted-in-the-log-000001',
  'eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.c2ln',
];

/** A scene in which a job waits, with its log in a file beside secrets that somebody has let into it. */
async function waiting(): Promise<{ token: string; env: Record<string, string>; args: string[]; secrets: string[] }> {
  scene = await openScene({ extra: 'metrics: { listen: 127.0.0.1:0 }' });
  scene.runner();
  const job = scene.gitlab.enqueue(fixture('deploy-production.run1'), {
    runner: scene.protectedToken,
    user: { id: 9, username: 'zoe', name: 'Zoë Müller' },
  });
  await scene.hold(job, 'waiting_for_approval');
  await scene.gitlab.until('the note of the parked job', () => scene.gitlab.job(job).trace !== '');
  const { token } = await scene.as('maria', ['read', 'approve', 'audit', 'admin']);
  const log = join(scene.folder, 'agent.log');
  const planted = [...PLANTED, scene.protectedToken, token].map((secret) => `warn somebody wrote ${secret} here`);
  const names = 'info acme/payments/api on prod-deployer-01 by user:21 maria from 10.1.2.3 for Zoë Müller';
  writeFileSync(log, [...scene.log.lines, ...planted, names, ''].join('\n'));
  const payload = JSON.parse(scene.gitlab.job(job).payload ?? '{}') as {
    token: string;
    variables: { value: string | null; public: boolean; masked: boolean }[];
  };
  const hidden = payload.variables.filter((each) => each.masked || !each.public).map((each) => each.value ?? '');
  return {
    token,
    env: { HOLDPOINT_HUB_URL: scene.agent.hubUrl, HOLDPOINT_TOKEN: token },
    args: ['--config', join(scene.folder, 'agent.yml'), '--log', log],
    secrets: [...PLANTED, scene.protectedToken, scene.openToken, token, payload.token, ...hidden].filter(
      (each) => each.length >= 8,
    ),
  };
}

describe('holdpoint support-bundle', () => {
  it('has what somebody needs who helps, and no secret, however it got into a log (T24, T32)', async () => {
    const { env, args, secrets } = await waiting();
    const out = join(scene.folder, 'bundle.tar.gz');
    const made = await runCli(['support-bundle', '--out', out, ...args], { env });
    expect([made.exit, made.err]).toEqual([0, '']);
    expect(statSync(out).mode & 0o777).toBe(0o600);
    const files = await unpack(out);
    const read = (name: string) => JSON.parse(files.get(name) ?? 'null');
    expect(read('config.json').options).toContainEqual({ key: 'parking.live', value: '1h', from: 'default' });
    expect(read('config.json').options.find((each: { key: string }) => each.key === 'gitlab.url')).toMatchObject({
      value: scene.gitlab.url,
      from: expect.stringContaining('agent.yml'),
    });
    expect(read('config.json').runners).toEqual([
      { name: 'prod-deployer-01', protected: true, mode: 'enforce', token: 'inline', gatewayToken: 'none' },
      { name: 'open-01', protected: false, mode: 'enforce', token: 'inline', gatewayToken: 'none' },
    ]);
    expect(read('versions.json')).toMatchObject({ holdpoint: '1.2.3', node: process.version });
    expect(read('hub-health.json')).toMatchObject({ readyz: { status: 200 }, healthz: { status: 200 } });
    expect(files.get('hub-metrics.txt')).toContain('holdpoint_agent_jobs{state="parked"} 1');
    expect(read('agents.json')).toMatchObject([{ name: 'embedded', connected: true }]);
    expect(read('audit.json').verified).toMatchObject({ ok: true });
    expect(files.get('log.txt')).toContain('somebody wrote [redacted] here');
    expect(files.get('README.txt')).toContain('Read it before you send it');
    const all = [...files.values()].join('\n');
    expect(secrets.length).toBeGreaterThan(8);
    for (const secret of secrets)
      for (const spelling of [secret, encodeURIComponent(secret), JSON.stringify(secret).slice(1, -1)])
        expect(all.includes(spelling), secret).toBe(false);
    // The same name is not written over: it may be what somebody is about to send.
    expect(await runCli(['support-bundle', '--out', out, ...args], { env })).toMatchObject({
      exit: 2,
      err: expect.stringContaining('is there already'),
    });
  }, 40_000);

  it('names nobody and nothing with --anonymize, and each by the same stand-in', async () => {
    const { env, args } = await waiting();
    const out = join(scene.folder, 'bundle.tar.gz');
    const made = await runCli(['support-bundle', '--anonymize', '--out', out, ...args], { env });
    expect([made.exit, made.err]).toEqual([0, '']);
    const files = await unpack(out);
    const all = [...files.values()].join('\n');
    for (const name of ['acme', 'payments', 'zoe', 'maria', 'Zoë', 'Müller', 'prod-deployer', 'open-01', '10.1.2.3'])
      expect(all.includes(name), name).toBe(false);
    expect(files.get('log.txt')).toMatch(
      /info project-\d+ on runner-\d+ by user:21 person-\d+ from address-1 for person-\d+/,
    );
    const standIn = /on (runner-\d+) by/.exec(files.get('log.txt') ?? '')?.[1];
    expect(JSON.parse(files.get('config.json') ?? '{}').runners.map((each: { name: string }) => each.name)).toContain(
      standIn,
    );
    expect(files.get('hub-metrics.txt')).toContain('holdpoint_agent_jobs{state="parked"} 1');
  }, 40_000);

  it('is made all the same without a hub, a token, a log or a file that can be read, and says what is not in it', async () => {
    scene = await openScene();
    const out = join(scene.folder, 'bundle.tar.gz');
    const text = 'gitlab: { url: nonsense }\nruners: []\nhub: { store: "postgres://hp:pass-of-a-database@db/hp" }\n';
    writeFileSync(join(scene.folder, 'broken.yml'), text);
    const args = ['--config', join(scene.folder, 'broken.yml'), '--log', join(scene.folder, 'none.log')];
    const env = { HOLDPOINT_HUB_URL: 'http://127.0.0.1:9' };
    const made = await runCli(['support-bundle', '--json', '--out', out, ...args], { env });
    expect([made.exit, made.err]).toEqual([0, '']);
    const { missing } = JSON.parse(made.out) as { missing: string[] };
    for (const name of ['hub-health.json', 'hub-metrics.txt', 'agents.json', 'audit.json', 'log.txt'])
      expect(
        missing.filter((line) => line.startsWith(`${name}: `)),
        name,
      ).toHaveLength(1);
    const files = await unpack(out);
    expect(JSON.stringify(JSON.parse(files.get('config.json') ?? '{}').problems)).toContain('runers');
    expect(files.get('README.txt')).toContain('log.txt: ENOENT');
    expect([...files.values()].join('\n')).not.toContain('pass-of-a-database');
  });
});
