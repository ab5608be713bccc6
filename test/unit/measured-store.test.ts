import { afterEach, beforeEach, expect, it } from 'vitest';
import { measuredStore } from '../../agent/src/app/measured-store.ts';
import { HoldpointError } from '../../agent/src/domain/errors.ts';
import type { Store, StoreWriter } from '../../agent/src/ports/store.ts';
import { openStore } from '../../agent/src/stores/store.ts';
import { eventually } from '../support/hub-server.ts';

let store: Store;
let measured: Store;
const told: string[] = [];
beforeEach(async () => {
  told.length = 0;
  store = await openStore({ path: ':memory:' });
  measured = measuredStore(store, { took: () => {}, audited: ({ actor }) => told.push(actor) });
});
afterEach(() => store.close());

const deciding = (actor: string) => async (tx: StoreWriter) => {
  const about = { hold: null, review: null, approval: null, digest: null, policy: null };
  await tx.audit({ at: 1, actor, address: null, event: 'hub_started', ...about, detail: {} });
};

it('a decision goes to whoever waits for it before it is counted and logged, and those in their order', async () => {
  const decide = (actor: string) => measured.write(deciding(actor)).then(() => told.push(`${actor} goes on`));
  await Promise.all([decide('maria'), decide('jonas')]);
  expect(told).toEqual(['maria goes on', 'jonas goes on']);
  expect(
    await eventually(
      () => [...told],
      (all) => all.length === 4,
    ),
  ).toEqual(['maria goes on', 'jonas goes on', 'maria', 'jonas']);
});

it('a decision that was taken back is not told at all', async () => {
  const lost = measured.write(async (tx) => {
    await deciding('maria')(tx);
    throw new HoldpointError('hold_conflict', 'others were first');
  });
  await expect(lost).rejects.toThrow('others were first');
  await measured.write(deciding('jonas'));
  expect(
    await eventually(
      () => [...told],
      (all) => all.length > 0,
    ),
  ).toEqual(['jonas']);
});
