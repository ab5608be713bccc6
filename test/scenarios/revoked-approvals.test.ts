import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { inbox } from '../../agent/src/app/inbox.ts';
import { inspectHold } from '../../agent/src/app/inspect.ts';
import { revoke } from '../../agent/src/app/revoke.ts';
import { SHIPPED_TOLERANCE } from '../../agent/src/domain/tolerate.ts';
import { DAY, hubWorld, policyWith, START, type World } from '../support/hub-world.ts';

let world: World;
beforeEach(async () => {
  world = await hubWorld();
});
afterEach(() => world.store.close());

const shown = (hold: number, who = 'jonas') => inspectHold(world.context, world.caller(who), hold);
const revokes = (who: string, approval: number, comment: string | null = null) =>
  revoke(world.context, world.caller(who), approval, comment);
/** A job that was approved by maria, whose approval jonas takes back a day later. */
async function approvedAndRevoked(): Promise<void> {
  await world.admit({ id: 1, pipeline: 1, script: ['make', 'make deploy'] });
  await world.approve('maria', 1);
  world.clock.advance(DAY);
  await revokes('jonas', 1, 'leaks the key');
}

describe('a job whose approval was revoked', () => {
  it('T29 is told as that: who took it back, when and why, on the Hold, in the inbox and in the job log', async () => {
    await approvedAndRevoked();
    const answer = await world.admit({ id: 2, pipeline: 2, script: ['make', 'make deploy'] });
    expect(answer.outcome).toBe('hold');
    expect(answer.note).toContain(
      'Why: exactly this configuration of build on refs/heads/main (protected) was approved on 2026-11-22, but that approval was revoked on 2026-11-23 by jonas: leaks the key (approval 1).',
    );
    const { diff } = await shown(2, 'maria');
    expect(diff).toMatchObject({
      approval: 1,
      over: {
        kind: 'revoked',
        at: START + DAY,
        by: { id: 22, username: 'jonas', name: 'JONAS' },
        reason: 'leaks the key',
      },
      changes: [],
    });
    const lane = await inbox(world.context, world.caller('maria'), { lane: 'me' }, { after: 0, limit: 10 });
    expect(lane.map(({ hold, summary }) => [hold?.id, summary])).toContainEqual([
      2,
      'Exactly this was approved before; that approval was revoked on 2026-11-23 by jonas: leaks the key.',
    ]);
  });

  it('T29 T56 passes nothing, neither the same nor what a policy would take for alike, until somebody approves it again', async () => {
    world.policy = policyWith({ tolerance: { ...SHIPPED_TOLERANCE, dependencies: ['*'] } }, 'lax');
    await approvedAndRevoked();
    const same = await world.admit({ id: 2, pipeline: 2, script: ['make', 'make deploy'] });
    const extra = { dependencies: [{ name: 'any' }] };
    const alike = await world.admit({ id: 3, pipeline: 3, script: ['make', 'make deploy'], extra });
    expect([same.outcome, alike.outcome]).toEqual(['hold', 'hold']);
    expect((await shown(3)).diff).toMatchObject({ approval: 1, over: { kind: 'revoked' } });
    await world.approve('maria', 2);
    expect(await world.state(2)).toBe('pending');
    expect((await world.admit({ id: 4, pipeline: 4, script: ['make', 'make deploy'], extra })).outcome).toBe('pass');
  });

  it('is compared with what stands where that is as near, and with what was revoked only where it is nearer', async () => {
    await approvedAndRevoked();
    await world.admit({ id: 2, pipeline: 2, script: ['make', 'make test'] });
    await world.approve('maria', 2);
    await world.admit({ id: 3, pipeline: 3, script: ['make', 'make all'] });
    expect((await shown(3)).diff).toMatchObject({ approval: 2, over: null });
    await world.admit({ id: 4, pipeline: 4, script: ['make', 'make deploy', 'echo done'] });
    const { diff } = await shown(4);
    expect(diff).toMatchObject({ approval: 1, over: { kind: 'revoked' } });
    expect(diff.summary).toMatch(
      /^1 script line added; \d+ values unchanged\. Compared with an approval that was revoked on 2026-11-23 by jonas: leaks the key\.$/,
    );
  });

  it('is told of one that has ended by itself, too', async () => {
    await world.admit({ id: 1, pipeline: 1 });
    await world.approve('maria', 1, { lifetime: 'until:2026-11-24' });
    await world.admit({ id: 2, pipeline: 2, script: ['twice'] });
    await world.approve('maria', 2, { lifetime: 'uses:1' });
    world.clock.advance(3 * DAY);
    const note = (await world.admit({ id: 3, pipeline: 3 })).note ?? '';
    expect(note).toContain('was approved on 2026-11-22, but that approval ended on 2026-11-24');
    await world.admit({ id: 4, pipeline: 4, script: ['twice'] });
    expect((await shown(4)).diff).toMatchObject({ over: { kind: 'used_up', by: null }, changes: [] });
  });

  it('T20 T16 what was run without its approval is no baseline, revoked or not', async () => {
    await world.admit({ id: 1, pipeline: 1 });
    const { subject, digest } = (await world.store.hold(1))!;
    await world.approve('maria', 1);
    const approval = (await world.store.approval(1))!;
    await revokes('jonas', 1);
    expect((await world.store.revokedOf(subject, 10)).map(({ id }) => id)).toEqual([1]);
    expect(await world.store.approvalsOf(subject, digest, 10)).toEqual([]);
    const { id: _, version: __, ...glass } = { ...approval, breakGlass: true };
    await world.store.write((tx) => tx.insertApproval({ ...glass, version: 1, revoked: approval.revoked }));
    expect((await world.store.revokedOf(subject, 10)).map(({ id }) => id)).toEqual([1]);
  });

  it('who stands in its history is told by name', async () => {
    await world.admit({ id: 1, pipeline: 1 });
    await world.approve('maria', 1);
    const { people } = await shown(1);
    expect(people.map(({ username, name }) => [username, name])).toContainEqual(['maria', 'MARIA']);
  });
});

