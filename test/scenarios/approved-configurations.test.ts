import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { startHub, type TestHub } from '../support/hub-server.ts';
import { configurationFor, DAY, type JobSpec, PEOPLE, requestFor } from '../support/hub-world.ts';

let hub: TestHub;
beforeEach(async () => {
  hub = await startHub();
});
afterEach(() => hub.close());

interface Row {
  readonly [name: string]: unknown;
}
const post = async (who: string, path: string, body: object) =>
  hub.call('POST', `/api/v1/${path}`, await hub.token(who), body);
const items = async (who: string, path: string): Promise<readonly Row[]> =>
  (await hub.call('GET', `/api/v1/${path}`, await hub.token(who))).body.items as unknown as readonly Row[];
/** A job with this script that a maintainer has approved, and that has run. */
async function approved(id: number, script: string, more: Partial<JobSpec> = {}, who = 'maria', lifetime?: string) {
  const { world } = hub;
  await world.admit({ id, pipeline: 100 + id, script: [script], ...more });
  const hold = (await world.store.holds({ sight: null }, { after: 0, limit: 1_000 })).at(-1)!;
  await world.approve(who, hold.id, lifetime === undefined ? {} : { lifetime });
  return (await world.store.hold(hold.id))!;
}
const standing = async () =>
  (await hub.store.approvals({ revoked: false, sight: null }, { after: 0, limit: 100 })).map(({ id }) => id);

describe('approved configurations: the list', () => {
  it('has digest, who approved under which rules, scope, lifetime, last use, uses and runners; several per job at once', async () => {
    const hold = await approved(1, 'make one');
    await approved(2, 'make two');
    await hub.world.report('embedded', { hold: hold.id, jobId: 1, event: 'handed_out' });
    await hub.world.admit({ id: 3, pipeline: 300, script: ['make one'], runner: 'other' });
    const list = await items('rita', 'approvals?project=acme/payments/api&job=build');
    expect(list.map(({ id }) => id)).toEqual([1, 2]);
    expect(list[0]).toMatchObject({
      digest: hold.digest,
      job: 'build',
      scope: 'ref=exact inputs=same_pipeline',
      lifetime: 'standing',
      times_used: 2,
      uses_left: null,
      runners: ['prod'],
      votes: [expect.objectContaining({ person: { id: 21, username: 'maria', name: 'MARIA' } })],
    });
    expect(await items('rita', `approvals?digest=${hold.digest}`)).toHaveLength(1);
    const detail = (await hub.call('GET', '/api/v1/approvals/1', await hub.token('maria'))).body;
    expect(detail).toMatchObject({
      rules: [{ name: 'maintainers', who: 'maintainer or higher', need: 1 }],
      configuration: configurationFor(['make one']),
      runners: ['prod'],
    });
    expect(await items('stranger', 'approvals')).toEqual([]);
  });

  it('compares two, with tags of hidden values for nobody who may not approve', async () => {
    const secret = (tag: string) => ({
      variables: [{ key: 'A', value: [{ hmac: tag }], public: false, masked: true, file: false, raw: false }],
    });
    await approved(1, 'make', { extra: secret('aa') });
    await approved(2, 'make all', { extra: secret('bb') });
    const path = '/api/v1/approvals/1/diff?with=2';
    const full = (await hub.call('GET', path, await hub.token('maria'))).body;
    expect(full.summary).toContain('script line changed');
    expect(JSON.stringify(full.changes)).toContain('hmac:aa');
    const hidden = (await hub.call('GET', path, await hub.token('rita'))).body;
    expect(JSON.stringify(hidden.changes)).not.toMatch(/hmac:(aa|bb)/);
    expect((await hub.call('GET', path, await hub.token('stranger'))).status).toBe(404);
  });
});

