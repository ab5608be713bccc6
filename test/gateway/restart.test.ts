import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { fixture, poll, send, until } from '../support/gate.ts';
import { type GateScene, gateScenes } from '../support/gate-scene.ts';
import { deaf, rawConnection } from '../support/raw-connection.ts';

const scene = gateScenes();
const jobFile = (one: GateScene, id: number): string => join(one.gate.dir, 'lot', `${id}.job`);
const told = (one: GateScene, id: number) =>
  one.gate.gatekeeper.reports.filter((each) => each.jobId === id).map((each) => each.event);

describe('a restart', () => {
  it('keeps parked jobs, goes on with their heartbeats and asks the hub how it has them', async () => {
    const one = await scene();
    const first = await one.park();
    const second = await one.park('build-image.run1');
    const beats = (id: number): number => one.fake.job(id).requests.filter((each) => each.method === 'PUT').length;
    one.gate = await one.gate.restart();
    expect(one.gate.agent.counts()).toEqual({ parked: 2 });
    await until('heartbeats', () => beats(first) > 0 && beats(second) > 0);
    await until('the sync', () => one.gate.gatekeeper.syncs.some((each) => each.length === 2));
    await one.gate.gatekeeper.release(second);
    const reply = await one.poll();
    expect([reply.status, reply.body.toString()]).toEqual([201, one.fake.job(second).payload]);
  });

  it('learns of a release, a reject and an end that it missed', async () => {
    const one = await scene();
    const [freed, refused, forgotten] = [
      await one.park(),
      await one.park('build-image.run1'),
      await one.park('release.run1'),
    ];
    one.gate.gatekeeper.holdOf(freed).state = 'pending';
    one.gate.gatekeeper.holdOf(refused).state = 'rejected';
    one.gate.gatekeeper.holds.delete(one.gate.gatekeeper.holdOf(forgotten).id);
    const admitted = one.gate.gatekeeper.admitted.length;
    one.gate = await one.gate.restart();
    await until(
      'the rejected job to fail',
      () => one.fake.job(refused).status === 'failed',
      () => one.fake.job(refused).status,
    );
    await until('the unknown job to be admitted again', () => one.gate.gatekeeper.admitted.length > admitted);
    const reply = await one.poll();
    expect([reply.status, JSON.parse(reply.body.toString()).id]).toEqual([201, freed]);
  });

  it('fails a job whose place another attempt has taken', async () => {
    const one = await scene();
    const id = await one.park();
    one.gate.gatekeeper.holdOf(id).jobId = 999;
    one.gate = await one.gate.restart();
    await until(
      'the job to fail',
      () => one.fake.job(id).status === 'failed',
      () => one.fake.job(id).status,
    );
  });

  it('finds out that GitLab canceled a job meanwhile', async () => {
    const one = await scene();
    const id = await one.park();
    one.fake.cancel(id, { graceful: false });
    one.gate = await one.gate.restart();
    await until(
      'the report',
      () => told(one, id).includes('canceled'),
      () => told(one, id),
    );
  });

  it('with the hub away keeps all and hands nothing out', async () => {
    const one = await scene();
    const id = await one.park();
    await one.gate.gatekeeper.release(id);
    one.gate.gatekeeper.disconnect();
    one.gate = await one.gate.restart();
    expect((await one.poll()).status).toBe(204);
    one.gate.gatekeeper.connect();
    await until('the release', () => one.gate.agent.counts().released === 1, one.gate.agent.counts);
    expect((await one.poll()).status).toBe(201);
  });

  it('T29: and a link that comes back hand out nothing before the hub has said how it has each job', async () => {
    const one = await scene();
    const { gatekeeper } = one.gate;
    const id = await one.park();
    await gatekeeper.release(id);
    gatekeeper.disconnect();
    let answer = (): void => {};
    const asked = new Promise<void>((isAsked) => {
      gatekeeper.fault = (call) => {
        if (call !== 'sync') return;
        isAsked();
        return new Promise<void>((resolve) => {
          answer = resolve;
        });
      };
    });
    gatekeeper.connect();
    await asked;
    expect([one.gate.agent.counts(), (await one.poll()).status]).toEqual([{ released: 1 }, 204]);
    expect(told(one, id)).not.toContain('handed_out');
    gatekeeper.fault = null;
    answer();
    await vi.waitFor(async () => expect((await one.poll()).status).toBe(201), 8_000);
  });

  it('gives a runner that was handed a job its time to show, and then fails it', async () => {
    const one = await scene();
    const id = await one.approved();
    expect((await one.poll()).status).toBe(201);
    one.gate.clock.skip(3_600_000);
    one.gate = await one.gate.restart();
    expect(one.fake.job(id).status).toBe('running');
    one.gate.clock.skip(91_000);
    await until(
      'the job to fail',
      () => one.fake.job(id).status === 'failed',
      () => one.fake.job(id).status,
    );
    await until('the report', () => told(one, id).includes('unconfirmed'));
  });

  it('T40: while a poll waits at GitLab keeps the job that comes of it', async () => {
    const one = await scene();
    const id = one.fake.enqueue(fixture('test-unit.run1'));
    one.fake.fail({ match: (_m, path) => path === '/api/v4/jobs/request', how: 'delay', delayMs: 100, times: 1 });
    const waiting = one.poll().catch(() => null);
    await until('the poll upstream', () => one.fake.log.length === 1);
    one.gate = await one.gate.restart();
    await waiting;
    expect(one.gate.gatekeeper.holdOf(id).state).toBe('waiting_for_approval');
    expect(one.gate.agent.counts()).toEqual({ parked: 1 });
  });
});

