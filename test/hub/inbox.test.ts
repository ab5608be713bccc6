import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { background } from '../../agent/src/app/background.ts';
import { type InboxFilter, inbox } from '../../agent/src/app/inbox.ts';
import { revoke } from '../../agent/src/app/revoke.ts';
import { hubWorld, type World } from '../support/hub-world.ts';

describe('an inbox', () => {
  let world: World;
  beforeEach(async () => {
    world = await hubWorld();
  });
  afterEach(() => world.store.close());

  const all = { after: 0, limit: 100 };
  const lane = async (who: string, filter: InboxFilter, page = all) =>
    (await inbox(world.context, world.caller(who), filter, page)).map(
      ({ review }) => `${review.subject.job} ${review.id}`,
    );

  it('has what waits for me, what waits for others, and what I opened, each Review once', async () => {
    await world.admit({ id: 1, name: 'of-zoe', by: 'zoe' });
    await world.admit({ id: 2, name: 'of-maria', by: 'maria' });
    expect([
      await lane('maria', { lane: 'me' }),
      await lane('maria', { lane: 'opened' }),
      await lane('maria', { lane: 'others' }),
    ]).toEqual([['of-zoe 1'], ['of-maria 2'], []]);
    expect([
      await lane('zoe', { lane: 'me' }),
      await lane('zoe', { lane: 'opened' }),
      await lane('zoe', { lane: 'others' }),
    ]).toEqual([[], ['of-zoe 1'], ['of-maria 2']]);
  });

  it('T32 has nothing of projects that a person may not see, and T17 nothing that a variable alone claims', async () => {
    await world.admit({ id: 1, by: 'stranger', verified: 'unverified' });
    for (const each of ['me', 'others', 'opened'] as const) expect(await lane('stranger', { lane: each })).toEqual([]);
  });

  it('tells how many Holds wait for one answer, how far the rules are met, and what has changed', async () => {
    await world.admit({ id: 1, pipeline: 100, script: ['make'] });
    await world.approve('maria', 1);
    await world.admit({ id: 2, pipeline: 101, script: ['make', 'make install'] });
    await world.admit({ id: 3, pipeline: 102, script: ['make', 'make install'] });
    const [item] = await inbox(world.context, world.caller('maria'), { lane: 'me' }, all);
    expect(item).toMatchObject({
      waiting: 2,
      hold: { id: 3 },
      rules: [{ need: 1, have: 0 }],
      mayVote: { allowed: true },
      voted: null,
      trigger: { username: 'zoe' },
    });
    expect(item!.summary).toContain('1 script line added');
    expect(item!.expiresAt).toBeGreaterThan(world.clock.now());
  });

  it('compares a job once, and anew as soon as something else of it was approved or taken back', async () => {
    let compared = 0;
    const { store } = world;
    const read = store.configuration.bind(store);
    store.configuration = (digest) => {
      compared += 1;
      return read(digest);
    };
    const summary = async () =>
      (await inbox(world.context, world.caller('maria'), { lane: 'me' }, all)).at(-1)!.summary;
    await world.admit({ id: 1, pipeline: 100, script: ['make'] });
    await world.admit({ id: 2, pipeline: 101, script: ['make', 'make install'] });
    const first = await summary();
    const once = compared;
    expect([await summary(), compared]).toEqual([first, once]);
    await world.approve('maria', 1);
    const second = await summary();
    expect(second).toContain('1 script line added');
    expect(second).not.toBe(first);
    await revoke(world.context, world.caller('jonas'), 1, 'no');
    expect(await summary()).toContain('that approval was revoked');
  });

  it('leaves out what is answered', async () => {
    await world.admit({ id: 1 });
    await world.approve('maria', 1);
    expect(await lane('maria', { lane: 'me' })).toEqual([]);
  });

  it('is narrowed by project, environment and text', async () => {
    await world.admit({ id: 1, name: 'build' });
    await world.admit({ id: 2, name: 'deploy', environment: 'production', ref: 'refs/heads/release' });
    const mine = (filter: Partial<InboxFilter>) => lane('maria', { lane: 'me', ...filter });
    expect(await mine({ environment: 'production' })).toEqual(['deploy 2']);
    expect(await mine({ text: 'RELEASE' })).toEqual(['deploy 2']);
    expect(await mine({ text: 'acme/pay' })).toEqual(['build 1', 'deploy 2']);
    expect(await mine({ project: 'Acme/Payments/API' })).toEqual(['build 1', 'deploy 2']);
    expect(await mine({ project: 4243 })).toEqual([]);
  });

  it('goes on where a page ended, with Reviews of other lanes between', async () => {
    for (let id = 1; id <= 12; id++) await world.admit({ id, name: `job-${id}`, by: id % 3 === 0 ? 'maria' : 'zoe' });
    const first = await lane('maria', { lane: 'me' }, { after: 0, limit: 5 });
    expect(first.map((each) => each.split(' ')[1])).toEqual(['1', '2', '4', '5', '7']);
    const next = await lane('maria', { lane: 'me' }, { after: 7, limit: 5 });
    expect(next.map((each) => each.split(' ')[1])).toEqual(['8', '10', '11']);
  });
});

