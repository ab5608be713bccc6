import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { addedCounts, applyRetention, BY_TIME, RETENTION_START } from '../../../agent/src/app/apply-retention.ts';
import { bundleOfHold } from '../../../agent/src/app/bundle.ts';
import { inspectApproval, inspectHold } from '../../../agent/src/app/inspect.ts';
import { issueBootstrapToken } from '../../../agent/src/app/issue-token.ts';
import { revoke } from '../../../agent/src/app/revoke.ts';
import { verifyAudit } from '../../../agent/src/app/verify-audit.ts';
import { DEFAULT_POLICY } from '../../../agent/src/domain/policy.ts';
import { DEFAULT_RETENTION, type RetentionCounts, type RetentionPolicy } from '../../../agent/src/domain/retention.ts';
import { UNUSED } from '../../../agent/src/domain/token.ts';
import type { Store } from '../../../agent/src/ports/store.ts';
import { auditKeeper } from '../../support/audit-keeper.ts';
import { DAY, factsFor, HOUR, hubWorld, START, type World } from '../../support/hub-world.ts';
import type { StoreUnderTest } from './store-contract.ts';

/** What every store must do when what is old is removed. */
export function retentionContract({ name, create }: StoreUnderTest): void {
  describe(`retention, in the store on ${name}`, () => {
    let database: Awaited<ReturnType<StoreUnderTest['create']>>;
    let store: Store;
    let world: World;
    beforeEach(async () => {
      database = await create();
      store = await database.open();
      world = await hubWorld({ store });
    });
    afterEach(async () => {
      await store.close();
      await database.remove();
    });
    const keep = (retention: Partial<RetentionPolicy>): void => {
      world.policy = {
        ...DEFAULT_POLICY,
        version: 'the-policy',
        retention: { ...DEFAULT_RETENTION, ranMs: 400 * DAY, notRunMs: 100 * DAY, ...retention },
      };
    };
    const gc = async (dryRun = false): Promise<RetentionCounts> => {
      let counts: RetentionCounts = {};
      for (let cursor: string | null = RETENTION_START; cursor !== null; ) {
        const step = await applyRetention(world.context, BY_TIME, { cursor, dryRun });
        counts = addedCounts(counts, step.counts);
        cursor = step.next;
      }
      return counts;
    };
    const digestOf = async (hold: number): Promise<string> => (await store.hold(hold))!.digest;
    const text = async (hold: number): Promise<string | null> => store.configuration(await digestOf(hold));
    const run = async (id: number, script: string): Promise<number> => {
      await world.admit({ id, pipeline: id, script: [script] });
      const { id: hold } = (await store.holdOfJob('https://gitlab.example.com', 4242, id))!;
      await world.approve('maria', hold);
      await world.report('embedded', { hold, jobId: id, event: 'handed_out' });
      await world.report('embedded', { hold, jobId: id, event: 'confirmed' });
      await world.report('embedded', { hold, jobId: id, event: 'ended', detail: { status: 'success' } });
      expect(await world.state(hold)).toBe('success');
      return hold;
    };
    const failure = (promise: Promise<unknown>) =>
      promise.then(
        () => ({ code: 'none', message: '' }),
        (error: { code: string; message: string }) => ({ code: error.code, message: error.message }),
      );

    it('keeps for ever what ran, as shipped, and lets go after a year what nobody let run', async () => {
      const ran = await run(1, 'make');
      await world.admit({ id: 2, pipeline: 2, script: ['rm -rf /'] });
      await world.reject('maria', 2);
      world.clock.advance(365 * DAY - HOUR);
      expect(await gc()).toEqual({ reports: 1 });
      world.clock.advance(2 * HOUR);
      expect(await gc()).toEqual({ facts: 1, configurations: 1 });
      expect([await text(2), await store.facts(2, 2)]).toEqual([null, null]);
      expect(await store.facts(ran, 1)).not.toBeNull();
      world.clock.advance(20 * 365 * DAY);
      expect(await gc()).toEqual({});
      expect(await text(ran)).toContain('make');
    });

    it('T34 removes text and facts, never the Hold, its votes, its approval or a row of the audit, and says when and under which policy', async () => {
      keep({});
      const ran = await run(1, 'make');
      const approval = (await store.hold(ran))!.approval!;
      await revoke(world.context, world.caller('maria'), approval, 'old');
      const before = await store.auditHead();
      world.clock.advance(401 * DAY);
      expect(await gc(true)).toEqual({ reports: 1, facts: 1, configurations: 1 });
      expect(await store.auditHead()).toEqual(before);
      expect(await gc()).toEqual({ reports: 1, facts: 1, configurations: 1 });

      expect(await store.hold(ran)).toMatchObject({ state: 'success', approval });
      expect(await store.votes(1)).toHaveLength(1);
      expect((await store.approval(approval))?.votes).toHaveLength(1);
      expect((await verifyAudit(store)).ok).toBe(true);
      const rows = await store.auditRows({ sight: null }, { after: before.seq, limit: 10 });
      expect(rows.map(({ event, actor, policy, detail }) => [event, actor, policy, detail])).toEqual([
        ['retention_applied', 'system', 'the-policy', { facts: [ran] }],
        ['retention_applied', 'system', 'the-policy', { reports: 1 }],
        ['retention_applied', 'system', 'the-policy', { configurations: [await digestOf(ran)] }],
      ]);
      expect(
        (await store.auditRows({ hold: ran, sight: null }, { after: 0, limit: 100 })).map((row) => row.event),
      ).toEqual(
        expect.arrayContaining(['vote_approve', 'approval_created', 'job_handed_out', 'approval_revoked'].slice(0, 3)),
      );

      const caller = world.caller('maria');
      for (const ask of [
        () => inspectHold(world.context, caller, ran),
        () => bundleOfHold(world.context, auditKeeper(), caller, true, ran),
        () => inspectApproval(world.context, caller, approval),
      ]) {
        const { code, message } = await failure(ask());
        expect(code).toBe('removed');
        expect(message).toMatch(/configuration was removed on 2027-12-28 under the retention of policy the-policy/);
        expect(message).toContain('holdpoint audit');
      }
      expect(await gc()).toEqual({});
    });

    it('keeps what an approval still lets run, whatever its age, and what waits', async () => {
      keep({});
      const ran = await run(1, 'make');
      for (let year = 0; year < 2; year++) {
        // A standing approval that is used goes on.
        for (let quarter = 0; quarter < 5; quarter++) {
          world.clock.advance(80 * DAY);
          const id = 10 + year * 5 + quarter;
          expect((await world.admit({ id, pipeline: id, script: ['make'] })).outcome).toBe('pass');
        }
      }
      await world.admit({ id: 99, pipeline: 99, script: ['waits'] });
      await gc();
      expect(await text(ran)).toContain('make');
      expect(await store.facts(ran, 1)).toBeNull();
      const waits = (await store.holdOfJob('https://gitlab.example.com', 4242, 99))!;
      expect(await text(waits.id)).toContain('waits');
    });

    it('has a configuration whole again when its job comes again, and asks people as if it were new', async () => {
      keep({});
      await world.admit({ id: 1, pipeline: 1, script: ['rare'] });
      await world.reject('maria', 1);
      world.clock.advance(101 * DAY);
      expect(await gc()).toMatchObject({ configurations: 1 });
      expect((await world.admit({ id: 2, pipeline: 2, script: ['rare'] })).outcome).toBe('hold');
      expect(await text(2)).toContain('rare');
      expect(await store.configurationRemoved(await digestOf(2))).toBeNull();
      expect((await inspectHold(world.context, world.caller('maria'), 2)).configuration).toMatchObject({
        steps: [{ script: ['rare'] }],
      });
    });

    it('removes nothing that came back into use between the look and the write', async () => {
      keep({});
      await world.admit({ id: 1, pipeline: 1, script: ['again'] });
      await world.reject('maria', 1);
      world.clock.advance(101 * DAY);
      const cut = {
        now: world.clock.now(),
        ran: 1,
        notRun: world.clock.now() - 100 * DAY,
        ended: 1,
        notifications: 1,
        sightings: 1,
        recordings: null,
      };
      const { found } = await store.spentConfigurations('', cut);
      expect(found).toEqual([await digestOf(1)]);
      await world.admit({ id: 2, pipeline: 2, script: ['again'] });
      expect(await store.write((tx) => tx.removeConfigurations(found, cut, { at: 1, policy: 'p' }))).toEqual([]);
      expect(await text(2)).toContain('again');
    });

    it('T24 lets ended tokens go and keeps one of a person, so that no start ever gives out a first token again', async () => {
      keep({});
      const token = (n: number, expiresAt: number) => ({
        hash: String(n).repeat(64).slice(0, 64),
        prefix: 'hp_',
        name: null,
        owner: { id: 21, username: 'maria' },
        scopes: ['read'] as const,
        makers: [],
        createdAt: START,
        expiresAt,
        ...UNUSED,
      });
      for (let n = 1; n <= 3; n++) await store.write((tx) => tx.insertToken(token(n, START + n * HOUR)));
      const session = await store.write(async (tx) => {
        const made = await tx.insertToken(token(4, START + HOUR));
        await tx.insertSession({ token: made.id, way: 'token', madeWith: 2, authTime: null, claimed: null });
        await tx.noteTokenPlace({ token: made.id, address: '10.0.0.1', client: null, at: START });
        return made;
      });
      await store.write((tx) => tx.insertToken(token(5, START + 200 * DAY)));
      world.clock.advance(91 * DAY);
      expect(await gc(true)).toEqual({ tokens: 2 });
      expect(await gc()).toEqual({ tokens: 3 });
      expect((await store.tokens(null, { after: 0, limit: 10 })).map(({ id }) => id)).toEqual([1, 5]);
      expect(await store.session(session.id)).toBeNull();
      world.clock.advance(400 * DAY);
      await gc();
      expect((await store.tokens(null, { after: 0, limit: 10 })).map(({ id }) => id)).toEqual([1]);
      expect(await issueBootstrapToken(world.context)).toBeNull();
    });

    it('T30 walks in steps: none of its transactions is longer than a vote, and votes are counted between them', async () => {
      keep({});
      await world.admit({ id: 1, pipeline: 1 });
      await world.reject('maria', 1);
      const one = (await store.hold(1))!;
      await store.write(async (tx) => {
        for (let n = 2; n <= 120; n++) {
          const digest = `sha256:${String(n).padStart(64, '0')}`;
          await tx.putConfiguration(digest, '{"form":"holdpoint.configuration/v1"}');
          const attempts = one.attempts.map((attempt) => ({ ...attempt, jobId: n }));
          await tx.insertHold({ ...one, digest, attempts, pipelineId: n }, factsFor({ id: n }));
        }
      });
      world.clock.advance(101 * DAY);
      await world.admit({ id: 1000, pipeline: 1000, script: ['now'] });
      const { id } = (await store.holdOfJob('https://gitlab.example.com', 4242, 1000))!;
      const [counts, voted] = await Promise.all([gc(), world.approve('maria', id)]);
      expect(counts).toEqual({ facts: 120, configurations: 120 });
      expect(voted.state).toBe('pending');
      const removed = (
        await store.auditRows({ events: ['retention_applied'], sight: null }, { after: 0, limit: 100 })
      ).map(({ detail }) => ((detail.facts ?? detail.configurations) as unknown[]).length);
      expect(removed).toEqual([100, 20, 100, 20]);
    });
  });
}
