import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { openScene, type Scene } from '../support/scene.ts';
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