describe('approved configurations: revoke by filter', () => {
  it('says first what it would revoke, and revokes nothing then', async () => {
    await approved(1, 'make one');
    await approved(2, 'make two', { name: 'deploy' });
    const dry = await post('maria', 'approvals/revoke', { job: 'dep*', dry_run: true });
    expect(dry.body).toMatchObject({ dry_run: true, items: [{ revoked: false, problem: null, approval: { id: 2 } }] });
    expect(await standing()).toEqual([1, 2]);
    const done = await post('maria', 'approvals/revoke', { job: 'dep*', comment: 'gone' });
    expect(done.body).toMatchObject({
      dry_run: false,
      items: [{ revoked: true, approval: { id: 2, revoked_by: 'maria' } }],
    });
    expect(await standing()).toEqual([1]);
    const row = (await hub.store.auditRows({ sight: null }, { after: 0, limit: 100 })).findLast(
      ({ event }) => event === 'approval_revoked',
    );
    expect(row?.detail).toMatchObject({ comment: 'gone', filter: { job: 'dep*' } });
  });

  it.each([
    ['project by path', { project: 'acme/payments/api' }, [1, 2, 3]],
    ['everything below a group', { project: 'acme/payments/*' }, [1, 2, 3]],
    ['no project whose path merely begins so', { project: 'acme/pay/*' }, []],
    ['project and job', { project: 4242, job: 'deploy' }, [2]],
    ['image', { image: 'registry.example.com/old*' }, [3]],
    ['image of a service', { image: 'postgres:*' }, [2]],
    ['voter by name', { voter: 'jonas' }, [3]],
    ['voter by id', { voter: 21 }, [1, 2]],
    ['unused for so long', { unused_days: 30 }, []],
  ])('by %s', async (_, filter, expected) => {
    await approved(1, 'make one');
    await approved(2, 'make two', { name: 'deploy', extra: { services: [{ name: 'postgres:16' }] } });
    await approved(3, 'make three', { extra: { image: { name: 'registry.example.com/old/build:1' } } }, 'jonas');
    const { body } = await post('maria', 'approvals/revoke', { ...filter, dry_run: true });
    expect((body.items as unknown as { approval: { id: number } }[]).map(({ approval }) => approval.id)).toEqual(
      expected,
    );
  });

  it('T19 --voter-left finds what rests on somebody who is gone, and what is unused since', async () => {
    await approved(1, 'make one', {}, 'jonas');
    await approved(2, 'make two');
    hub.world.clock.advance(31 * DAY);
    await hub.world.admit({ id: 9, pipeline: 900, script: ['make two'] });
    hub.world.people = {
      ...PEOPLE,
      users: PEOPLE.users.map((u) => (u.username === 'jonas' ? { ...u, blocked: true } : u)),
    };
    const left = await post('maria', 'approvals/revoke', { voter_left: true, dry_run: true });
    expect(left.body).toMatchObject({ items: [{ approval: { id: 1 } }] });
    const unused = await post('maria', 'approvals/revoke', { unused_days: 30 });
    expect(unused.body).toMatchObject({ items: [{ approval: { id: 1 }, revoked: true }] });
    expect(await standing()).toEqual([2]);
  });

  it('refuses a filter that says nothing, and touches nothing that the caller may not revoke', async () => {
    await approved(1, 'make one');
    expect((await post('maria', 'approvals/revoke', {})).body.code).toBe('bad_input');
    expect((await post('maria', 'approvals/revoke', { comment: 'all of it' })).body.code).toBe('bad_input');
    const rita = await post('rita', 'approvals/revoke', { job: '*' });
    expect(rita.body).toMatchObject({ items: [{ revoked: false, problem: { code: 'not_eligible' } }] });
    const stranger = await post('stranger', 'approvals/revoke', { job: '*' });
    expect(stranger.body.items).toEqual([]);
    expect(await standing()).toEqual([1]);
  });
});

