import { beforeEach, describe, expect, it } from 'vitest';
import { revoke } from '../../agent/src/app/revoke.ts';
import { snapshotBodies } from '../../agent/src/app/snapshot.ts';
import type { SnapshotBody } from '../../agent/src/domain/snapshot.ts';
import { createSnapshots } from '../../agent/src/hub/snapshots.ts';
import type { Store } from '../../agent/src/ports/store.ts';
import type { HubFrame } from '../../agent/src/wire/link.ts';
import { auditKeeper } from '../support/audit-keeper.ts';
import { eventually } from '../support/hub-server.ts';
import { arrived, HOUR, hubLog, hubWorld, type World } from '../support/hub-world.ts';

let world: World;
beforeEach(async () => {
  world = await hubWorld();
});

const bodiesOf = async (agents: readonly string[], store: Partial<Store> = {}): Promise<readonly SnapshotBody[]> => {
  const context = { ...world.context, store: { ...world.context.store, ...store } };
  for (const agent of agents) await arrived(world, agent);
  const bodyOf = await snapshotBodies(context, agents, new Map());
  return Promise.all(agents.map(bodyOf));
};

describe('what snapshots say', () => {
  it('is looked up once for all agents of the same projects, the newest approvals first', async () => {
    const agents = ['embedded', 'other'];
    for (const [n, agent] of agents.entries()) {
      await world.admit({ id: n + 1, agent, script: [`make ${agent}`] });
      await world.approve('maria', n + 1, { lifetime: 'standing' });
    }
    let looks = 0;
    const approvals: Store['approvals'] = (filter, page) => {
      looks += 1;
      return world.context.store.approvals(filter, page);
    };
    const [one, two] = await bodiesOf(agents, { approvals });
    expect(two).toBe(one);
    expect(looks).toBe(1);
    expect(one!.approvals.map(({ approval }) => approval.id)).toEqual([2, 1]);
  });

  it('T30 is read of no more projects than a snapshot takes approvals of', async () => {
    const projects = [1, 2, 3];
    await world.admit({ id: 1 });
    await world.approve('maria', 1, { lifetime: 'standing' });
    const approval = (await world.store.approval(1))!;
    const read: number[] = [];
    const [body] = await bodiesOf(['embedded'], {
      projectsOfAgents: async () => new Map([['embedded', projects]]),
      decidedProjects: async () => new Set(projects),
      approvals: async ({ project }, { after, limit }) => {
        read.push(Number(project));
        const next = after === 0 ? 4_000 : after - 1;
        return Array.from({ length: Math.min(limit, next) }, (_, n) => ({ ...approval, id: next - n }));
      },
    });
    expect(body!.approvals.length).toBe(5_000);
    expect([...new Set(read)]).toEqual([1, 2]);
  });

  it('T29 is nothing about a project with more denials than a snapshot takes: one left out would let its job run', async () => {
    await world.admit({ id: 1 });
    await world.approve('maria', 1, { lifetime: 'standing' });
    const { subject, digest } = (await bodiesOf(['embedded']))[0]!.approvals[0]!.approval;
    const denials = (count: number): Pick<Store, 'denials'> => ({
      denials: async (_, { after, limit }) =>
        Array.from({ length: Math.min(limit, count - after) }, (_, n) => ({
          id: after + n + 1,
          subject,
          digest,
          review: 1,
          by: 'maria',
          reason: 'no',
          at: 1,
          until: Number.MAX_SAFE_INTEGER,
          lifted: null,
        })),
    });
    const [most] = await bodiesOf(['embedded'], denials(5_000));
    expect([most!.approvals.length, most!.denials.length]).toEqual([1, 5_000]);
    const [more] = await bodiesOf(['embedded'], denials(5_001));
    expect(more).toMatchObject({ approvals: [], denials: [] });
  });
});

