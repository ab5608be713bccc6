import { describe, expect, it } from 'vitest';
import { createKeySet } from '../../agent/src/runners/gitlab/key-set.ts';
import type { Call, Upstream } from '../../agent/src/runners/gitlab/upstream.ts';
import { manualClock } from '../support/hub-world.ts';

const MINUTE = 60_000;
const DAY = 24 * 3_600_000;
const jwt = (kid: string) =>
  `${Buffer.from(JSON.stringify({ alg: 'RS256', kid })).toString('base64url')}.${'a'.repeat(8)}.${'b'.repeat(8)}`;

/** A GitLab whose key set is what the test says, and a verifier that knows the tokens of the keys it was given. */
function world(first: readonly string[]) {
  const clock = manualClock();
  const state = { kids: [...first], status: 200, body: null as string | null, calls: [] as Call[] };
  const upstream = {
    origin: 'https://gitlab.example.com',
    base: '',
    async call(call: Call) {
      state.calls.push(call);
      if (state.status === 0) throw new Error('connection refused');
      const body = state.body ?? JSON.stringify({ keys: state.kids.map((kid) => ({ kid })) });
      return { status: state.status, headers: [], body: Buffer.from(body), whole: true };
    },
  } as unknown as Upstream;
  const keySet = createKeySet(upstream, clock, (jwks) => {
    const known = (jwks as { keys: { kid: string }[] }).keys.map((key) => key.kid);
    return (token) => (known.some((kid) => jwt(kid) === token) ? {} : null);
  });
  const look = (...kids: readonly string[]) => {
    const view = keySet.view();
    return { verified: kids.map((kid) => view.verify(jwt(kid)) !== null), need: view.need(), view };
  };
  return { clock, state, keySet, look };
}

describe('the key set of id tokens', () => {
  it('is not asked for before a token names a key, and is then', async () => {
    const { keySet, look, state } = world(['a']);
    expect(keySet.view().need()).toBe('none');
    expect(look('a')).toMatchObject({ verified: [false], need: 'missing' });
    expect(await keySet.refresh()).toBe(true);
    expect(look('a')).toMatchObject({ verified: [true], need: 'none' });
    expect(state.calls.map((call) => call.path)).toEqual(['/oauth/discovery/keys']);
    expect(state.calls[0]?.totalMs).toBeLessThanOrEqual(5_000);
  });

  it('T50 is asked for at most once a minute, however many made-up keys tokens name', async () => {
    const { keySet, look, state, clock } = world(['a']);
    await keySet.refresh();
    for (let i = 0; i < 50; i++) {
      expect(look(`made-up-${i}`).need).toBe('missing');
      expect(await keySet.refresh()).toBe(false);
    }
    expect(state.calls).toHaveLength(1);
    clock.advance(MINUTE);
    expect(await keySet.refresh()).toBe(true);
    expect(state.calls).toHaveLength(2);
  });

  it('asks once for many who ask at the same time', async () => {
    const { keySet, state } = world(['a']);
    expect(await Promise.all([keySet.refresh(), keySet.refresh(), keySet.refresh()])).toEqual([true, true, true]);
    expect(state.calls).toHaveLength(1);
  });

  it('takes a key that it looked for in vain for none, for a while only', async () => {
    const { keySet, look, clock, state } = world(['a']);
    await keySet.refresh();
    const { view } = look('b');
    keySet.settle(view);
    expect(look('b').need).toBe('none');
    clock.advance(11 * MINUTE);
    expect(look('b').need).toBe('missing');
    state.kids = ['a', 'b'];
    await keySet.refresh();
    expect(look('b')).toMatchObject({ verified: [true], need: 'none' });
  });

  it('follows a rotation, and still knows the key before it for the tokens of parked jobs', async () => {
    const { keySet, look, clock, state } = world(['old']);
    await keySet.refresh();
    state.kids = ['new'];
    clock.advance(2 * MINUTE);
    expect(look('new').need).toBe('missing');
    await keySet.refresh();
    expect(look('old', 'new').verified).toEqual([true, true]);
  });

  it.each([
    ['is away', { status: 0 }],
    ['fails', { status: 502 }],
    ['talks nonsense', { body: '<html>' }],
    ['gives no list', { body: '{"keys":7}' }],
  ])('keeps the last good set while GitLab %s', async (_, change) => {
    const { keySet, look, clock, state } = world(['a']);
    await keySet.refresh();
    Object.assign(state, change);
    clock.advance(DAY + MINUTE);
    expect(look('a')).toMatchObject({ verified: [true], need: 'stale' });
    expect(await keySet.refresh()).toBe(false);
    expect(look('a').verified).toEqual([true]);
  });

  it('T50 lets go of a key that GitLab has taken back, after a day', async () => {
    const { keySet, look, clock, state } = world(['stolen', 'a']);
    await keySet.refresh();
    state.kids = ['a'];
    clock.advance(DAY + MINUTE);
    expect(look('stolen').need).toBe('stale');
    await keySet.refresh();
    expect(look('stolen', 'a').verified).toEqual([false, true]);
  });

  it('has room for what GitLab names now, whatever it named before', async () => {
    const { keySet, look, clock, state } = world(Array.from({ length: 64 }, (_, i) => `old-${i}`));
    await keySet.refresh();
    state.kids = ['new', ...Array.from({ length: 200 }, (_, i) => `more-${i}`)];
    clock.advance(2 * MINUTE);
    await keySet.refresh();
    expect(look('new', 'old-0').verified).toEqual([true, false]);
  });

  it('is empty for a GitLab that has none', async () => {
    const { keySet, look, state } = world([]);
    state.status = 404;
    expect(await keySet.refresh()).toBe(true);
    expect(look('a').need).toBe('missing');
  });
});
