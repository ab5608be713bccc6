import { readFileSync } from 'node:fs';
import { createServer, request } from 'node:https';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { type Gate, poll, startGate } from '../support/gate.ts';
import { rawConnection } from '../support/raw-connection.ts';

// A certificate of these tests alone, for localhost and 127.0.0.1.
const pem = (name: string): string => readFileSync(new URL(`../fixtures/tls/${name}.pem`, import.meta.url), 'utf8');
const cert = pem('cert');
const key = pem('key');

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

async function gitlab(): Promise<number> {
  const server = createServer({ cert, key }, (_req, res) => {
    res.writeHead(204, { 'X-GitLab-Last-Update': 'u1' }).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closing.push(() => {
    server.closeAllConnections();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

async function gate(options: Parameters<typeof startGate>[0]): Promise<Gate> {
  const one = await startGate(options);
  closing.push(() => one.close());
  return one;
}

describe('TLS', () => {
  it('to a GitLab with a private authority works with its certificate', async () => {
    const one = await gate({ gitlabUrl: `https://127.0.0.1:${await gitlab()}`, gitlabCa: cert, runners: [] });
    const reply = await poll(one.port, 'glrt-x');
    expect([reply.status, reply.headers['x-gitlab-last-update']]).toEqual([204, 'u1']);
  });

  it('to a GitLab whose certificate nobody vouches for is refused: the answer is 502', async () => {
    const one = await gate({ gitlabUrl: `https://127.0.0.1:${await gitlab()}`, runners: [] });
    expect((await poll(one.port, 'glrt-x')).status).toBe(502);
  });

  it('of the gateway itself takes its own certificate', async () => {
    const one = await gate({
      gitlabUrl: `https://127.0.0.1:${await gitlab()}`,
      gitlabCa: cert,
      tls: { cert, key },
      runners: [],
    });
    const status = await new Promise<number>((resolve, reject) => {
      const path = '/api/v4/runners/router/discovery';
      const req = request({ host: '127.0.0.1', port: one.port, path, ca: cert, agent: false }, (res) => {
        res.resume();
        resolve(res.statusCode ?? 0);
      });
      req.on('error', reject);
      req.end();
    });
    expect(status).toBe(501);
  });

  it('waits at a stop for nobody who never begins it', async () => {
    const one = await gate({ gitlabUrl: 'https://127.0.0.1:9', tls: { cert, key }, runners: [] });
    const mute = await rawConnection(one.port);
    // Taken by the gateway after it: the first is there as well.
    const second = await rawConnection(one.port);
    second.write('no TLS');
    await second.ended;
    await one.agent.close({ drainMs: 50 });
    expect(await mute.ended).toBe('');
  });
});
