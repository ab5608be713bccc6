import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { admit } from '../../agent/src/app/admit.ts';
import { autoApprove } from '../../agent/src/app/auto-approve.ts';
import { revoke } from '../../agent/src/app/revoke.ts';
import { revokeMany } from '../../agent/src/app/revoke-many.ts';
import { verifyApprovals } from '../../agent/src/app/verify-approvals.ts';
import { HoldpointError } from '../../agent/src/domain/errors.ts';
import type { Facts } from '../../agent/src/domain/facts.ts';
import type { PushedHistory } from '../../agent/src/domain/pushed.ts';
import { levelRule } from '../../agent/src/domain/rule.ts';
import type { CiAnswer, CiApi } from '../../agent/src/ports/ci-api.ts';
import { factsFor, hubWorld, type JobSpec, policyWith, requestFor, type World } from '../support/hub-world.ts';

const FIRST = '1'.repeat(40);
const NEXT = '2'.repeat(40);
const MAIN = 'refs/heads/main';
const maker = (role: 'author' | 'committer', name: string) => ({ role, id: null, name, email: `${name}@example.com` });
const commit = (sha: string, parents: readonly string[], author = 'maria', committer = author) => ({
  sha,
  parents,
  people: [maker('author', author), maker('committer', committer)],
});
/** Maria pushed one commit of her own since the approved one. */
const OWN: PushedHistory = {
  commits: [commit(NEXT, [FIRST])],
  pushes: [{ user: 21, ref: MAIN, from: FIRST, to: NEXT }],
  jobs: [2],
  complete: true,
};

