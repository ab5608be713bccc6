import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Deployment } from '../../../agent/src/domain/deployment.ts';
import { moveDeployment } from '../../../agent/src/domain/deployment.ts';
import { STRICT_OPTIONS } from '../../../agent/src/domain/protected-environment.ts';
import type { Store } from '../../../agent/src/ports/store.ts';
import { currentQuery } from '../../../agent/src/stores/current-deployments.ts';
import { openStore } from '../../../agent/src/stores/store.ts';
import { codeOf, type DeploymentWorld, deploymentWorld, PRODUCTION } from '../../support/deployment-world.ts';
import { MINUTE, START } from '../../support/hub-world.ts';
import { queryWriter, rawDatabase } from '../../support/raw-database.ts';

let world: DeploymentWorld;
let store: Store;
beforeEach(async () => {
  world = await deploymentWorld(PRODUCTION.replace('[production]', '["*"]'));
  store = world.store;
});
afterEach(() => store.close());

async function opened(id: number, run: object = {}): Promise<Deployment> {
  world.clock.advance(MINUTE);
  return world.deployment((await world.deploy({ id, pipeline: 100 + id, ...run })).hold!);
}
const all = { sight: null } as const;
const ids = (list: readonly { readonly id: number }[]) => list.map(({ id }) => id);
const maria = { id: 21, username: 'maria', name: 'Maria' };