describe('what a person is told who may not vote', () => {
  it('is what they are, before anything of their token', async () => {
    await world.admit({ id: 1, pipeline: 1, by: 'maria' });
    const as = async (who: string, scopes: readonly ('read' | 'approve')[]) => {
      const { mayVote, ownVote } = await inspectHold(world.context, world.caller(who, scopes), 1);
      return [mayVote.allowed ? null : mayVote.reason, ownVote.rejectReason];
    };
    const developer = 'you are a developer of this project, and the rules ask for maintainer or higher';
    expect(await as('zoe', ['read'])).toEqual([
      `${developer}: ask one of them`,
      `${developer} to reject: ask one of them, or cancel the job in GitLab`,
    ]);
    expect((await as('maria', ['read']))[0]).toMatch(/^you triggered the job/);
    const token = 'your token has no scope approve: use one that has';
    expect(await as('jonas', ['read'])).toEqual([token, token]);
    expect(await as('jonas', ['read', 'approve'])).toEqual([null, null]);
  });

  it('has the names of all who could complete it, of many the first ten and how many more', async () => {
    await world.admit({ id: 1, pipeline: 1 });
    expect((await shown(1, 'zoe')).quorum?.words).toBe('jonas, maria or olga could complete it.');
    const others = Array.from({ length: 12 }, (_, i) => ({
      id: 200 + i,
      username: `m${i}`,
      name: `M ${i}`,
      blocked: false,
    }));
    const [first, ...rest] = world.people.projects;
    const members = [...first!.members, ...others.map(({ id }) => ({ user: id, accessLevel: 40 }))];
    world.people = {
      ...world.people,
      users: [...world.people.users, ...others],
      projects: [{ ...first!, members }, ...rest],
    };
    const { quorum, ownVote } = await shown(1, 'zoe');
    expect(quorum?.words).toMatch(/^(\w+, ){9}\w+ or 5 more could complete it\.$/);
    expect(ownVote.ask).toHaveLength(15);
  });
});
