/** Against the hub's port: web pages that an approver visits, jobs on the same host, other people's tokens, forged and replayed frames. */
import { connect, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { levelRule } from '../../agent/src/domain/rule.ts';
import {
  admitFrame,
  eventually,
  helloOf,
  proofOf,
  rawLink,
  startHub,
  type TestHub,
  welcomed,
} from '../support/hub-server.ts';
import { policyWith, requestFor } from '../support/hub-world.ts';

const reportFrame = (hold: number, jobId: number, event: string, second: number, detail: object = {}) => ({
  ...{ type: 'report', ref: `r${second}`, hold, job_id: jobId, event, detail },
  at: `2026-11-22T08:00:${String(second).padStart(2, '0')}.000Z`,
});

let hub: TestHub;
const sockets: Socket[] = [];
beforeEach(async () => {
  hub = await startHub();
});
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await hub.close();
});

/** A connection that writes this and then nothing; what came back, and whether it was closed, can be looked at. */
async function open(bytes: string): Promise<{ socket: Socket; text: () => string; closed: () => boolean }> {
  const socket = connect(hub.port, '127.0.0.1');
  sockets.push(socket);
  let text = '';
  let closed = false;
  socket.on('data', (part) => {
    text += part.toString('latin1');
  });
  socket.on('close', () => {
    closed = true;
  });
  socket.on('error', () => {});
  await new Promise<void>((resolve) => socket.once('connect', resolve));
  socket.write(bytes, 'latin1');
  return { socket, text: () => text, closed: () => closed };
}
const answerTo = async (bytes: string): Promise<string> => {
  const { text } = await open(bytes);
  return eventually(text, (seen) => seen.includes('\r\n\r\n'));
};
const upgrade = (path: string, headers: string) =>
  `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1:${hub.port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n${headers}\r\n`;

