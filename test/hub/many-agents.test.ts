import { sign } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { createLinkClient } from '../../agent/src/link/client.ts';
import type { Gatekeeper, HubPush } from '../../agent/src/ports/gatekeeper.ts';
import type { Hints } from '../../agent/src/ports/hints.ts';
import type { StoreWriter } from '../../agent/src/ports/store.ts';
import { MAX_MESSAGE_BYTES } from '../../agent/src/stores/notify-parts.ts';
import { openStore } from '../../agent/src/stores/store.ts';
import { createClock } from '../../agent/src/system/clock.ts';
import { betweenBytes, readLetter } from '../../agent/src/wire/between.ts';
import { auditKeeper } from '../support/audit-keeper.ts';
import { agentKey, eventually, startHub, type TestHub, welcomed } from '../support/hub-server.ts';
import { hubLog, policyWith, requestFor } from '../support/hub-world.ts';

const AGENTS = 50;

it('what a hub with ten thousand agents says of them is understood by the others on its store', () => {
  const status = { skewMs: 1, snapshot: { seq: 1, policy: 'p', heardAt: 2 } };
  const agents = Array.from({ length: 10_000 }, (_, n) => ({
    name: `build-${n}`,
    since: 1,
    address: null,
    problems: [],
    status,
  }));
  const body = { type: 'beat', agents, lent: [], watched: [], key: 'k'.repeat(43) } as const;
  const letter = { from: 'h'.repeat(16), at: 1, number: 1, body };
  const bytes = betweenBytes(letter);
  expect(bytes.length).toBeLessThan(MAX_MESSAGE_BYTES);
  expect(readLetter(bytes)).toEqual(letter);
});

describe('a hub with many agents', { timeout: 120_000 }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'holdpoint-many-'));
  const links: Gatekeeper[] = [];
  let hub: TestHub | null = null;
  afterEach(async () => {
    for (const link of links) await link.close();
    await hub?.close();
    rmSync(folder, { recursive: true, force: true });
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

  it('T30 tells all of them of a changed policy with one write of the store, and looks all of them up in one question', async () => {
    const keys = Array.from({ length: AGENTS }, (_, n) => agentKey(`build-${n + 1}`));
    const store = await openStore({ path: ':memory:' });
    let writes = 0;
    let looks = 0;
    const counted = {
      ...store,
      write: <T>(work: (tx: StoreWriter) => Promise<T>) => {
        writes += 1;
        return store.write(work);
      },
      enrolledAmong: (agents: readonly string[]) => {
        looks += 1;
        return store.enrolledAmong(agents);
      },
    };
    for (const { name, publicKey } of keys)
      await store.write((tx) =>
        tx.putEnrolled({ name, publicKey, enrolledAt: 1, enrolledBy: 'maria', revokedAt: null, revokedBy: null }),
      );
    let missed: (hint: 'missed') => void = () => {};
    const hints: Hints = {
      publish: () => {},
      listen: (take) => {
        missed = take;
      },
      send: () => {},
      receive: () => {},
      close: async () => {},
    };
    hub = await startHub({ store: counted, hints });
    const sockets = await Promise.all(keys.map((key) => welcomed(hub!.url, key)));
    const told = () => sockets.filter(({ snapshots }) => snapshots.length > 1).length;
    await eventually(
      () => sockets.every(({ snapshots }) => snapshots.length === 1),
      (all) => all,
    );
    writes = 0;
    hub.world.policy = policyWith({}, 'another');
    hub.world.clock.advance(1_000);
    hub.world.clock.advance(200);
    await eventually(told, (many) => many === AGENTS);
    expect(writes).toBeLessThanOrEqual(2);

    await store.write((tx) =>
      tx.putEnrolled({
        name: 'build-7',
        publicKey: keys[6]!.publicKey,
        enrolledAt: 1,
        enrolledBy: 'maria',
        revokedAt: 2,
        revokedBy: 'maria',
      }),
    );
    looks = 0;
    missed('missed');
    expect(await sockets[6]!.closed()).toBe(4403);
    expect(looks).toBe(1);
    expect(sockets.filter(({ socket }) => socket.readyState === WebSocket.OPEN).length).toBe(AGENTS - 1);
    // Nor is it a write for each when all of them go.
    writes = 0;
    for (const { socket } of sockets) socket.terminate();
    await hub.close();
    hub = null;
    expect(writes).toBeGreaterThan(0);
    expect(writes).toBeLessThan(10);
    await store.close();
  });
});
