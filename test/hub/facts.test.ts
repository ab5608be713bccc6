import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { report } from '../../agent/src/app/report.ts';
import { reveal } from '../../agent/src/app/reveal.ts';
import { revoke } from '../../agent/src/app/revoke.ts';
import type { CommitPerson } from '../../agent/src/domain/facts.ts';
import { DEFAULT_POLICY, type Policy, type PolicySettings } from '../../agent/src/domain/policy.ts';
import { levelRule } from '../../agent/src/domain/rule.ts';
import { hubWorld, type JobSpec, PEOPLE, policyWith, requestFor, type World } from '../support/hub-world.ts';

let world: World;
beforeEach(async () => {
  world = await hubWorld();
});
afterEach(async () => world.store.close());

const code = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => 'ok',
    (error: { code?: string }) => error.code ?? String(error),
  );
const author = (name: string, email: string | null = null): CommitPerson => ({ role: 'author', id: null, name, email });
const policy = (more: Partial<PolicySettings>): Policy => policyWith(more, 'changed');
const takes = (...dependencies: [number, boolean][]): Pick<JobSpec, 'dependencies'> => ({
  dependencies: dependencies.map(([jobId, samePipeline]) => ({ name: `job ${jobId}`, jobId, samePipeline })),
});
const hidden = (key: string, tag: string, masked = false) => ({
  extra: { variables: [{ key, value: [{ hmac: tag.repeat(32) }], public: false, masked }] },
});

describe('T18 who wrote the commit', () => {
  it.each([
    ['user name', author('maria')],
    ['full name, in any case', author(' Maria ')],
    ['e-mail that the directory knows', author('M. S.', 'maria.s@example.com')],
    ['the part before the @', author('M. S.', 'maria@laptop')],
    ['private address', author('M. S.', '21-ms@users.noreply.gitlab.example.com')],
    ['id, where GitLab said it', { ...author('x'), id: 21 }],
  ])('is known by %s', async (_, person) => {
    const users = PEOPLE.users.map((user) => (user.id === 21 ? { ...user, emails: ['Maria.S@example.com'] } : user));
    world.people = { ...PEOPLE, users };
    await world.admit({ id: 1, people: [person] });
    expect(await code(world.approve('maria', 1))).toBe('self_approval');
    expect(await code(world.approve('jonas', 1))).toBe('ok');
  });

  it('is all that a name alike says, when it says more than one', async () => {
    world.people = {
      ...PEOPLE,
      users: PEOPLE.users.map((user) => (user.id === 22 ? { ...user, name: 'MARIA' } : user)),
    };
    await world.admit({ id: 1, people: [author('Maria')] });
    expect(await code(world.approve('maria', 1))).toBe('self_approval');
    expect(await code(world.approve('jonas', 1))).toBe('self_approval');
    expect(await code(world.approve('olga', 1))).toBe('ok');
  });

  it('excludes only for the hold that opened the review, over a fall-back too', async () => {
    await world.admit({ id: 1, people: [author('jonas')] });
    await world.admit({ id: 2, pipeline: 2, people: [author('maria')] });
    expect((await world.approve('maria', 2)).state).toBe('pending');
    expect(await code(world.approve('jonas', 1))).toBe('wrong_state');
    await revoke(world.context, world.caller('olga'), 1, null);
    expect(await world.state(1)).toBe('waiting_for_approval');
    expect(await code(world.approve('jonas', 1))).toBe('self_approval');
  });

  it.each([
    ['forbid', 'self_approval', 'self_approval'],
    ['forbid_author', 'ok', 'self_approval'],
    ['allow_trigger', 'ok', 'self_approval'],
    ['allow', 'ok', 'ok'],
  ] as const)('under %s: trigger %s, author %s', async (selfApproval, ofTrigger, ofAuthor) => {
    world.policy = policy({ selfApproval });
    await world.admit({ id: 1, by: 'maria', people: [author('jonas')] });
    expect(await code(world.approve('jonas', 1))).toBe(ofAuthor);
    await world.admit({ id: 2, name: 'other', by: 'maria', people: [author('jonas')] });
    expect(await code(world.approve('maria', 2))).toBe(ofTrigger);
  });

  it('who triggered their own commit may under allow_trigger, and the audit says so', async () => {
    world.policy = policy({ selfApproval: 'allow_trigger' });
    await world.admit({ id: 1, by: 'maria', people: [author('maria')] });
    expect(await code(world.approve('maria', 1))).toBe('ok');
    const rows = await world.store.auditRows({ hold: 1, sight: null }, { after: 0, limit: 20 });
    expect(rows.find((row) => row.event === 'vote_approve')?.detail.self_approval).toMatch(/^allow_trigger: /);
  });

  it('is said in the job log, as is what nobody could tell, and artifacts from elsewhere', async () => {
    const { note } = await world.admit({ id: 1, people: [author('jonas')], ...takes([5, false]) });
    expect(note).toContain('zoe triggered it and cannot approve it.');
    expect(note).toContain('In its commit, and so cannot approve it: jonas.');
    expect(note).toContain('did not confirm to be of the same pipeline');
    const other = await world.admit({ id: 2, name: 'other', people: null });
    expect(other.note).toContain('Nobody could tell who made the commit: every rule asks for one more person.');
    expect(other.note).toContain('2 × maintainers');
  });

  it('when nobody can tell, one more person is asked, unless the policy says otherwise', async () => {
    await world.admit({ id: 1, people: null });
    expect((await world.approve('maria', 1)).state).toBe('waiting_for_approval');
    expect((await world.approve('jonas', 1)).state).toBe('pending');
    world.policy = policy({ unknownAuthor: 'allow' });
    await world.admit({ id: 2, name: 'other', people: null });
    expect((await world.approve('maria', 2)).state).toBe('pending');
  });
});