it('T30 lets others have their turn while many snapshots are signed', async () => {
  const { signer } = auditKeeper();
  const snapshots = createSnapshots({
    context: world.context,
    signer,
    grace: { protectedMs: HOUR, elsewhereMs: HOUR },
    policyVersion: () => 'p',
    log: hubLog(),
  });
  const sent: number[] = [];
  const atTurn: number[] = [];
  const send = (): void => {
    if (sent.push(1) === 1) setImmediate(() => atTurn.push(sent.length));
  };
  for (let n = 0; n < 100; n++) snapshots.follow({ agent: `build-${n}`, send }, 0);
  await eventually(
    () => [sent.length, atTurn.length],
    (many) => many.join() === '100,1',
  );
  expect(atTurn[0]).toBeLessThan(20);
  await snapshots.close();
});

describe('when something is approved', () => {
  it('T30 tells the agents of that project alone, and all of them over half a minute that theirs still holds', async () => {
    const agents = Array.from({ length: 250 }, (_, n) => `build-${n}`);
    for (const agent of agents) await arrived(world, agent);
    const snapshots = createSnapshots({
      context: world.context,
      signer: auditKeeper().signer,
      grace: { protectedMs: HOUR, elsewhereMs: HOUR },
      policyVersion: () => 'p',
      log: hubLog(),
    });
    const heard = new Map(agents.map((agent) => [agent, 0]));
    const told = () => [...heard.values()].reduce((sum, each) => sum + each, 0);
    for (const agent of agents)
      snapshots.follow({ agent, send: () => void heard.set(agent, heard.get(agent)! + 1) }, 0);
    await eventually(told, (many) => many === 250);
    await world.admit({ id: 1, agent: 'build-7' });
    await world.approve('maria', 1, { lifetime: 'standing' });
    const event = { type: 'approval', id: 1, projectId: 4242 } as const;
    snapshots.noticed({ ...event, state: 'valid' });
    world.clock.advance(5_000);
    await eventually(told, (many) => many === 251);
    expect(heard.get('build-7')).toBe(2);
    // A vote that decides nothing, or another question, is in no snapshot.
    snapshots.noticed({ type: 'review', id: 1, state: 'open', projectId: 4242 });
    world.clock.advance(9_000);
    expect(told()).toBe(251);
    world.clock.advance(1_000);
    await eventually(told, (many) => many === 251 + 125);
    world.clock.advance(15_000);
    await eventually(told, (many) => many === 251 + 250);
    expect([...heard.values()].every((many) => many >= 2)).toBe(true);
    await snapshots.close();
  });

  it('T29 tries again soon where the store was away, so that what was taken back does not wait for its turn', async () => {
    await arrived(world, 'embedded');
    await world.admit({ id: 1 });
    await world.approve('maria', 1, { lifetime: 'standing' });
    let away = false;
    const store = {
      ...world.context.store,
      decidedProjects: async (...asked: Parameters<Store['decidedProjects']>) => {
        if (away) throw new Error('gone');
        return world.context.store.decidedProjects(...asked);
      },
    };
    const log = hubLog();
    const snapshots = createSnapshots({
      context: { ...world.context, store },
      signer: auditKeeper().signer,
      grace: { protectedMs: HOUR, elsewhereMs: HOUR },
      policyVersion: () => 'p',
      log,
    });
    const bodies: (string | null)[] = [];
    const send = (frame: HubFrame) => void bodies.push(frame.type === 'snapshot' ? frame.body : null);
    snapshots.follow({ agent: 'embedded', send }, 0);
    await eventually(
      () => bodies.length,
      (many) => many === 1,
    );
    await revoke(world.context, world.caller('maria'), 1, 'no more');
    away = true;
    snapshots.noticed({ type: 'approval', id: 1, state: 'revoked', projectId: 4242 });
    world.clock.advance(100);
    await eventually(
      () => log.lines.length,
      (many) => many === 1,
    );
    away = false;
    world.clock.advance(5_000);
    await eventually(
      () => bodies.length,
      (many) => many === 2,
    );
    expect(bodies[0]).toContain('"approvals":[{');
    expect(bodies[1]).toContain('"approvals":[]');
    await snapshots.close();
  });
});
