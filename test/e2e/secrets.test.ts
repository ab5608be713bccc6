import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { observe } from '../../agent/src/doctor.ts';
import { examine } from '../../agent/src/domain/doctor/examine.ts';
import { runCli } from '../support/cli.ts';
import { doctorParts } from '../support/doctor-host.ts';
import { bodyOf, startMailServer, startReceiver } from '../support/receivers.ts';
import { openScene, PRINCIPALS, type Scene } from '../support/scene.ts';
import { ROOT } from '../support/source-files.ts';

let scene: Scene;
afterEach(async () => scene.close());

/** Every secret of a payload: its token, masked and non-public values, passwords, sensitive inputs; long enough to be told apart. */
function secretsOf(text: string): string[] {
  const payload = JSON.parse(text) as {
    token: string;
    variables: { value: string | null; public: boolean; masked: boolean }[];
    credentials: { password: string }[];
    inputs?: { value: { content: unknown; sensitive: boolean } }[];
  };
  const values = [
    payload.token,
    ...payload.variables.filter((v) => v.masked || !v.public).map((v) => v.value ?? ''),
    ...payload.credentials.map((credential) => credential.password),
    ...(payload.inputs ?? []).filter((i) => i.value.sensitive).map((i) => String(i.value.content)),
  ];
  return [...new Set(values)].filter((value) => value.length >= 8);
}