describe('T48 whose artifacts', () => {
  it('are admitted when each job was handed out under an approval, and not before', async () => {
    await world.admit({ id: 1, name: 'compile' });
    const early = await world.admit({ id: 2, ...takes([1, true]) });
    expect((await world.store.hold(early.hold!))?.inputs).toBe('same_pipeline');
    await world.approve('maria', 1);
    await world.report('embedded', { hold: 1, jobId: 1, event: 'handed_out' });
    const late = await world.admit({ id: 3, pipeline: 3, ...takes([1, true]) });
    expect((await world.store.hold(late.hold!))?.inputs).toBe('admitted');
    const undelivered = await world.admit({ id: 4, pipeline: 4, ...takes([1, true], [9, true]) });
    expect((await world.store.hold(undelivered.hold!))?.inputs).toBe('same_pipeline');
  });

  it('keep a hold waiting on its review while others of it go, until somebody widens for it', async () => {
    await world.admit({ id: 1, pipeline: 1, ...takes([5, true]) });
    await world.admit({ id: 2, pipeline: 2, ...takes([5, false]) });
    expect((await world.approve('maria', 1)).state).toBe('pending');
    expect(await world.state(2)).toBe('waiting_for_approval');
    expect((await world.store.review(1))?.state).toBe('open');
    expect(await code(world.approve('maria', 2))).toBe('scope_too_narrow');
    expect((await world.approve('maria', 2, { scope: { inputs: 'any' } })).state).toBe('pending');
    expect((await world.store.review(1))?.state).toBe('approved');
  });

  it('of a retried job count as the new job has them', async () => {
    await world.admit({ id: 1, ...takes([5, true]) });
    await world.approve('maria', 1);
    expect(await world.state(1)).toBe('pending');
    const again = await world.admit({ id: 2, ...takes([5, false]) });
    expect(again).toMatchObject({ hold: 1, outcome: 'hold' });
    expect(await world.state(1)).toBe('waiting_for_approval');
  });

  it('go as far as the narrowest of the votes', async () => {
    world.policy = policy({ rules: [levelRule('two', 40, 2)] });
    await world.admit({ id: 1, ...takes([5, true]) });
    await world.approve('maria', 1, { scope: { inputs: 'any' } });
    await world.approve('jonas', 1);
    expect((await world.store.approval(1))?.scope.inputs).toBe('same_pipeline');
    expect((await world.admit({ id: 2, pipeline: 2, ...takes([5, false]) })).outcome).toBe('hold');
  });
});

describe('T10 T51 wider refs', () => {
  it('answer the reviews of every ref they reach, where the policy allows them', async () => {
    world.policy = policy({ scopes: { ...DEFAULT_POLICY.base.scopes, refs: 'protected' } });
    await world.admit({ id: 1, pipeline: 1, ref: 'refs/heads/release/1' });
    await world.admit({ id: 2, pipeline: 2, ref: 'refs/heads/release/2' });
    await world.admit({ id: 3, pipeline: 3, ref: 'refs/heads/release/3', protected: false });
    await world.admit({ id: 4, pipeline: 4 });
    const ref = { kind: 'glob', pattern: 'refs/heads/release/*' } as const;
    await world.approve('maria', 1, { scope: { ref } });
    expect(await Promise.all([1, 2, 3, 4].map((id) => world.state(id)))).toEqual([
      'pending',
      'pending',
      'waiting_for_approval',
      'waiting_for_approval',
    ]);
    expect((await world.admit({ id: 5, pipeline: 5, ref: 'refs/heads/release/9' })).outcome).toBe('pass');
    expect((await world.admit({ id: 6, pipeline: 6, ref: 'refs/heads/main' })).outcome).toBe('hold');
  });

  it('T10 a named runner is the only one', async () => {
    await world.admit({ id: 1, runner: 'prod' });
    await world.approve('maria', 1, { scope: { runners: ['prod'] } });
    expect((await world.admit({ id: 2, pipeline: 2, runner: 'prod' })).outcome).toBe('pass');
    expect((await world.admit({ id: 3, pipeline: 3, runner: 'other' })).outcome).toBe('hold');
  });
});