describe('what stands behind a Hold', () => {
  let world: World;
  beforeEach(async () => {
    world = await hubWorld();
  });
  afterEach(() => world.store.close());

  const author = (name: string) => [{ role: 'author' as const, id: null, name, email: `${name}@example.com` }];
  const run = async (hold: number, jobId: number) => {
    await world.report('embedded', { hold, jobId, event: 'handed_out' });
  };

  it('is what was approved of the same job, each configuration once, and what ran last', async () => {
    await world.admit({ id: 1, pipeline: 100, script: ['a'] });
    await world.approve('maria', 1);
    await run(1, 1);
    await world.admit({ id: 2, pipeline: 101, script: ['b'] });
    await world.approve('jonas', 2);
    await world.admit({ id: 3, pipeline: 102, script: ['c'] });
    const found = await background(world.context, world.caller('maria'), 3);
    expect(found.approved.map(({ id, votes }) => [id, votes[0]?.person.username])).toEqual([
      [2, 'jonas'],
      [1, 'maria'],
    ]);
    expect(found.lastRun?.id).toBe(1);
    expect(found.lifetime).toEqual({ usual: { kind: 'standing' }, max: { kind: 'standing' } });
  });

  it('tells whether an author is new to the project, and says nothing where nothing has run', async () => {
    await world.admit({ id: 1, pipeline: 100, people: author('ann') });
    const first = await background(world.context, world.caller('maria'), 1);
    expect(first.isFirstTimeAuthor).toBeNull();
    await world.approve('maria', 1);
    await run(1, 1);
    await world.admit({ id: 2, pipeline: 101, script: ['b'], people: author('ann') });
    await world.admit({ id: 3, pipeline: 102, script: ['c'], people: author('bob') });
    expect((await background(world.context, world.caller('maria'), 2)).isFirstTimeAuthor).toBe(false);
    expect((await background(world.context, world.caller('maria'), 3)).isFirstTimeAuthor).toBe(true);
  });

  it('T32 tells whoever only triggered it nothing of what others had approved', async () => {
    await world.admit({ id: 1, pipeline: 100 });
    await world.approve('maria', 1);
    await run(1, 1);
    await world.admit({ id: 2, pipeline: 101, script: ['b'], by: 'stranger', people: author('new') });
    expect(await background(world.context, world.caller('stranger'), 2)).toMatchObject({
      approved: [],
      lastRun: null,
      isFirstTimeAuthor: null,
    });
    await expect(background(world.context, world.caller('stranger'), 1)).rejects.toMatchObject({ code: 'not_found' });
  });
});