describe('approved configurations: renew', () => {
  const until = (days: number) => `until:${new Date(hub.world.clock.now() + days * DAY).toISOString().slice(0, 10)}`;

  it('stands on the list two weeks ahead, goes on after a vote under the rules, and leaves the list', async () => {
    const { digest } = await approved(1, 'make', {}, 'maria', until(20));
    expect(await items('maria', 'approvals/renewals')).toEqual([]);
    expect((await post('maria', 'approvals/1/renew', { digest })).body.code).toBe('wrong_state');
    hub.world.clock.advance(8 * DAY);
    expect(await items('maria', 'approvals/renewals')).toMatchObject([{ approval: { id: 1 }, review: null }]);
    const { status, body } = await post('jonas', 'approvals/1/renew', {
      digest,
      lifetime: until(60),
      comment: 'looked at it',
    });
    expect(status).toBe(200);
    expect(body).toMatchObject({
      review: { state: 'approved', kind: 'renewal' },
      approval: {
        id: 2,
        renews: 1,
        digest,
        scope: 'ref=exact inputs=same_pipeline',
        lifetime: expect.stringContaining('until:2027'),
      },
    });
    expect(await items('maria', 'approvals/renewals')).toEqual([]);
    hub.world.clock.advance(20 * DAY);
    expect((await hub.world.admit({ id: 7, pipeline: 700, script: ['make'] })).outcome).toBe('pass');
    expect(await hub.world.audit()).toEqual(expect.arrayContaining(['approval_renewed', 'approval_created']));
  });

  it('T18 T21 asks as many as the rules of today ask, excludes who caused it, and nobody else puts the question', async () => {
    await hub.world.admit({ id: 1, script: ['make'], by: 'jonas' });
    await hub.world.approve('maria', 1, { lifetime: until(10) });
    const { digest } = (await hub.store.hold(1))!;
    expect((await post('jonas', 'approvals/1/renew', { digest })).body.code).toBe('self_approval');
    expect((await post('zoe', 'approvals/1/renew', { digest })).body.code).toBe('not_eligible');
    const [rule] = hub.world.policy.base.rules;
    hub.world.policy = { ...hub.world.policy, base: { ...hub.world.policy.base, rules: [{ ...rule!, count: 2 }] } };
    const first = await post('maria', 'approvals/1/renew', { digest, lifetime: until(30) });
    expect(first.body).toMatchObject({ review: { state: 'open' }, approval: null });
    expect(await items('maria', 'approvals/renewals')).toMatchObject([{ review: { kind: 'renewal', state: 'open' } }]);
    const second = await post('olga', 'approvals/1/renew', { digest, lifetime: until(20) });
    // The narrower of what both said.
    expect(second.body).toMatchObject({ approval: { lifetime: expect.stringContaining(until(20)) } });
  });

  it('T36 takes the full digest alone, and nothing that was revoked or has ended', async () => {
    const { digest } = await approved(1, 'make', {}, 'maria', until(10));
    expect((await post('maria', 'approvals/1/renew', { digest: digest.slice(0, 20) })).status).toBe(400);
    expect((await post('maria', 'approvals/1/renew', { digest: `sha256:${'0'.repeat(64)}` })).body.code).toBe(
      'digest_mismatch',
    );
    hub.world.clock.advance(11 * DAY);
    expect((await post('maria', 'approvals/1/renew', { digest })).body.code).toBe('wrong_state');
    await approved(2, 'make two', {}, 'maria', until(10));
    await post('maria', 'approvals/2/revoke', {});
    const two = (await hub.store.approval(2))!;
    expect((await post('maria', 'approvals/2/renew', { digest: two.digest })).body.code).toBe('wrong_state');
  });

  it('ends unanswered after the time that a request has', async () => {
    const { base } = hub.world.policy;
    const [rule] = base.rules;
    hub.world.policy = {
      ...hub.world.policy,
      base: { ...base, rules: [{ ...rule!, count: 2 }], requestTtlMs: 2 * DAY },
    };
    await hub.world.admit({ id: 1, script: ['make'] });
    await hub.world.approve('maria', 1, { lifetime: until(10) });
    await hub.world.approve('jonas', 1, { lifetime: until(10) });
    const { digest } = (await hub.store.hold(1))!;
    const { body } = await post('maria', 'approvals/1/renew', { digest, lifetime: until(30) });
    const { expireAsks } = await import('../../agent/src/app/asks.ts');
    hub.world.clock.advance(2 * DAY);
    await expireAsks(hub.world.context);
    expect((await hub.store.review(Number((body.review as unknown as Row).id)))?.state).toBe('expired');
  });
});

describe('rejected digests', () => {
  it('T15 are listed, and lifted by who may approve there: later jobs wait again instead of being refused', async () => {
    await hub.world.admit({ id: 1, script: ['rm -rf /'], by: 'jonas' });
    await hub.world.reject('maria', 1, { remember: true, comment: 'never' });
    expect((await hub.world.admit({ id: 2, pipeline: 200, script: ['rm -rf /'] })).outcome).toBe('refuse');
    expect(await items('rita', 'denials')).toMatchObject([
      { id: 1, by: 'maria', reason: 'never', in_force: true, lifted_at: null, job: 'build' },
    ]);
    expect((await post('rita', 'denials/1/lift', {})).body.code).toBe('not_eligible');
    expect((await post('stranger', 'denials/1/lift', {})).status).toBe(404);
    // T18: not for what one has caused oneself.
    expect((await post('jonas', 'denials/1/lift', {})).body.code).toBe('self_approval');
    expect((await post('maria', 'denials/1/lift', { comment: 'it is a test' })).body).toMatchObject({
      in_force: false,
      lifted_by: 'maria',
      lifted_reason: 'it is a test',
    });
    expect((await post('maria', 'denials/1/lift', {})).body.code).toBe('wrong_state');
    expect((await hub.world.admit({ id: 3, pipeline: 300, script: ['rm -rf /'] })).outcome).toBe('hold');
    expect(await hub.world.audit()).toContain('denial_lifted');
  });
});

