import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { HoldpointError } from '../../agent/src/domain/errors.ts';
import { startHub, type TestHub } from '../support/hub-server.ts';
import { testStore } from '../support/test-store.ts';

let hub: TestHub;
let isAway = false;
beforeEach(async () => {
  const store = await testStore();
  const tokenOfHash: typeof store.tokenOfHash = async (hash) => {
    if (isAway) throw new HoldpointError('store_unavailable', 'the disk /var/lib/x is full');
    return store.tokenOfHash(hash);
  };
  hub = await startHub({ gitlabUrl: 'https://gitlab.example.com', store: { ...store, tokenOfHash } });
});
afterEach(() => hub.close());

async function ask(path: string, headers: Record<string, string> = {}, method = 'GET') {
  const response = await fetch(`${hub.url}/api/v4${path}`, { method, headers });
  const text = await response.text();
  return { status: response.status, body: text === '' ? null : JSON.parse(text), headers: response.headers };
}

describe("who asks GitLab's API of the hub", () => {
  it('is told who they are, as GitLab tells it, with the token in either header', async () => {
    const token = await hub.token('maria', ['read']);
    const maria = {
      id: 21,
      username: 'maria',
      name: 'MARIA',
      state: 'active',
      avatar_url: null,
      web_url: 'https://gitlab.example.com/maria',
      bot: false,
    };
    expect((await ask('/user', { 'private-token': token })).body).toEqual(maria);
    expect((await ask('/user', { authorization: `Bearer ${token}` })).body).toEqual(maria);
    expect((await ask('/user', { 'private-token': token })).headers.get('content-type')).toBe('application/json');
    const version = await ask('/version', { 'private-token': token });
    expect(version.body).toEqual({ version: expect.stringMatching(/^\d+\.\d+\.\d+-holdpoint$/), revision: '0.0.0' });
  });

  it("gets GitLab's own words without a token, with a wrong one and with one that is over", async () => {
    expect(await ask('/user')).toMatchObject({ status: 401, body: { message: '401 Unauthorized' } });
    // Exactly so: clients of GitLab compare it as text.
    expect((await ask('/user')).headers.get('content-type')).toBe('application/json');
    const wrong = await ask('/user', { 'private-token': 'hp_nobody' });
    expect(wrong).toMatchObject({ status: 401, body: { message: '401 Unauthorized' } });
    const token = await hub.token('maria', ['read'], 1_000);
    hub.world.clock.advance(2_000);
    const over = await ask('/user', { 'private-token': token });
    expect(over).toMatchObject({ status: 401, body: { error: 'invalid_token', error_description: /expired/ } });
  });

  it("may end the path with a slash, as GitLab's own examples do", async () => {
    const token = await hub.token('maria', ['read']);
    const list = await ask('/projects/4242/protected_environments/', { 'private-token': token });
    expect([list.status, list.body]).toEqual([200, []]);
  });

  it("T24: never sends a token in the URL, in whichever of GitLab's names", async () => {
    const token = await hub.token('maria', ['read']);
    for (const name of ['private_token', 'access_token', 'job_token']) {
      const answer = await ask(`/user?${name}=${token}`, { 'private-token': token });
      expect(answer.status).toBe(401);
      expect(answer.body.message).toMatch(/a token in the URL stands in every log/);
    }
  });

  it('T24: is no job: the token of one decides nothing', async () => {
    const token = await hub.token('maria', ['read']);
    const answer = await ask('/user', { 'job-token': 'x', 'private-token': token });
    expect(answer.status).toBe(401);
    expect(answer.body.message).toMatch(/^401 Unauthorized - the token of a job/);
  });

  it('T18: acts in the name of nobody else, not even as an administrator', async () => {
    const token = await hub.token('olga', ['read', 'admin']);
    const refused = { status: 403, body: { message: '403 Forbidden - Must be admin to use sudo' } };
    expect(await ask('/user', { 'private-token': token, sudo: 'maria' })).toMatchObject(refused);
    expect(await ask('/user?sudo=maria', { 'private-token': token })).toMatchObject(refused);
  });

  it('T23: is never the page: its cookie alone opens nothing here', async () => {
    expect(await ask('/user', { cookie: 'holdpoint=abc' })).toMatchObject({
      status: 401,
      body: { message: '401 Unauthorized' },
    });
  });

  it('T30: is slowed down after a minute full of votes or wrong tokens, and told when to come again', async () => {
    const token = await hub.token('maria', ['deploy']);
    const play = () => ask('/projects/4242/jobs/1/play', { 'private-token': token }, 'POST');
    const answers = await Promise.all(Array.from({ length: 61 }, play));
    const slowed = answers.filter(({ status }) => status === 429);
    expect(slowed).toHaveLength(1);
    expect(slowed[0]!.body).toEqual({
      message: { error: 'This endpoint has been requested too many times. Try again later.' },
    });
    expect(Number(slowed[0]!.headers.get('retry-after'))).toBeGreaterThan(0);
    const wrong = await Promise.all(Array.from({ length: 31 }, () => ask('/user', { 'private-token': 'hp_no' })));
    expect(wrong.filter(({ status }) => status === 429)).toHaveLength(1);
  });

  it('hears that the store is away, and nothing of why', async () => {
    const token = await hub.token('maria', ['read']);
    isAway = true;
    const answer = await ask('/user', { 'private-token': token });
    isAway = false;
    expect([answer.status, answer.body]).toEqual([503, { message: '503 Service Unavailable' }]);
    expect((await ask('/user', { 'private-token': token })).status).toBe(200);
  });

  it("is told that a part of GitLab is not here, never in the words of the hub's own API", async () => {
    const token = await hub.token('maria', ['read']);
    const answer = await ask('/projects/4242/merge_requests', { 'private-token': token });
    expect(answer).toMatchObject({ status: 404, body: { error: '404 Not Found' } });
    expect(answer.headers.get('content-type')).toMatch(/^application\/json/);
  });

  it("and the hub's own API keeps its own errors beside it", async () => {
    const own = await hub.call('GET', '/api/v1/nothing', null);
    expect(own.headers.get('content-type')).toMatch(/^application\/problem\+json/);
  });
});