describe('a store of deployments', () => {
  it('numbers them by itself and within their project, and knows each environment by one id', async () => {
    const [a, b, c] = [
      await opened(1),
      await opened(2, { environment: 'staging' }),
      await opened(3, { project: 4243, by: 'maria' }),
    ];
    expect([a, b, c].map(({ iid }) => iid)).toEqual([1, 2, 1]);
    const again = await opened(4);
    expect([again.iid, again.environment.id]).toEqual([3, a.environment.id]);
    expect(new Set([a, b, c].map(({ environment }) => environment.id)).size).toBe(3);
    const known = await store.environments(4242, { after: 0, limit: 10 });
    expect(known.map(({ name }) => name)).toEqual(['production', 'staging']);
    expect(await store.deploymentOfHold(a.hold)).toEqual(a);
  });

  it('lists, counts and orders them by what was asked for, equal ones by id', async () => {
    const list = [await opened(1), await opened(2, { environment: 'staging' }), await opened(3)];
    await store.write((tx) => tx.updateDeployment(moveDeployment(list[0]!, { type: 'confirm' }, START + 90 * MINUTE)));
    const ordered = (by: 'updatedAt' | 'ref' | 'id', descending: boolean) =>
      store.deploymentsInOrder(all, { by, descending }, { offset: 0, limit: 10 }).then(ids);
    expect(await ordered('updatedAt', true)).toEqual([1, 3, 2]);
    expect(await ordered('ref', true)).toEqual([3, 2, 1]);
    expect(ids(await store.deploymentsInOrder(all, { by: 'id', descending: false }, { offset: 1, limit: 1 }))).toEqual([
      2,
    ]);
    expect(ids(await store.deployments({ ...all, environment: 'staging' }, { after: 0, limit: 10 }))).toEqual([2]);
    expect(ids(await store.deployments({ ...all, states: ['blocked'] }, { after: 2, limit: 10 }))).toEqual([3]);
    expect(await store.countDeployments({ ...all, updatedAfter: START + 80 * MINUTE })).toBe(1);
    expect(await store.countDeployments({ ...all, project: 4243 })).toBe(0);
    expect(await store.countDeployments({ ...all, project: 'acme/payments/api' })).toBe(3);
    const stranger = { projects: [], trigger: 50 };
    expect(await store.countDeployments({ sight: stranger })).toBe(0);
    expect(await store.countDeployments({ sight: { ...stranger, trigger: 21 } })).toBe(3);
    const to = { instance: list[0]!.subject.instance, projectId: 4242, environment: 'production' };
    expect(ids(await store.deploymentsTo(to, {}, 10))).toEqual([3, 1]);
    expect(ids(await store.deploymentsTo(to, { pipelineId: 101, job: 'deploy' }, 10))).toEqual([1]);
  });

  it('reads them from either end, and finds them by a part of what people remember', async () => {
    for (const [id, name] of [
      [1, 'deploy'],
      [2, 'Deploy:Web'],
      [3, 'release_1'],
      [4, 'release-1'],
    ] as const)
      await opened(id, { name });
    const page = (after: number, newest: boolean) =>
      store.deployments(all, { after, limit: 3, newest }).then((found) => ids(found));
    expect([await page(0, true), await page(2, true), await page(1, true)]).toEqual([[4, 3, 2], [1], []]);
    expect([await page(0, false), await page(3, false), await page(4, false)]).toEqual([[1, 2, 3], [4], []]);
    const found = (text: string) => store.deployments({ ...all, text }, { after: 0, limit: 9 }).then(ids);
    expect(await found('WEB')).toEqual([2]);
    expect(await found('release_')).toEqual([3]);
    expect(await found('acme/payments')).toEqual([1, 2, 3, 4]);
    expect([await found('%'), await found('\\'), await found("' or 1 --")]).toEqual([[], [], []]);
  });

  it('T30 finds what runs where now over an index, however many ran before', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'holdpoint-current-'));
    const own = await openStore({ path: join(folder, 'hub.db') });
    const raw = rawDatabase(join(folder, 'hub.db'));
    const query = currentQuery(queryWriter(), {}, { after: 7, limit: 51 }).compile();
    const plan = raw.plan(query.sql, query.parameters);
    expect(plan.filter((step) => step.includes('SCAN'))).toEqual([]);
    expect(plan.join('\n')).toMatch(/SEARCH last USING INDEX deployments_ended \(environment_id=\? AND state=\?\)/);
    expect(plan.join('\n')).not.toContain('TEMP B-TREE');
    raw.close();
    await own.close();
    rmSync(folder, { recursive: true });
  });

  it('refuses what somebody else has changed meanwhile, and a second deployment of one hold', async () => {
    const one = await opened(1);
    const moved = moveDeployment(one, { type: 'stop', reason: 'x' }, START);
    await store.write((tx) => tx.updateDeployment(moved));
    expect(await codeOf(store.write((tx) => tx.updateDeployment(moved)))).toBe('hold_conflict');
    expect(await codeOf(store.write((tx) => tx.insertDeployment(one)))).toBe('hold_conflict');
  });

  it('has one vote of a person, the last', async () => {
    const { id } = await opened(1);
    const vote = { deployment: id, person: maria, representedAs: null, comment: null, at: START } as const;
    await store.write((tx) => tx.putDeploymentVote({ ...vote, decision: 'approve' }));
    await store.write((tx) => tx.putDeploymentVote({ ...vote, decision: 'reject', comment: 'no', at: START + 1 }));
    expect(await store.deploymentVotes(id)).toEqual([{ ...vote, decision: 'reject', comment: 'no', at: START + 1 }]);
  });

  it('protects one environment once, whatever its letter case, and never gives an id of an element twice', async () => {
    const row = {
      version: 1,
      level: 'project',
      owner: 4242,
      ownerPath: 'acme/payments/api',
      name: 'production',
      deployAccess: [{ id: 0, who: { kind: 'access_level', level: 40 } }],
      approvalRules: [{ id: 0, who: { kind: 'access_level', level: 40 }, count: 1 }],
      options: STRICT_OPTIONS,
      createdAt: START,
      updatedAt: START,
    } as const;
    const made = await store.write((tx) => tx.insertProtectedEnvironment(row));
    expect(await store.protectedEnvironmentNamed({ ...row, name: 'PRODUCTION' })).toEqual(made);
    expect(await codeOf(store.write((tx) => tx.insertProtectedEnvironment({ ...row, name: 'Production' })))).toBe(
      'hold_conflict',
    );
    const changed = {
      ...made,
      version: 2,
      approvalRules: [],
      deployAccess: [...made.deployAccess, { ...row.deployAccess[0] }],
    };
    const after = await store.write((tx) => tx.updateProtectedEnvironment(changed));
    expect(await codeOf(store.write((tx) => tx.updateProtectedEnvironment(changed)))).toBe('hold_conflict');
    await store.write((tx) => tx.deleteProtectedEnvironment(after));
    const next = await store.write((tx) => tx.insertProtectedEnvironment(row));
    const given = [
      ...made.deployAccess,
      ...made.approvalRules,
      ...after.deployAccess,
      ...next.deployAccess,
      ...next.approvalRules,
    ];
    expect(new Set(given.map(({ id }) => id)).size).toBe(given.length - 1);
    expect(await store.protectedEnvironments('project', 4242)).toEqual([next]);
    expect(await store.protectedEnvironments('group', null)).toEqual([]);
  });

  it('has one mark in force for a commit in an environment, and keeps those that were lifted', async () => {
    const { id, sha, subject } = await opened(1);
    const mark = {
      instance: subject.instance,
      projectId: 4242,
      environment: 'production',
      sha,
      deployment: id,
      by: maria,
      reason: 'errors',
      at: START,
      lifted: null,
    };
    const made = await store.write((tx) => tx.insertBrokenMark(mark));
    expect(await codeOf(store.write((tx) => tx.insertBrokenMark(mark)))).toBe('hold_conflict');
    expect(await store.brokenMark({ ...mark, environment: 'staging' }, sha)).toBeNull();
    await store.write((tx) => tx.liftBrokenMark(made.id, { by: maria, at: START + 1, reason: null }));
    expect(await codeOf(store.write((tx) => tx.liftBrokenMark(made.id, { by: maria, at: START, reason: null })))).toBe(
      'hold_conflict',
    );
    expect(await store.brokenMark(mark, sha)).toBeNull();
    await store.write((tx) => tx.insertBrokenMark(mark));
    expect(await store.brokenMarks(subject.instance, 4242, 10)).toHaveLength(2);
  });
});
