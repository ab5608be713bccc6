import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { breakGlass } from '../../agent/src/app/break-glass.ts';
import { verifyApprovals } from '../../agent/src/app/verify-approvals.ts';
import { readPolicy } from '../../agent/src/directories/policy-file.ts';
import { openStore } from '../../agent/src/stores/store.ts';
import { hubWorld, requestFor, type World } from '../support/hub-world.ts';
import { rawDatabase } from '../support/raw-database.ts';

describe('approvals held against the audit', () => {
  let folder: string;
  let world: World;
  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'holdpoint-held-'));
    world = await hubWorld({ store: await openStore({ path: join(folder, 'hub.db') }) });
    world.policy = readPolicy(
      'break_glass: { rules: [{ name: on call, access_level: owner }], for: 1h }',
      'policy.yaml',
    );
    await world.admit({ id: 1 });
    await world.approve('maria', 1);
    await world.admit({ id: 2, pipeline: 200, name: 'urgent' });
    const { digest } = requestFor({ id: 2, name: 'urgent' });
    await breakGlass(world.context, world.caller('olga'), { hold: 2, digest, reason: 'payments are down' });
  });
  afterEach(async () => {
    await world.store.close();
    rmSync(folder, { recursive: true });
  });
  const edited = (statement: string) => {
    const raw = rawDatabase(join(folder, 'hub.db'));
    raw.exec(statement);
    raw.close();
  };

  it('T28 count as they are: what people approved, and the one run for which the glass was broken', async () => {
    expect(await verifyApprovals(world.context)).toEqual([]);
    expect(await world.state(2)).toBe('pending');
  });

  it.each([
    [
      'made to stand longer than it was voted',
      "update approvals set lifetime = 'standing', ends_at = 9e15, hold = null where id = 2",
    ],
    [
      'made wider than it was voted',
      `update approvals set scope = '{"ref":{"kind":"any"},"inputs":"any","runners":null}' where id = 1`,
    ],
    ['moved to another ref', "update approvals set ref = 'refs/heads/evil' where id = 1"],
  ])('T28 are revoked when one was %s behind the back of the hub', async (_, statement) => {
    edited(statement);
    const struck = await verifyApprovals(world.context);
    expect(struck).toEqual([expect.objectContaining({ fault: expect.stringMatching(/covers something else/) })]);
  });
});