describe('a stop', () => {
  it('T40: gives a runner that is not gated what GitLab still answers to its poll', async () => {
    const one = await scene();
    const open = one.fake.runnerToken('open');
    const id = one.fake.enqueue(fixture('test-unit.run1'), { runner: open });
    one.fake.fail({ match: (_m, path) => path === '/api/v4/jobs/request', how: 'delay', delayMs: 100, times: 1 });
    const waiting = poll(one.gate.port, open);
    await until('the poll upstream', () => one.fake.log.length === 1);
    await one.gate.agent.close({ drainMs: 5_000 });
    const reply = await waiting;
    expect([reply.status, JSON.parse(reply.body.toString()).id]).toEqual([201, id]);
  });

  it('T40: asks GitLab for no job that nobody would be there to take', async () => {
    const one = await scene();
    const id = one.fake.enqueue(fixture('test-unit.run1'), { manual: true });
    one.fake.fail({ match: (_m, path) => path === '/api/v4/jobs/request', how: 'delay', delayMs: 150, times: 1 });
    const waiting = one.poll().catch(() => null);
    await until('the poll upstream', () => one.fake.log.length === 1);
    const body = JSON.stringify({ token: one.token, info: {} });
    const late = await new Promise<number>((resolve, reject) => {
      const headers = { 'content-type': 'application/json', 'content-length': body.length };
      const req = request({ port: one.gate.port, method: 'POST', path: '/api/v4/jobs/request', headers }, (res) => {
        res.resume();
        resolve(res.statusCode ?? 0);
      });
      req.on('error', reject);
      // Half of it before the stop, the rest while the first poll is still waited for.
      req.write(body.slice(0, 5), () => {
        send(one.gate.port, 'GET', '/').then(() => {
          const stopping = one.gate.agent.close({ drainMs: 2_000 });
          one.fake.play(id);
          req.end(body.slice(5));
          return stopping;
        }, reject);
      });
    });
    expect(late).toBe(503);
    await waiting;
    expect(one.fake.log.filter((each) => each.path === '/api/v4/jobs/request')).toHaveLength(1);
  });

  it('serves who connected before it and has not asked yet, or half', async () => {
    const one = await scene();
    const [silent, half] = [await rawConnection(one.gate.port), await rawConnection(one.gate.port)];
    half.write('GET /no');
    // Connections are taken in the order in which they came.
    await send(one.gate.port, 'GET', '/');
    const stopping = one.gate.agent.close({ drainMs: 5_000 });
    await deaf(one.gate.port);
    silent.write('GET /nowhere HTTP/1.1\r\nHost: gateway\r\n\r\n');
    half.write('where HTTP/1.1\r\nHost: gateway\r\n\r\n');
    for (const reply of await Promise.all([silent.ended, half.ended]))
      expect(reply).toMatch(/^HTTP\/1\.1 404 [\s\S]*\r\nConnection: close\r\n/);
    await stopping;
  });

  it('waits a second for who says nothing, and not for as long as transfers have', async () => {
    const one = await scene();
    const silent = await rawConnection(one.gate.port);
    await send(one.gate.port, 'GET', '/');
    const stopping = one.gate.agent.close({ drainMs: 3_600_000 });
    one.gate.clock.skip(900);
    expect(
      await Promise.race([stopping.then(() => 'stopped'), send(one.gate.port, 'GET', '/').catch(() => 'deaf')]),
    ).toBe('deaf');
    one.gate.clock.skip(100);
    expect(await silent.ended).toBe('');
    await stopping;
    expect(one.gate.log.lines.some(({ message }) => message.includes('cut off'))).toBe(false);
  });
});

