import { sign } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { createLinkClient } from '../../agent/src/link/client.ts';
import type { Gatekeeper, HubPush } from '../../agent/src/ports/gatekeeper.ts';
import { openStore } from '../../agent/src/stores/store.ts';
import { createClock } from '../../agent/src/system/clock.ts';
import { auditKeeper } from '../support/audit-keeper.ts';
import { agentKey, eventually, startHub, type TestHub } from '../support/hub-server.ts';
import { hubLog, requestFor } from '../support/hub-world.ts';

const AGENTS = 50;

describe('a hub with many agents', { timeout: 120_000 }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'holdpoint-many-'));
  const links: Gatekeeper[] = [];
  let hub: TestHub | null = null;
  afterEach(async () => {
    for (const link of links) await link.close();
    await hub?.close();
    rmSync(folder, { recursive: true });
  });

  it('T30, T40 loses nothing of what they have parked when it is started again under them', async () => {
    const keys = Array.from({ length: AGENTS }, (_, n) => agentKey(`build-${n + 1}`));
    const start = async (): Promise<TestHub> =>
      startHub({ store: await openStore({ path: join(folder, 'hub.db') }), agents: keys, clock: createClock() });
    hub = await start();
    const pushes = new Map<string, HubPush[]>();
    let url = hub.url;
    const clients = keys.map(({ name, privateKey }, n) => {
      pushes.set(name, []);
      const link = createLinkClient({
        url,
        agent: name,
        version: '0',
        runners: [{ name: `runner-${n + 1}`, protected: true }],
        hubKey: auditKeeper().signer.publicKey,
        sign: (bytes) => sign(null, bytes, privateKey),
        cursor: { load: async () => 0, save: async () => {} },
        clock: createClock(),
        log: hubLog(),
        random: () => n / AGENTS / 10,
      });
      link.onPush(async (push) => void pushes.get(name)!.push(push));
      links.push(link);
      return { name, link, request: requestFor({ id: n + 1, pipeline: n + 1 }) };
    });
    const linked = () => clients.filter(({ link }) => link.connected()).length;
    await eventually(linked, (many) => many === AGENTS, 30_000);
    const answers = await Promise.all(clients.map(({ link, request }) => link.admit(request)));
    const holds = answers.map(({ hold }) => hold!);
    expect(new Set(holds).size).toBe(AGENTS);

    const port = hub.port;
    await hub.close();
    await eventually(linked, (many) => many === 0);
    const store = await openStore({ path: join(folder, 'hub.db') });
    hub = await startHub({ store, agents: keys, clock: createClock(), port });
    url = hub.url;
    await eventually(linked, (many) => many === AGENTS, 60_000);
    const parked = clients.map(({ request }, n) => ({
      hold: holds[n]!,
      jobId: n + 1,
      digest: request.digest,
      state: 'parked' as const,
      parkedUntil: null,
    }));
    const synced = await Promise.all(clients.map(({ link }, n) => link.sync([parked[n]!])));
    expect(synced.flat().map(({ state, current }) => [state, current])).toEqual(
      clients.map(() => ['waiting_for_approval', true]),
    );
    // One answer for all, and each agent hears of its own Hold, once.
    const { digest } = clients[0]!.request;
    const token = await hub.token('maria');
    expect((await hub.call('POST', `/api/v1/holds/${holds[0]}/approve`, token, { digest })).status).toBe(200);
    const heard = () =>
      clients.map(({ name }) =>
        pushes
          .get(name)!
          .map(({ type, hold }) => `${type} ${hold}`)
          .join(),
      );
    await eventually(heard, (all) => all.every((one, n) => one === `release ${holds[n]}`), 60_000);
  });
});