describe('a web page that an approver visits', () => {
  const evil = 'Origin: https://evil.example.net\r\nCookie: token=hp_x; session=hp_x\r\n';

  it.each(['application/json', 'text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data; boundary=x'])(
    'T23 cannot vote with a body of type %s: nothing that a browser sends by itself is a token',
    async (type) => {
      await hub.world.admit({ id: 1 });
      await hub.token('maria');
      const body = JSON.stringify({ digest: requestFor({ id: 1 }).digest });
      const answer = await answerTo(
        `POST /api/v1/holds/1/approve?private_token=x&access_token=x HTTP/1.1\r\nHost: 127.0.0.1:${hub.port}\r\n${evil}Content-Type: ${type}\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
      );
      expect(answer).toMatch(/^HTTP\/1\.1 401 /);
      expect(answer.toLowerCase()).not.toContain('access-control-allow');
      expect(await hub.world.state(1)).toBe('waiting_for_approval');
    },
  );

  it('T23 is not told by a preflight that it may send a header, nor allowed to read an answer', async () => {
    const preflight = await answerTo(
      `OPTIONS /api/v1/holds/1/approve HTTP/1.1\r\nHost: 127.0.0.1:${hub.port}\r\n${evil}Access-Control-Request-Method: POST\r\nAccess-Control-Request-Headers: authorization,content-type\r\n\r\n`,
    );
    const read = await fetch(`${hub.url}/api/v1/holds`, {
      headers: { origin: 'https://evil.example.net', authorization: `Bearer ${await hub.token('maria')}` },
    });
    expect(preflight).toMatch(/^HTTP\/1\.1 404 /);
    expect(preflight.toLowerCase()).not.toContain('access-control-allow');
    expect([...read.headers.keys()].filter((name) => name.startsWith('access-control'))).toEqual([]);
    expect(read.headers.get('cross-origin-resource-policy')).toBe('same-origin');
    expect(read.headers.get('content-security-policy')).toContain("frame-ancestors 'self'");
  });

  it('T23 gets nothing under a name of its own that leads here (DNS rebinding)', async () => {
    await hub.world.admit({ id: 1 });
    for (const path of [
      '/api/v1/holds',
      '/api/v1/holds/1',
      '/api/v1/me',
      '/api/v1/audit',
      '/api/v1/tokens',
      '/metrics',
    ]) {
      const answer = await answerTo(`GET ${path} HTTP/1.1\r\nHost: evil.example.net:${hub.port}\r\n\r\n`);
      if (path === '/metrics') expect(answer).not.toMatch(/acme|maria|zoe|\bdeploy\b/);
      else expect(answer).toMatch(/^HTTP\/1\.1 401 /);
    }
  });

  it.each(['/api/v1/events', '/api/v1/events?token=TOKEN', '/api/v1/events?access_token=TOKEN'])(
    'T23 T24 cannot follow %s: a websocket takes its token from a header that no page can set',
    async (path) => {
      const token = await hub.token('maria');
      const headers = `${evil}Sec-WebSocket-Protocol: bearer, ${token}\r\n`;
      expect(await answerTo(upgrade(path.replace('TOKEN', token), headers))).toMatch(/^HTTP\/1\.1 401 /);
    },
  );

  it('T27 T30 cannot open the link of agents, not even to take its places', async () => {
    expect(await answerTo(upgrade('/api/v1/link', evil))).toMatch(/^HTTP\/1\.1 403 /);
  });
});

describe('a job on the host of the hub', () => {
  it('T30 that opens links and says nothing keeps no agent out', async () => {
    for (let n = 0; n < 100; n++) await open(upgrade('/api/v1/link', ''));
    const link = await welcomed(hub.url, hub.keys.embedded);
    link.send(admitFrame({ id: 1 }));
    expect((await link.next('verdict')).outcome).toBe('hold');
  });

  it('T30 that sends a message without end before it has proved anything is cut off, long before a frame is full', async () => {
    const { socket, text, closed } = await open(upgrade('/api/v1/link', ''));
    await eventually(text, (seen) => seen.includes('101 Switching'));
    // A text frame of 9 MiB, masked with zeros, of which the first MiB comes.
    const head = Buffer.from([0x81, 0xff, 0, 0, 0, 0, 0x00, 0x90, 0, 0, 0, 0, 0, 0]);
    socket.write(Buffer.concat([head, Buffer.alloc(1024 * 1024, 0x20)]));
    await eventually(closed, (seen) => seen);
  });

  it('T30 that guesses tokens is slowed, and who has one is not', async () => {
    const token = await hub.token('maria');
    const seen = new Set<number>();
    for (let n = 0; n < 40; n++) seen.add((await hub.call('GET', '/api/v1/me', `hp_guess${n}`)).status);
    expect([...seen].sort()).toEqual([401, 429]);
    expect((await hub.call('GET', '/api/v1/me', token)).status).toBe(200);
  });

  it('T30 that sends a body of which nothing follows is let go before it is read', async () => {
    const { text } = await open(
      `POST /api/v1/holds/1/approve HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1000000\r\n\r\n{`,
    );
    expect(await eventually(text, (seen) => seen.includes('\r\n'))).toMatch(/^HTTP\/1\.1 401 /);
  });

  it.each([
    ['two lengths', 'Content-Length: 2\r\nContent-Length: 60\r\n\r\n{}'],
    ['a length and chunks', 'Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'],
    ['chunks, spelled otherwise', 'Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n'],
    ['a folded header', 'Authorization: Bearer\r\n hp_x\r\n\r\n'],
  ])('T3 T23 that smuggles a second request behind %s is answered once, with 400', async (_, rest) => {
    const { text, closed } = await open(
      `POST /api/v1/holds/1/approve HTTP/1.1\r\nHost: x\r\n${rest}GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n`,
    );
    await eventually(closed, (seen) => seen);
    expect(text().match(/HTTP\/1\.1 \d+/g)).toEqual(['HTTP/1.1 400']);
  });
});

describe('somebody else’s token', () => {
  it('T19 of a person who was blocked, T24 that was revoked or is over, votes no more, in the very next request', async () => {
    await hub.world.admit({ id: 1 });
    const body = { digest: requestFor({ id: 1 }).digest };
    const over = await hub.token('maria', ['read', 'approve'], 1_000);
    hub.world.clock.advance(1_000);
    expect((await hub.call('POST', '/api/v1/holds/1/approve', over, body)).status).toBe(401);
    const readOnly = await hub.token('maria', ['read']);
    expect((await hub.call('POST', '/api/v1/holds/1/approve', readOnly, body)).status).toBe(403);
    const blocked = await hub.token('maria');
    const users = hub.world.people.users.map((u) => (u.username === 'maria' ? { ...u, blocked: true } : u));
    hub.world.people = { ...hub.world.people, users };
    expect((await hub.call('POST', '/api/v1/holds/1/approve', blocked, body)).status).toBe(401);
    expect(await hub.world.state(1)).toBe('waiting_for_approval');
  });

  it('T24 T27 beside one’s own is refused, not chosen from', async () => {
    await hub.world.admit({ id: 1 });
    const [maria, zoe] = [await hub.token('maria'), await hub.token('zoe')];
    const response = await fetch(`${hub.url}/api/v1/holds/1/approve`, {
      method: 'POST',
      headers: { authorization: `Bearer ${zoe}`, 'private-token': maria, 'content-type': 'application/json' },
      body: JSON.stringify({ digest: requestFor({ id: 1 }).digest }),
    });
    expect(response.status).toBe(401);
    expect(await hub.world.state(1)).toBe('waiting_for_approval');
  });
});

describe('two people at the same moment', () => {
  it('T22 one approving and one rejecting leave one outcome, and nothing is released that was rejected', async () => {
    const [maria, jonas] = [await hub.token('maria'), await hub.token('jonas')];
    for (let id = 1; id <= 12; id++) {
      await hub.world.admit({ id, pipeline: id, script: [`make ${id}`] });
      const { digest } = requestFor({ id, script: [`make ${id}`] });
      const both = await Promise.all([
        hub.call('POST', `/api/v1/holds/${id}/approve`, maria, { digest }),
        hub.call('POST', `/api/v1/holds/${id}/reject`, jonas, { digest, comment: 'no' }),
      ]);
      const state = await hub.world.state(id);
      const pushes = (await hub.world.pushes()).filter((push) => push.endsWith(` ${id}/${id}`));
      expect(both.map(({ status }) => status).sort()).toEqual([200, 409]);
      expect(pushes).toEqual([state === 'pending' ? `release ${id}/${id}` : `reject ${id}/${id}`]);
      expect(state).toBe(both[0]?.status === 200 ? 'pending' : 'rejected');
    }
  });

  it('T22 the same vote a hundred times over is one person’s', async () => {
    await hub.world.admit({ id: 1 });
    hub.world.policy = policyWith({ rules: [levelRule('maintainers', 40, 2)] });
    await hub.world.admit({ id: 2, pipeline: 2, script: ['make two'] });
    const { digest } = requestFor({ id: 2, script: ['make two'] });
    const tokens = [await hub.token('maria'), await hub.token('maria')];
    await Promise.all(
      Array.from({ length: 40 }, (_, n) => hub.call('POST', '/api/v1/holds/2/approve', tokens[n % 2]!, { digest })),
    );
    expect(await hub.world.state(2)).toBe('waiting_for_approval');
    expect((await hub.store.votes((await hub.store.hold(2))!.review!)).length).toBe(1);
  });

  it('T29 a revoke against a hand-out: whichever is first, the hub says to the agent what holds', async () => {
    const link = await welcomed(hub.url, hub.keys.embedded);
    const jonas = await hub.token('jonas');
    for (let id = 1; id <= 8; id++) {
      await hub.world.admit({ id, pipeline: id, script: [`make ${id}`] });
      await hub.world.approve('maria', id);
      const approval = (await hub.store.hold(id))!.approval!;
      const revoked = hub.call('POST', `/api/v1/approvals/${approval}/revoke`, jonas, {});
      link.send(reportFrame(id, id, 'handed_out', id));
      const said = (await link.next('state')).holds[0]!;
      expect((await revoked).status).toBe(200);
      const events = await hub.world.audit();
      const isFirst = events.lastIndexOf('job_handed_out') < events.lastIndexOf('approval_revoked');
      // The one that is first in the audit is the one that the agent was told of.
      expect([said.state, said.current], events.slice(-6).join()).toEqual(['running', isFirst]);
    }
  });
});

describe('a revoke that was stored first', () => {
  it('T29 is not overtaken by the question of an agent that has not heard of it', async () => {
    const link = await welcomed(hub.url, hub.keys.embedded);
    link.send(admitFrame({ id: 1 }));
    await link.next('verdict');
    await hub.world.approve('maria', 1);
    const revoked = await hub.call('POST', '/api/v1/approvals/1/revoke', await hub.token('jonas'), {});
    expect(revoked.status).toBe(200);
    link.send(reportFrame(1, 1, 'handed_out', 1));
    const [said] = (await link.next('state')).holds;
    // An agent hands out only what the hub calls running and current.
    expect([said?.state, said?.current]).not.toEqual(['running', true]);
    link.send(reportFrame(1, 1, 'undelivered', 2));
    expect((await link.next('state')).holds[0]).toMatchObject({ state: 'waiting_for_approval', current: true });
  });
});

describe('forged and replayed frames', () => {
  it.each([
    ['handed_out of what waits', 'handed_out', {}],
    ['confirmed of what waits', 'confirmed', {}],
    ['the success of what waits', 'ended', { status: 'success' }],
    ['undelivered of what was never given', 'undelivered', {}],
    ['unconfirmed of what waits', 'unconfirmed', {}],
  ])('T29 %s approves nothing', async (_, event, detail) => {
    const link = await welcomed(hub.url, hub.keys.embedded);
    link.send(admitFrame({ id: 1 }));
    await link.next('verdict');
    link.send(reportFrame(1, 1, event, 1, detail));
    await link.next('state');
    expect(await hub.world.state(1)).toBe('waiting_for_approval');
    expect(await hub.store.approvalsOf((await hub.store.hold(1))!.subject, null, 10)).toEqual([]);
  });

  it('T27 T29 the frames of a whole session, recorded and sent again, are worth nothing', async () => {
    const first = await rawLink(hub.url);
    const hello = helloOf(hub.keys.embedded);
    first.send(hello);
    const proof = proofOf(hub.keys.embedded, (await first.next('challenge')).nonce);
    first.send(proof);
    await first.next('welcome');
    const thief = await rawLink(hub.url);
    for (const frame of [hello, proof, admitFrame({ id: 1 })]) thief.send(frame);
    expect(await thief.closed()).toBe(4401);
    expect(await hub.store.hold(1)).toBeNull();
    first.send({ type: 'sync', ref: 's', holds: [] });
    await first.next('state');
  });

  it('T41 undelivered after the runner has shown that it has the job hands nothing out again: an old parking lot was put back', async () => {
    const link = await welcomed(hub.url, hub.keys.embedded);
    link.send(admitFrame({ id: 1 }));
    await link.next('verdict');
    await hub.world.approve('maria', 1);
    for (const [second, event] of ['handed_out', 'confirmed'].entries()) {
      link.send(reportFrame(1, 1, event, second));
      await link.next('state');
    }
    link.send(reportFrame(1, 1, 'undelivered', 9));
    expect((await link.next('state')).holds[0]).toMatchObject({ state: 'failed' });
    expect(await hub.world.state(1)).toBe('failed');
    // The one of the approval, and none after it.
    expect(await hub.world.pushes()).toEqual(['release 1/1']);
  });

  it('T29 an agent that has acted on more than this store ever said shows that an old copy of the store was put back', async () => {
    const link = await welcomed(hub.url, hub.keys.embedded, 50);
    link.send({ type: 'sync', ref: 's', holds: [] });
    await link.next('state');
    expect(hub.log.lines.some(({ message }) => message.includes('older copy of the store'))).toBe(true);
    expect(await hub.world.audit()).toContain('store_behind');
  });

  it('T29 an agent that comes back with what it was told last is no such sign', async () => {
    await hub.world.admit({ id: 1 });
    await hub.world.approve('maria', 1);
    await welcomed(hub.url, hub.keys.embedded, 1);
    expect(await hub.world.audit()).not.toContain('store_behind');
  });

  it('T27 a websocket that is no link and no events is refused, whatever its path', async () => {
    for (const path of ['/', '/api/v1/link/', '//api/v1/link', '/api/v1/%6cink', '/api/v1/holds'])
      expect(await answerTo(upgrade(path, ''))).toMatch(/^HTTP\/1\.1 404 /);
    const socket = new WebSocket(`${hub.url.replace('http', 'ws')}/api/v1/link?agent=embedded`);
    socket.on('error', () => {});
    await eventually(
      () => socket.readyState,
      (state) => state === WebSocket.OPEN,
    );
    socket.terminate();
  });
});