describe('imported configurations', () => {
  const item = (script: string, more: Row = {}) => {
    const { digest, configuration } = requestFor({ id: 1, script: [script] });
    return {
      note: 'build.json',
      project_id: 4242,
      job: 'build',
      ref: 'refs/heads/main',
      ref_protected: true,
      environment: null,
      digest,
      configuration,
      ...more,
    };
  };
  const INSTANCE = 'https://gitlab.example.com';

  it('T36 T18 open reviews and approve nothing: two people who did not import have to say yes', async () => {
    const { body } = await post('maria', 'approvals/import', { instance: INSTANCE, items: [item('make')] });
    expect(body).toMatchObject({ items: [{ outcome: 'asked', review: 1, approval: null, problem: null }] });
    expect((await hub.world.admit({ id: 1, script: ['make'] })).outcome).toBe('hold');
    const { digest } = item('make');
    const decide = (who: string) => post(who, 'reviews/1/decide', { digest, decision: 'approve' });
    expect((await decide('maria')).body.code).toBe('self_approval');
    expect((await decide('zoe')).body.code).toBe('not_eligible');
    expect((await decide('jonas')).body).toMatchObject({ approval: null, review: { state: 'open', kind: 'import' } });
    expect(await hub.world.state(1)).toBe('waiting_for_approval');
    expect((await decide('olga')).body).toMatchObject({ approval: { digest }, review: { state: 'approved' } });
    // What waits for the same answer is let go by it.
    expect(await hub.world.state(1)).toBe('pending');
    expect(await hub.world.audit()).toContain('approval_imported');
  });

  it('a job that comes is asked about under its own rules, not under those of the import', async () => {
    await post('zoe', 'approvals/import', { instance: INSTANCE, items: [item('make')] });
    await hub.world.admit({ id: 1, script: ['make'], by: 'jonas' });
    const reviews = await items('maria', 'reviews?state=open');
    expect(reviews.map(({ kind }) => kind)).toEqual(['import', 'job']);
    const hold = (await hub.store.hold(1))!;
    await expect(hub.world.approve('jonas', 1)).rejects.toMatchObject({ code: 'self_approval' });
    await hub.world.approve('maria', hold.id);
    expect(await hub.world.state(1)).toBe('pending');
    // Its approval answers the import as well.
    expect((await items('maria', 'reviews')).map(({ state }) => state)).toEqual(['approved', 'approved']);
  });

  it('T3 T57 is refused with another digest, another form, an unknown project; and not approved with a value nobody has seen', async () => {
    const hidden = {
      variables: [{ key: 'TYPED', value: [{ hmac: 'aa' }], public: false, masked: false, file: false, raw: false }],
    };
    const { digest, configuration } = requestFor({ id: 1, script: ['make'], extra: hidden });
    const { body } = await post('maria', 'approvals/import', {
      instance: INSTANCE,
      items: [
        item('make', { digest: `sha256:${'0'.repeat(64)}` }),
        item('make', { configuration: { steps: [] } }),
        item('make', { project_id: 777 }),
        item('make', { digest, configuration }),
      ],
    });
    const outcomes = body.items as unknown as { outcome: string | null; problem: { code: string } | null }[];
    expect(outcomes.map(({ outcome, problem }) => outcome ?? problem?.code)).toEqual([
      'digest_mismatch',
      'bad_input',
      'not_found',
      'asked',
    ]);
    const voted = await post('jonas', 'reviews/1/decide', { digest, decision: 'approve' });
    expect(voted.body.code).toBe('blind_values');
  });

  it('says what is approved already, and one that is asked about is asked once', async () => {
    await approved(1, 'make');
    const once = await post('maria', 'approvals/import', { items: [item('make'), item('make all'), item('make all')] });
    expect(once.body).toMatchObject({
      items: [
        { outcome: 'approved', approval: 1 },
        { outcome: 'asked', review: 2 },
        { outcome: 'asked', review: 2 },
      ],
    });
  });

  it('T30 T45 takes none from who could not have pushed it, none that is nested without end, and no more than somebody could answer', async () => {
    const rita = await post('rita', 'approvals/import', { instance: INSTANCE, items: [item('make')] });
    expect(rita.body).toMatchObject({ items: [{ outcome: null, problem: { code: 'not_found' } }] });
    const deep = `${'{"a":'.repeat(20_000)}1${'}'.repeat(20_000)}`;
    const { digest } = item('make');
    const raw = JSON.stringify({ instance: INSTANCE, items: [item('make', { configuration: { form: 'X' } })] });
    const body = raw.replace('{"form":"X"}', `{"form":"holdpoint.configuration/v1","x":${deep}}`);
    const answer = await hub.call('POST', '/api/v1/approvals/import', await hub.token('zoe'), body);
    expect(answer.body).toMatchObject({ items: [{ digest, outcome: null, problem: { code: 'too_large' } }] });
  });

  it('T21 a freeze window that asks for more people asks them here too', async () => {
    const { readPolicy } = await import('../../agent/src/directories/policy-file.ts');
    const text = 'unknown_author: allow\n';
    hub.world.policy = readPolicy(text, 'policy.yaml');
    await post('zoe', 'approvals/import', { instance: INSTANCE, items: [item('make')] });
    const window = `freeze:
  - name: quarter end
    time_zone: UTC
    mode: extra_approval
    dates: [{ from: 2026-11-01 00:00, to: 2026-12-31 }]
    rules: [{ name: owners, access_level: owner }]
`;
    hub.world.policy = readPolicy(text + window, 'policy.yaml');
    const { digest } = item('make');
    const decide = (who: string) => post(who, 'reviews/1/decide', { digest, decision: 'approve' });
    expect((await decide('maria')).body).toMatchObject({ approval: null, review: { state: 'open' } });
    expect((await decide('olga')).body).toMatchObject({ approval: { digest } });
  });

  it('T36 the hold of a job is decided on by its own number alone', async () => {
    await hub.world.admit({ id: 1, script: ['make'] });
    const { digest } = (await hub.store.hold(1))!;
    expect((await post('maria', 'reviews/1/decide', { digest, decision: 'approve' })).body.code).toBe('wrong_state');
  });
});

