import { sign } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import { createLinkClient } from '../../agent/src/link/client.ts';
import { enrolAgent } from '../../agent/src/link/enrol.ts';
import type { LinkTrust } from '../../agent/src/link/session.ts';
import type { Gatekeeper } from '../../agent/src/ports/gatekeeper.ts';
import { createClock } from '../../agent/src/system/clock.ts';
import { hubKeyOf } from '../../agent/src/system/hub-key.ts';
import { auditKeeper } from '../support/audit-keeper.ts';
import { type AgentKey, eventually, rawLink, startHub, type TestHub } from '../support/hub-server.ts';
import { hubLog } from '../support/hub-world.ts';

const pem = (name: string): string => readFileSync(new URL(`../fixtures/tls/${name}.pem`, import.meta.url), 'utf8');
const tls = { cert: pem('cert'), key: pem('key') };
const closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

async function hubWith(options: Parameters<typeof startHub>[0]): Promise<TestHub> {
  const hub = await startHub(options);
  closing.push(() => hub.close());
  return hub;
}
function connect(url: string, { name, privateKey }: AgentKey, trust: LinkTrust | null) {
  const log = hubLog();
  const link: Gatekeeper = createLinkClient({
    url,
    agent: name,
    version: '0',
    runners: [],
    hubKey: auditKeeper().signer.publicKey,
    trust: () => trust,
    sign: (bytes) => signWith(privateKey, bytes),
    cursor: { load: async () => 0, save: async () => {} },
    clock: createClock(),
    log,
    random: () => 0.01,
  });
  closing.push(() => link.close());
  return { link, log };
}
const signWith = (key: AgentKey['privateKey'], bytes: Uint8Array): Uint8Array => sign(null, bytes, key);

describe('the link over TLS', () => {
  it('is opened where the certificate comes from the authority that was named, and by nobody else', async () => {
    const hub = await hubWith({ tls });
    const named = `https://localhost:${hub.port}`;
    const { link } = connect(named, hub.keys.embedded, { ca: tls.cert, exact: false });
    await eventually(
      () => link.connected(),
      (up) => up,
    );
    const { log } = connect(named, hub.keys.other, null);
    await eventually(
      () => JSON.stringify(log.lines),
      (lines) => /SELF_SIGNED|UNABLE_TO_VERIFY/.test(lines),
    );
  });

  it("T28 an agent in the hub's own process takes that very certificate, whatever name is in it", async () => {
    const hub = await hubWith({ tls });
    const { link } = connect(`https://127.0.0.1:${hub.port}`, hub.keys.embedded, { ca: tls.cert, exact: true });
    await eventually(
      () => link.connected(),
      (up) => up,
    );
  });

  it('T27, T28 is refused in clear to whoever is not on the same machine, and so is an enrolment', async () => {
    const hub = await hubWith({});
    const far = { 'x-forwarded-for': '192.0.2.7' };
    await expect(rawLink(hub.url, '/api/v1/link', far)).rejects.toThrow('status 403');
    const body = JSON.stringify({ token: 'hpe_x', public_key: 'A'.repeat(43), signature: '' });
    const headers = { ...far, 'content-type': 'application/json' };
    const answer = await fetch(`${hub.url}/api/v1/enrolments`, { method: 'POST', headers, body });
    expect([answer.status, await answer.text()]).toEqual([403, expect.stringContaining('over TLS only')]);
    await expect(enrolAgent({ url: hub.url, token: 'hpe_x', key: hubKeyOf(new Uint8Array(32)) })).rejects.toThrow(
      'no enrolment token',
    );
    const open = await hubWith({ plainHttp: true });
    (await rawLink(open.url, '/api/v1/link', far)).socket.terminate();
  });

  it('T24 believes a proxy that is trusted, and nobody else, about where a request comes from', async () => {
    const trusting = await hubWith({ trustedProxies: ['127.0.0.0/8', '10.0.0.0/8'] });
    const forged = '203.0.113.9, 192.0.2.7, 10.1.2.3';
    const through = (proto: string) => ({ 'x-forwarded-for': forged, 'x-forwarded-proto': proto });
    (await rawLink(trusting.url, '/api/v1/link', through('https'))).socket.terminate();
    await expect(rawLink(trusting.url, '/api/v1/link', through('http'))).rejects.toThrow('status 403');
    const plain = await hubWith({});
    for (const [hub, address] of [
      [trusting, '192.0.2.7'],
      [plain, '127.0.0.1'],
    ] as const) {
      const authorization = `Bearer ${await hub.token('maria', ['read', 'admin'])}`;
      await fetch(`${hub.url}/api/v1/me`, { headers: { authorization, ...through('https') } });
      const used = (await hub.store.auditRows({ sight: null, events: ['token_used'] }, { after: 0, limit: 9 })).at(-1);
      expect(used?.address).toBe(address);
    }
  });
});