describe('T57 hidden values', () => {
  const answers = (values: Record<string, string>) => ({
    asked: [] as string[],
    async reveal(agent: string, question: { names: readonly string[] }) {
      this.asked.push(`${agent}: ${question.names.join(' ')}`);
      return question.names.flatMap((name) =>
        values[name] === undefined ? [] : [{ name, value: values[name], hidden: [] }],
      );
    },
  });
  const look = (who: string, hold: number, agents: ReturnType<typeof answers>, job: JobSpec) =>
    reveal(world.context, agents, world.caller(who), { hold, digest: requestFor(job).digest, names: null });

  it('of sensitive inputs block as those of variables do, masked ones do not', async () => {
    const input = { key: 'command', value: { type: 'string', sensitive: true, content: [{ hmac: 'aa'.repeat(32) }] } };
    await world.admit({ id: 1, extra: { inputs: [input] } });
    expect(await code(world.approve('maria', 1))).toBe('blind_values');
    await world.admit({ id: 2, name: 'other', ...hidden('KUBE_TOKEN', 'bb', true) });
    expect(await code(world.approve('maria', 2))).toBe('ok');
  });

  it('of a public name that was sent twice, once secretly, block too', async () => {
    const twin = (isPublic: boolean, tag: string) => ({
      key: 'IMAGE',
      public: isPublic,
      masked: !isPublic,
      value: [{ hmac: tag.repeat(32) }],
    });
    await world.admit({ id: 1, extra: { variables: [twin(true, 'aa'), twin(false, 'bb')] } });
    expect(await code(world.approve('maria', 1))).toBe('blind_values');
  });

  it('are asked of the agent that has the job, and recorded before they are given', async () => {
    const job = { id: 1, agent: 'north', ...hidden('HOOK', 'aa') };
    await world.admit(job);
    const agents = answers({ HOOK: 'make notes' });
    expect(await look('maria', 1, agents, job)).toEqual([{ name: 'HOOK', value: 'make notes', hidden: [] }]);
    expect(agents.asked).toEqual(['north: HOOK']);
    expect(await world.audit()).toContain('values_revealed');
    expect(JSON.stringify(await world.store.auditRows({ sight: null }, { after: 0, limit: 50 }))).not.toContain(
      'make notes',
    );
    expect(await code(world.approve('jonas', 1))).toBe('ok');
  });

  it('are given to nobody when they cannot be recorded', async () => {
    const job = { id: 1, ...hidden('HOOK', 'aa') };
    await world.admit(job);
    const store = { ...world.store, write: () => Promise.reject(new Error('disk full')) as never };
    const context = { ...world.context, store };
    const wish = { hold: 1, digest: requestFor(job).digest, names: null };
    const seen = reveal(context, answers({ HOOK: 'x' }), world.caller('maria'), wish);
    await expect(seen).rejects.toThrow('disk full');
    expect(await code(world.approve('maria', 1))).toBe('blind_values');
  });

  it('stay blind when the agent does not give them, or the job is gone', async () => {
    const job = { id: 1, ...hidden('HOOK', 'aa') };
    await world.admit(job);
    expect(await code(look('maria', 1, answers({}), job))).toBe('cannot_reveal');
    await report(world.context, 'embedded', {
      hold: 1,
      jobId: 1,
      event: 'detached',
      at: new Date(world.clock.now()).toISOString(),
      detail: { reason: 'time' },
    });
    expect(await code(look('maria', 1, answers({ HOOK: 'x' }), job))).toBe('cannot_reveal');
    expect(await code(world.approve('maria', 1))).toBe('blind_values');
  });

  it('approved once are known until that approval is revoked', async () => {
    const first = { id: 1, ...hidden('HOOK', 'aa') };
    await world.admit(first);
    await look('maria', 1, answers({ HOOK: 'x' }), first);
    await world.approve('maria', 1);
    await world.admit({ id: 2, pipeline: 2, script: ['make all'], ...hidden('HOOK', 'aa') });
    await world.admit({ id: 3, pipeline: 3, script: ['make all'], ...hidden('HOOK', 'bb') });
    expect(await code(world.approve('jonas', 3))).toBe('blind_values');
    expect(await code(world.approve('jonas', 2))).toBe('ok');
    await world.admit({ id: 4, pipeline: 4, name: 'other', ...hidden('HOOK', 'aa') });
    expect(await code(world.approve('jonas', 4))).toBe('blind_values');
    for (const approval of [1, 2]) await revoke(world.context, world.caller('olga'), approval, null);
    await world.admit({ id: 5, pipeline: 5, script: ['make it'], ...hidden('HOOK', 'aa') });
    expect(await code(world.approve('jonas', 5))).toBe('blind_values');
  });
});
