import { beforeEach, expect, it } from 'vitest';
import { breathe } from '../../agent/src/app/breathe.ts';
import { HoldpointError } from '../../agent/src/domain/errors.ts';
import { type Arriving, createWelcomes, type Welcomes } from '../../agent/src/hub/link-welcomes.ts';
import type { Store, StoreWriter } from '../../agent/src/ports/store.ts';
import { openStore } from '../../agent/src/stores/store.ts';
import { createClock } from '../../agent/src/system/clock.ts';

const keyOf = (n: number): Uint8Array => new Uint8Array(32).fill(n);
const arriving = (n: number, more: Partial<Arriving> = {}): Arriving => {
  const runners = [{ name: 'build', protected: true }];
  return { name: `build-${n}`, version: '1', runners, cursor: 0, key: keyOf(n), policy: 'p', ...more };
};

let store: Store;
let welcomes: Welcomes;
let writes: number;
let refuse: Error | null;
const enrol = (n: number, revokedAt: number | null = null) =>
  store.write((tx) =>
    tx.putEnrolled({
      name: `build-${n}`,
      publicKey: keyOf(n),
      enrolledAt: 1,
      enrolledBy: 'maria',
      revokedAt,
      revokedBy: revokedAt === null ? null : 'maria',
    }),
  );
const versions = async () => Object.fromEntries((await store.agents()).map(({ name, version }) => [name, version]));

beforeEach(async () => {
  store = await openStore({ path: ':memory:' });
  for (let n = 1; n <= 5; n++) await enrol(n);
  [writes, refuse] = [0, null];
  const counted: Store = {
    ...store,
    write: <T>(work: (tx: StoreWriter) => Promise<T>) => {
      writes += 1;
      return refuse === null ? store.write(work) : Promise.reject(refuse);
    },
  };
  welcomes = createWelcomes({ store: counted, clock: createClock() }, (agent) => agent === 'embedded');
  return () => store.close();
});

it('T30 agents that come together are noted with one write of the store', async () => {
  const embedded = arriving(9, { name: 'embedded' });
  const arrivals = await Promise.all([...[1, 2, 3].map((n) => arriving(n)), embedded].map(welcomes.note));
  expect([arrivals, writes]).toEqual([['here', 'here', 'here', 'here'], 1]);
  expect(await versions()).toMatchObject({ 'build-1': '1', 'build-3': '1', embedded: '1' });
  expect([await welcomes.note(arriving(4)), writes]).toEqual(['here', 2]);
});

it('T30 agents that come one shortly after the other are noted with one write as well', async () => {
  const first = welcomes.note(arriving(1));
  await breathe();
  const second = welcomes.note(arriving(2));
  await breathe();
  const third = welcomes.note(arriving(3));
  expect([await Promise.all([first, second, third]), writes]).toEqual([['here', 'here', 'here'], 1]);
});

it('T27 one that was revoked since, has enrolled anew, or never did is told so among the others, and nothing is noted of it', async () => {
  await enrol(2, 7);
  const whose = [arriving(1), arriving(2), arriving(3, { key: keyOf(9) }), arriving(8), arriving(4)];
  const arrivals = await Promise.all(whose.map(welcomes.note));
  expect(arrivals).toEqual(['here', 'revoked', 'revoked', 'revoked', 'here']);
  expect(await versions()).toEqual({
    'build-1': '1',
    'build-2': null,
    'build-3': null,
    'build-4': '1',
    'build-5': null,
  });
});

it('T29 one that has acted on more than this store ever said is told apart from those it came with, and stands in the audit', async () => {
  const arrivals = await Promise.all([arriving(1), arriving(2, { cursor: 7 })].map(welcomes.note));
  expect(arrivals).toEqual(['here', 'behind']);
  const rows = await store.auditRows({ sight: null }, { after: 0, limit: 10 });
  expect(rows.map(({ event, actor, detail }) => [event, actor, detail])).toEqual([
    ['store_behind', 'agent:build-2', { cursor: 7 }],
  ]);
});

it('T30 one whose words no store keeps keeps none of those out that it came with', async () => {
  const whose = [arriving(1), arriving(2, { version: 'a\0b' }), arriving(3)];
  const [first, second, third] = await Promise.allSettled(whose.map(welcomes.note));
  expect([first, third]).toEqual([
    { status: 'fulfilled', value: 'here' },
    { status: 'fulfilled', value: 'here' },
  ]);
  expect(second).toMatchObject({ status: 'rejected', reason: { code: 'bad_input' } });
});

it('two connections of one agent are noted one after the other', async () => {
  const twice = [arriving(1, { version: 'old' }), arriving(1, { version: 'new' }), arriving(2)];
  expect(await Promise.all(twice.map(welcomes.note))).toEqual(['here', 'here', 'here']);
  expect(writes).toBe(2);
  expect((await versions())['build-1']).toBe('new');
});

it('T30 a store that is away is asked once for all of them, and asked again for those that come later', async () => {
  refuse = new HoldpointError('store_unavailable', 'away');
  const arrivals = await Promise.allSettled([arriving(1), arriving(2), arriving(3)].map(welcomes.note));
  expect([arrivals.map(({ status }) => status), writes]).toEqual([['rejected', 'rejected', 'rejected'], 1]);
  refuse = null;
  expect(await welcomes.note(arriving(1))).toBe('here');
});