describe('what lies on the disk', () => {
  it('T31: is sealed, readable by nobody else, and gone when the job has ended', async () => {
    const one = await scene();
    const id = await one.park();
    const bytes = readFileSync(jobFile(one, id));
    for (const secret of [one.fake.job(id).token, 'test:unit', 'CI_JOB_TOKEN'])
      expect(bytes.includes(secret)).toBe(false);
    expect([statSync(jobFile(one, id)).mode & 0o777, statSync(join(one.gate.dir, 'lot')).mode & 0o777]).toEqual([
      0o600, 0o700,
    ]);
    const parkedBytes = bytes.length;
    await one.gate.gatekeeper.release(id);
    expect((await one.poll()).status).toBe(201);
    await one.put(id, { state: 'running' });
    await until('the payload to leave the disk', () => statSync(jobFile(one, id)).size < parkedBytes / 4);
    await one.put(id, { state: 'success' });
    await until('the file to be gone', () =>
      readdirSync(join(one.gate.dir, 'lot')).every((name) => !name.endsWith('.job')),
    );
  });

  it.each([
    [
      'one bit of it was turned',
      (bytes: Buffer) => bytes.fill((bytes.at(-20) ?? 0) ^ 1, bytes.length - 20, bytes.length - 19),
    ],
    ['its end is missing', (bytes: Buffer) => bytes.subarray(0, bytes.length - 1)],
    ['it is empty', () => Buffer.alloc(0)],
    ['it is something else', () => Buffer.from('{"id":1}')],
  ])('T13: is not handed out when %s after it was approved', async (_what, alter) => {
    const one = await scene();
    const id = await one.park();
    await one.gate.gatekeeper.release(id);
    writeFileSync(jobFile(one, id), alter(readFileSync(jobFile(one, id))));
    const reply = await one.poll();
    expect([reply.status, reply.body.length]).toEqual([204, 0]);
    await until(
      'the job to fail',
      () => one.fake.job(id).status === 'failed',
      () => one.fake.job(id).status,
    );
    await until('the report', () => told(one, id).includes('detached'));
    expect(one.gate.log.lines.some((line) => line.level === 'error' && line.message.includes('altered'))).toBe(true);
    expect(readdirSync(join(one.gate.dir, 'lot', 'damaged'))).toHaveLength(1);
  });

  it('T13: is not handed out when another job’s file lies in its place', async () => {
    const one = await scene();
    const [id, other] = [await one.park(), await one.park('build-image.run1')];
    await one.gate.gatekeeper.release(id);
    writeFileSync(jobFile(one, id), readFileSync(jobFile(one, other)));
    expect((await one.poll()).status).toBe(204);
  });

  it('T13: altered while the agent was down is set aside and reported, the others go on', async () => {
    const one = await scene();
    const [bad, good] = [await one.park(), await one.park('build-image.run1')];
    const bytes = readFileSync(jobFile(one, bad));
    bytes[100] = (bytes[100] ?? 0) ^ 1;
    writeFileSync(jobFile(one, bad), bytes);
    writeFileSync(join(one.gate.dir, 'lot', 'README'), 'not mine');
    one.gate = await one.gate.restart();
    expect(one.gate.agent.counts()).toEqual({ parked: 1 });
    expect(readdirSync(join(one.gate.dir, 'lot', 'damaged'))).toHaveLength(2);
    expect(one.gate.log.lines.filter((line) => line.message.includes('set aside'))).toHaveLength(2);
    await one.gate.gatekeeper.release(good);
    expect((await one.poll()).status).toBe(201);
    expect((await poll(one.gate.port, one.token)).status).toBe(204);
  });
});