describe('auto-approval: who could approve it alone, and pushed and made all of it', () => {
  let world: World;
  let history: () => Promise<CiAnswer<PushedHistory>>;
  let asked: { from: string; to: string }[];
  beforeEach(async () => {
    world = await hubWorld();
    world.policy = policyWith({ autoApprove: 'pushed_by_approver' }, 'auto');
    history = async () => ({ ok: true, value: OWN });
    asked = [];
  });
  afterEach(() => world.store.close());

  async function run(job: JobSpec, sha: string, facts: Partial<Facts> = {}) {
    const request = requestFor(job);
    const base = factsFor(job);
    return admit(world.context, 'embedded', {
      ...request,
      facts: { ...base, commit: { ...base.commit, sha }, ...facts },
    });
  }
  /** The first configuration, approved by people and run. */
  async function approvedBefore(): Promise<void> {
    await run({ id: 1, pipeline: 1 }, FIRST);
    await world.approve('jonas', 1);
    await world.report('embedded', { hold: 1, jobId: 1, event: 'handed_out' });
  }
  const changed: JobSpec = { id: 2, pipeline: 2, by: 'maria', script: ['make', 'make more'] };
  const tries = async (hold = 2) => {
    const ask: CiApi['history'] = async (_, question) => {
      asked.push({ from: question.from, to: question.to });
      return history();
    };
    const api = { history: ask } as Partial<CiApi> as CiApi;
    const tried = await autoApprove(world.context, { api, botToken: () => 'glpat-bot' }, hold);
    return tried.approved ? 'approved' : tried.why;
  };

  it('passes without a vote, and says in the audit whose exception that was', async () => {
    await approvedBefore();
    await run(changed, NEXT);
    expect(await tries()).toBe('approved');
    expect(asked).toEqual([{ from: FIRST, to: NEXT }]);
    expect(await world.state(2)).toBe('pending');
    const approval = (await world.store.approval(2))!;
    expect(approval).toMatchObject({ votes: [], auto: { id: 21, username: 'maria' }, policy: 'auto' });
    const rows = await world.store.auditRows({ sight: null }, { after: 0, limit: 100 });
    const of = (event: string) => rows.find((row) => row.event === event && row.approval === 2)?.detail;
    expect(of('approval_auto')).toMatchObject({ person: 21, since: FIRST, to: NEXT, pushes: 1, commits: 1 });
    expect(of('exception_used')).toMatchObject({ exception: 'auto_approve', person: 21 });
    expect(await verifyApprovals(world.context)).toEqual([]);
  });

  it('T56 is no baseline of tolerance: nobody has looked at it', async () => {
    const secret = (value: string) => ({
      variables: [
        { key: 'PW', value: [{ hmac: value.repeat(64) }], public: false, masked: true, file: false, raw: false },
      ],
    });
    await approvedBefore();
    await run({ ...changed, extra: secret('a') }, NEXT);
    expect(await tries()).toBe('approved');
    expect((await run({ ...changed, id: 3, pipeline: 3, extra: secret('b') }, NEXT)).outcome).toBe('hold');
  });

  it('is off where the policy does not say so', async () => {
    world.policy = policyWith({}, 'off');
    await approvedBefore();
    await run(changed, NEXT);
    expect(await tries()).toContain('policy');
    expect(asked).toEqual([]);
  });

  const never: readonly (readonly [string, () => Partial<PushedHistory>])[] = [
    ['T18 a commit of somebody else', () => ({ commits: [commit(NEXT, [FIRST], 'zoe', 'maria')] })],
    ['T18 a commit that somebody else committed', () => ({ commits: [commit(NEXT, [FIRST], 'maria', 'zoe')] })],
    ['T17 a commit of a name that nobody has', () => ({ commits: [commit(NEXT, [FIRST], 'stranger')] })],
    [
      'T17 a commit without a committer',
      () => ({ commits: [{ ...commit(NEXT, [FIRST]), people: [maker('author', 'maria')] }] }),
    ],
    [
      'T35 a push of somebody else in between',
      () => ({
        commits: [commit(NEXT, ['3'.repeat(40)]), commit('3'.repeat(40), [FIRST])],
        pushes: [
          { user: 21, ref: MAIN, from: '3'.repeat(40), to: NEXT },
          { user: 9, ref: MAIN, from: FIRST, to: '3'.repeat(40) },
        ],
      }),
    ],
    [
      'T18 T35 a commit in her name that somebody else pushed to a branch, and that she merged',
      () => ({ pushes: [...OWN.pushes, { user: 9, ref: 'refs/heads/fix', from: FIRST, to: NEXT }] }),
    ],
    ['T35 a gap between the pushes', () => ({ pushes: [{ user: 21, ref: MAIN, from: '4'.repeat(40), to: NEXT }] })],
    ['T35 a push that nobody knows of', () => ({ pushes: [] })],
    ['T35 a push to another ref', () => ({ pushes: [{ user: 21, ref: 'refs/heads/x', from: FIRST, to: NEXT }] })],
    ['T35 a ref that was made anew', () => ({ pushes: [{ user: 21, ref: MAIN, from: null, to: NEXT }] })],
    ['T35 a merge of what is not from there', () => ({ commits: [commit(NEXT, [FIRST, '5'.repeat(40)])] })],
    ['T35 commits that do not lead there', () => ({ commits: [commit('6'.repeat(40), [FIRST])] })],
    ['T35 no commit at all: something else changed', () => ({ commits: [] })],
    ['T35 an answer that may not be all', () => ({ complete: false })],
    ['T14 a job that was retried', () => ({ jobs: [2, 1] })],
  ];
  it.each(never)('%s asks people', async (_, what) => {
    history = async () => ({ ok: true, value: { ...OWN, ...what() } });
    await approvedBefore();
    await run(changed, NEXT);
    expect(await tries()).not.toBe('approved');
    expect(await world.state(2)).toBe('waiting_for_approval');
    expect(await world.store.approval(2)).toBeNull();
  });

  const other: readonly (readonly [string, Partial<JobSpec>, Partial<Facts>])[] = [
    [
      'T17 a pipeline of which only a variable says that a push started it',
      {},
      { pipeline: { id: 2, source: 'push', url: null, verified: false } },
    ],
    [
      'T14 a pipeline that somebody started by hand',
      {},
      { pipeline: { id: 2, source: 'web', url: null, verified: true } },
    ],
    ['T14 a schedule', {}, { pipeline: { id: 2, source: 'schedule', url: null, verified: true } }],
    ['T17 a trigger that GitLab did not name', { verified: 'payload' }, {}],
    ['T18 somebody who may not approve', { by: 'zoe' }, {}],
    ['T10 another ref, where nothing was approved', { ref: 'refs/heads/x' }, {}],
    ['T10 another job', { name: 'other' }, {}],
  ];
  it.each(other)('%s asks people', async (_, job, facts) => {
    await approvedBefore();
    await run({ ...changed, ...job }, NEXT, facts);
    expect(await tries()).not.toBe('approved');
    expect(await world.state(2)).toBe('waiting_for_approval');
  });

  it('T12 what was approved and taken back since is no commit to start from', async () => {
    await approvedBefore();
    await revoke(world.context, world.caller('jonas'), 1, 'that was a mistake');
    await run(changed, NEXT);
    expect(await tries()).toContain('no run of this ref was approved before');
  });

  it('T19 is found among the approvals that rest on the person who pushed', async () => {
    await approvedBefore();
    await run(changed, NEXT);
    await tries();
    const resting = async (voter: number | string) =>
      (await revokeMany(world.context, world.caller('jonas'), { voter }, { comment: null, dryRun: true })).items;
    expect((await resting(21)).map(({ approval }) => approval.id)).toEqual([2]);
    expect(await resting('maria')).toHaveLength(1);
    world.people = { ...world.people, users: world.people.users.filter(({ id }) => id !== 21) };
    const left = await revokeMany(
      world.context,
      world.caller('jonas'),
      { voterLeft: true },
      { comment: null, dryRun: false },
    );
    expect(left.items.map(({ approval }) => approval.id)).toEqual([2]);
  });

  it('T22 one person is not two: a rule of two asks people', async () => {
    await approvedBefore();
    world.policy = policyWith({ autoApprove: 'pushed_by_approver', rules: [levelRule('two', 40, 2)] }, 'two');
    await run(changed, NEXT);
    expect(await tries()).toContain('alone');
  });

  it('T35 GitLab away, or a token that may not see: people decide', async () => {
    await approvedBefore();
    await run(changed, NEXT);
    history = async () => ({ ok: false, status: 403 });
    expect(await tries()).toContain('403');
    history = async () => {
      throw new HoldpointError('ci_unreachable', 'away');
    };
    await expect(tries()).rejects.toMatchObject({ code: 'ci_unreachable' });
    expect(await world.state(2)).toBe('waiting_for_approval');
  });

  it('T15 what was denied stays denied, and what people vote on is theirs', async () => {
    await approvedBefore();
    await run(changed, NEXT);
    history = async () => {
      await world.reject('jonas', 2, { remember: true });
      return { ok: true, value: OWN };
    };
    expect(await tries()).not.toBe('approved');
    expect(await world.state(2)).toBe('rejected');
  });

  it('T19 who was removed while GitLab was asked approves nothing', async () => {
    await approvedBefore();
    await run(changed, NEXT);
    history = async () => {
      world.people = {
        ...world.people,
        users: world.people.users.map((u) => (u.id === 21 ? { ...u, blocked: true } : u)),
      };
      return { ok: true, value: OWN };
    };
    expect(await tries()).not.toBe('approved');
  });
});