describe('a renamed project', () => {
  const extra = (path: string) => ({ git_info: { repo_url: `https://gitlab.example.com/${path}.git` } });
  const rename = (who: string, body: object) =>
    post(who, 'approvals/rename', { from: 'acme/payments/api', to: 'acme/money/api', ...body });
  const called = (path: string) => {
    hub.world.people = {
      ...PEOPLE,
      projects: PEOPLE.projects.map((project) => (project.id === 4242 ? { ...project, path } : project)),
    };
  };

  it('carries its approvals over by one vote on the list that was shown, each by its own rules', async () => {
    await approved(1, 'make one', { extra: extra('acme/payments/api') });
    await approved(2, 'echo acme/payments/api', { name: 'deploy', extra: extra('acme/payments/api') });
    await approved(3, 'make three');
    called('acme/money/api');
    const shown = (await rename('jonas', {})).body;
    const list = shown.items as unknown as {
      approval: number;
      old_digest: string;
      digest: string;
      changes: unknown[];
    }[];
    // What has the path nowhere goes on as it is; a script says what it says.
    expect(list.map(({ approval, changes }) => [approval, changes.length])).toEqual([
      [1, 1],
      [2, 1],
    ]);
    expect(list[0]!.digest).toBe(requestFor({ id: 1, script: ['make one'], extra: extra('acme/money/api') }).digest);
    expect(await standing()).toEqual([1, 2, 3]);
    const done = (await rename('jonas', { list: shown.list as unknown as string })).body;
    expect(done).toMatchObject({
      items: [
        { approval: 1, renewed_by: 4 },
        { approval: 2, renewed_by: 5 },
      ],
    });
    const pass = await hub.world.admit({ id: 9, pipeline: 900, script: ['make one'], extra: extra('acme/money/api') });
    expect(pass.outcome).toBe('pass');
    expect(await hub.world.audit()).toContain('approvals_renamed');
  });

  it('T20 not for a path that the directory does not have, not by who may not approve, not with another list', async () => {
    await approved(1, 'make one', { extra: extra('acme/payments/api') });
    expect((await rename('maria', {})).body.items).toEqual([]);
    called('acme/money/api');
    const { list } = (await rename('maria', {})).body as unknown as { list: string };
    expect((await rename('zoe', { list })).body).toMatchObject({
      items: [{ problem: { code: 'not_eligible' }, renewed_by: null }],
    });
    await approved(2, 'make two', { extra: extra('acme/payments/api') });
    expect((await rename('maria', { list })).body.code).toBe('digest_mismatch');
    expect(await standing()).toEqual([1, 2]);
  });

  it('T18 keeps those excluded who caused what was approved', async () => {
    await approved(1, 'make one', { extra: extra('acme/payments/api'), by: 'jonas' });
    called('acme/money/api');
    const { list } = (await rename('jonas', {})).body as unknown as { list: string };
    expect((await rename('jonas', { list })).body).toMatchObject({ items: [{ problem: { code: 'self_approval' } }] });
    expect((await rename('maria', { list })).body).toMatchObject({ items: [{ renewed_by: 2, problem: null }] });
  });
});