/** Text of a file; null when it went away after it was listed, as temporary ones do. */
function readIfThere(path: string): string | null {
  try {
    return readFileSync(path, 'latin1');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}

function filesBelow(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}

describe('secrets of a job', () => {
  it('stand nowhere but in the payload: not on disk, in the API, in logs, in the audit, in notes or in metrics (T24, T31, T32)', async () => {
    scene = await openScene();
    scene.runner();
    const planted = 'typed-by-somebody-9f3a7c';
    const text = readFileSync(join(ROOT, 'test/fixtures/gitlab/deploy-production.run1.json'), 'utf8');
    const job = scene.gitlab.enqueue(text, {
      runner: scene.protectedToken,
      mutate: (payload) => {
        const variables = payload.variables as object[];
        variables.push({ key: 'TYPED', value: planted, public: false, masked: false });
        // GitLab expands $NAME in commit titles too, and a script can have had a secret pasted into it.
        const title = variables.find((v) => (v as { key: string }).key === 'CI_COMMIT_TITLE') as { value: string };
        title.value = 'Fix s3cr3t-kube-token-value in exports';
        (payload.steps as { script: string[] }[])[0]!.script = ['login s3cr3t-kube-token-value', 'echo ok'];
      },
    });
    const hold = await scene.hold(job, 'waiting_for_approval');
    await scene.gitlab.until('the note in the log', () => scene.gitlab.job(job).trace !== '');
    const maria = await scene.as('maria');
    const secrets = [...secretsOf(scene.gitlab.job(job).payload ?? ''), planted, maria.token, scene.protectedToken];
    expect(secrets.length).toBeGreaterThanOrEqual(6);

    const looks: Record<string, () => Promise<string> | string> = {
      'the Hold': () => JSON.stringify(hold),
      'the list of Holds': async () => JSON.stringify((await maria.get('holds')).body),
      'the Reviews': async () => JSON.stringify((await maria.get('reviews')).body),
      'the audit': async () => JSON.stringify((await maria.get('audit')).body),
      tokens: async () => JSON.stringify((await maria.get('tokens')).body),
      agents: async () => JSON.stringify((await maria.get('agents')).body),
      metrics: async () => (await fetch(`${scene.agent.hubUrl}/metrics`)).text(),
      'the log of the agent': () => scene.log.lines.join('\n'),
      'the log of the job': () => scene.gitlab.job(job).trace,
    };
    const check = async () => {
      for (const [where, look] of Object.entries(looks)) {
        const text = await look();
        expect(text.length, where).toBeGreaterThan(0);
        for (const secret of secrets) expect(text.includes(secret), `${where} has ${secret}`).toBe(false);
      }
      for (const path of filesBelow(join(scene.folder, 'state'))) {
        const bytes = readIfThere(path);
        if (bytes === null) continue;
        for (const secret of secrets) expect(bytes.includes(secret), `${path} has ${secret}`).toBe(false);
        expect((statSync(path, { throwIfNoEntry: false })?.mode ?? 0) & 0o077, `${path} is open to others`).toBe(0);
      }
    };
    await check();
    // The typed value is told to one approver, in one answer, and stays as unknown to everything else as before.
    const told = await maria.post<{ values: { name: string; value: string }[] }>(`holds/${hold.id}/reveal`, {
      digest: hold.digest,
    });
    expect(told).toMatchObject({ status: 200, body: { values: [{ name: 'TYPED', value: planted }] } });
    await check();
    await scene.approve(job);
    await scene.hold(job, 'success');
    await check();
    // The payload leaves the disk with the end of the Hold.
    await scene.gitlab.until('an empty parking lot', () =>
      filesBelow(join(scene.folder, 'state')).every((path) => !path.includes(String(job))),
    );
  });
});

/** Every payload among the fixtures, by file. */
const FIXTURES = readdirSync(join(ROOT, 'test/fixtures/gitlab'))
  .filter((name) => name !== 'jwks.json')
  .map((name) => [name, readFileSync(join(ROOT, 'test/fixtures/gitlab', name), 'utf8')] as const);

/** A text with what is packed in it: an envelope carries its statement in base64, and that carries a head in base64. */
function unpacked(text: string): string {
  const packed = text.match(/[A-Za-z0-9+/]{100,}={0,2}/g) ?? [];
  return [text, ...packed.map((each) => unpacked(Buffer.from(each, 'base64').toString('utf8')))].join('\n');
}
/** The ways in which a secret can be written. */
const spellings = (secret: string): string[] => [
  ...new Set([secret, encodeURIComponent(secret), JSON.stringify(secret).slice(1, -1)]),
];

describe('secrets of every job among the fixtures', () => {
  it('reach no route, no export, no bundle, no log, no note and no metric (T24, T32)', {
    timeout: 120_000,
  }, async () => {
    const hook = await startReceiver();
    const mail = await startMailServer();
    scene = await openScene({
      examine: true,
      moreOfHub: [
        `notify: [{ name: hook, kind: webhook, url: "${hook.url}", secret_file: hook.secret }, { name: chat, kind: slack, url_file: chat.secret }, { name: mail, kind: email, host: 127.0.0.1, port: ${mail.port}, security: none, from: holdpoint@example.com }]`,
      ],
      extra: 'policy: policy.yaml',
      files: {
        'policy.yaml':
          'notify: { per_trigger: 1000, per_hour: 1000, routes: [{ name: all, channels: [hook, chat, mail] }] }\n',
        'hook.secret': 'a-secret-that-nobody-guesses-0003',
        'chat.secret': `${hook.url}/chat/s3cret-address`,
        'principals.yaml': PRINCIPALS.replace(/username: (\w+),/g, 'username: $1, emails: [$1@example.com],'),
      },
    });
    scene.runner();
    const secrets = new Set<string>();
    const jobs: number[] = [];
    for (const [index, [name, text]] of FIXTURES.entries()) {
      const job = scene.gitlab.enqueue(text, {
        runner: scene.protectedToken,
        mutate: (payload) => {
          const variables = payload.variables as object[];
          variables.push({
            key: 'DOTENV',
            value: `dotenv-of-an-earlier-job-${index}-77c1`,
            public: false,
            masked: false,
          });
          variables.push({
            key: 'DEPLOY_KEY',
            value: `set-by-a-maintainer-${index}-52ab`,
            public: false,
            masked: true,
          });
          const title = variables.find((v) => (v as { key: string }).key === 'CI_COMMIT_TITLE') as { value: string };
          title.value = `Ship it with set-by-a-maintainer-${index}-52ab`;
          (payload.steps as { script: string[] }[])[0]!.script.push(`curl -u x:set-by-a-maintainer-${index}-52ab /`);
        },
      });
      jobs.push(job);
      const hold = await scene.hold(job, 'waiting_for_approval');
      for (const payload of [scene.gitlab.job(job).payload ?? '', text])
        for (const each of secretsOf(payload)) secrets.add(each);
      const maria = await scene.as('maria');
      expect((await maria.post(`holds/${hold.id}/reveal`, { digest: hold.digest })).status, name).toBe(200);
      const comment = `${name} looks right`;
      expect((await maria.post(`holds/${hold.id}/approve`, { digest: hold.digest, comment })).status, name).toBe(200);
      await scene.hold(job, 'success');
    }
    expect(secrets.size).toBeGreaterThan(FIXTURES.length * 5);

    const looks = new Map<string, string>();
    const auditor = await scene.as('maria', ['read', 'approve', 'deploy', 'audit', 'admin']);
    const { hubUrl } = scene.agent;
    const get = async (path: string) => {
      const answer = await fetch(`${hubUrl}${path}`, { headers: { authorization: `Bearer ${auditor.token}` } });
      return { status: answer.status, text: await answer.text() };
    };
    const document = JSON.parse((await get('/openapi.json')).text) as { paths: Record<string, object> };
    const answered = new Map<string, number>();
    for (const [path, methods] of Object.entries(document.paths)) {
      if (!('get' in methods)) continue;
      const ids = path.includes('{') ? [1, 2, 3, 4242] : [0];
      for (const id of ids) {
        const { status, text } = await get(path.replace(/\{\w+\}/g, String(id)));
        looks.set(`GET ${path} ${id}`, text);
        if (status === 200) answered.set(path, text.length);
      }
    }
    for (const path of [
      'holds',
      'holds/{id}',
      'reviews/{id}',
      'approvals/{id}',
      'audit',
      'audit/export',
      'audit/bundle/holds/{id}',
      'tokens',
    ])
      expect(answered.get(`/api/v1/${path}`), path).toBeGreaterThan(100);

    const env = { HOLDPOINT_HUB_URL: hubUrl, HOLDPOINT_TOKEN: auditor.token };
    const bundles = join(scene.folder, 'bundles');
    for (let id = 1; id <= FIXTURES.length; id++) {
      const made = await runCli(['audit', 'bundle', String(id), '--out', bundles], { env });
      expect([made.exit, made.err]).toEqual([0, '']);
      expect((await runCli(['audit', 'verify', join(bundles, `hold-${id}.bundle.json`)])).exit).toBe(0);
      for (const argv of [
        ['holds', 'show', String(id), '--all'],
        ['audit', 'timeline', 'hold', String(id)],
      ])
        looks.set(argv.join(' '), (await runCli(argv, { env })).out);
    }
    for (const path of filesBelow(bundles)) looks.set(path, readFileSync(path, 'utf8'));
    expect((await runCli(['audit', 'export', '--out', join(scene.folder, 'export.jsonl')], { env })).exit).toBe(0);
    looks.set('the export', readFileSync(join(scene.folder, 'export.jsonl'), 'utf8'));
    await scene.gitlab.until('every job told', () => {
      const told = hook.posted.filter(({ body }) => body.includes('holdpoint.review_approved'));
      return told.length === FIXTURES.length && mail.mails.some(({ to }) => to.includes('zoe@example.com'));
    });
    looks.set('web hooks and chats', hook.posted.map(({ body, headers }) => body + JSON.stringify(headers)).join('\n'));
    looks.set('mails', mail.mails.map(({ raw }) => bodyOf(raw) + raw).join('\n'));
    secrets.add('a-secret-that-nobody-guesses-0003').add('s3cret-address');
    await Promise.all([hook.close(), mail.close()]);
    looks.set('the log of the agent', scene.log.lines.join('\n'));
    const doctor = await observe({
      of: { sources: { flags: { config: join(scene.folder, 'agent.yml') }, env: {}, cwd: '/' } },
      runnerConfigs: [],
      hub: () => ({ url: hubUrl, token: auditor.token }),
      parts: doctorParts,
      now: Date.now,
    });
    looks.set('doctor', JSON.stringify([doctor, examine(doctor)]));
    looks.set('config', (await runCli(['config', '--config', join(scene.folder, 'agent.yml'), '--json'])).out);
    for (const secret of [scene.protectedToken, scene.openToken, auditor.token]) secrets.add(secret);
    for (const job of jobs) looks.set(`the log of job ${job}`, scene.gitlab.job(job).trace);

    for (const [where, text] of looks) {
      const all = unpacked(text);
      for (const secret of secrets)
        for (const spelling of spellings(secret)) expect(all.includes(spelling), `${where} has ${secret}`).toBe(false);
    }
    // That these looks would find one: what is no secret is found.
    expect(looks.get('doctor')).toContain(scene.folder);
    expect(looks.get('GET /api/v1/agents 0')).toContain('"check":"gitlab"');
    for (const where of [
      'web hooks and chats',
      'mails',
      'the export',
      join(bundles, 'hold-1.bundle.json'),
      'GET /api/v1/audit/bundle/holds/{id} 1',
    ])
      expect(unpacked(looks.get(where) ?? ''), where).toContain(`${FIXTURES[0]![0]} looks right`);
  });
});
