import { sign } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createHub, type Hub } from '../../../agent/src/hub/hub.ts';
import { createLinkClient } from '../../../agent/src/link/client.ts';
import type { Gatekeeper, HubPush } from '../../../agent/src/ports/gatekeeper.ts';
import type { Store } from '../../../agent/src/ports/store.ts';
import { openStore } from '../../../agent/src/stores/store.ts';
import { createClock } from '../../../agent/src/system/clock.ts';
import { auditKeeper } from '../../support/audit-keeper.ts';
import { agentKey, eventually } from '../../support/hub-server.ts';
import { hubLog, hubWorld, requestFor, type World } from '../../support/hub-world.ts';

/** The real client against the real hub, on a file and real sockets: what the agent sees of its hub. */
describe('the gatekeeper over the link', () => {
  const key = agentKey('embedded');
  const clock = createClock();
  let folder: string;
  let store: Store;
  let world: World;
  let hub: Hub;
  let port = 0;
  let gatekeeper: Gatekeeper;
  const pushes: HubPush[] = [];

  async function startHub(): Promise<void> {
    store = await openStore({ path: join(folder, 'hub.db') });
    world = await hubWorld({ store });
    hub = createHub({
      store,
      directory: world.context.directory,
      policy: () => world.policy,
      variableKey: new Uint8Array(32).fill(9),
      audit: auditKeeper(),
      agents: [key],
      clock,
      log: hubLog(),
      version: '0',
    });
    port = (await hub.listen('127.0.0.1', port)).port;
  }
  async function stopHub(): Promise<void> {
    await hub.close();
    await store.close();
  }

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'holdpoint-link-'));
    port = 0;
    pushes.length = 0;
    await startHub();
    let cursor = 0;
    gatekeeper = createLinkClient({
      url: `http://127.0.0.1:${port}`,
      agent: 'embedded',
      version: '0',
      runners: [{ name: 'prod', protected: true }],
      hubKey: auditKeeper().signer.publicKey,
      sign: (bytes) => sign(null, bytes, key.privateKey),
      cursor: {
        load: async () => cursor,
        save: async (seq) => {
          cursor = seq;
        },
      },
      clock,
      log: hubLog(),
      random: () => 0,
    });
    gatekeeper.onPush(async (push) => {
      pushes.push(push);
    });
    await eventually(
      () => gatekeeper.connected(),
      (connected) => connected,
    );
  });
  afterEach(async () => {
    await gatekeeper.close();
    await stopHub();
    rmSync(folder, { recursive: true });
  });

  const reported = (event: 'parked' | 'handed_out', at: string) =>
    gatekeeper.report({ hold: 1, jobId: 1, event, at, detail: {} });

  it('admits, reports, syncs, and is told of a release', async () => {
    expect(gatekeeper.variableKey()).toEqual(new Uint8Array(32).fill(9));
    const answer = await gatekeeper.admit(requestFor({ id: 1 }));
    expect(answer).toMatchObject({ outcome: 'hold', hold: 1, url: `http://127.0.0.1:${port}/holds/1` });
    expect(await reported('parked', '2026-11-22T08:00:00.000Z')).toEqual([
      { hold: 1, jobId: 1, state: 'waiting_for_approval', current: true },
    ]);
    await expect(
      gatekeeper.admit({ ...requestFor({ id: 2 }), digest: `sha256:${'0'.repeat(64)}` }),
    ).rejects.toMatchObject({ code: expect.any(String) });
    await stopHub();
    await expect(gatekeeper.admit(requestFor({ id: 2 }))).rejects.toMatchObject({ code: 'hub_unreachable' });
    await startHub();
    await world.approve('maria', 1);
    await eventually(
      () => pushes,
      (seen) => seen.length === 1,
      15_000,
    );
    expect(pushes[0]).toMatchObject({ type: 'release', hold: 1, jobId: 1 });
    await eventually(
      () => world.pushes(),
      (left) => left.length === 0,
    );
    const parked = {
      hold: 1,
      jobId: 1,
      digest: requestFor({ id: 1 }).digest,
      state: 'parked' as const,
      parkedUntil: null,
    };
    expect(await gatekeeper.sync([parked])).toEqual([{ hold: 1, jobId: 1, state: 'pending', current: true }]);
    expect(await reported('handed_out', '2026-11-22T08:00:01.000Z')).toMatchObject([{ state: 'running' }]);
  });
});
