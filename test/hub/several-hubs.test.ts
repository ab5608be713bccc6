import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import WebSocket from 'ws';
import { verifyAudit } from '../../agent/src/app/verify-audit.ts';
import type { Hints } from '../../agent/src/ports/hints.ts';
import { openPostgresStore } from '../../agent/src/stores/postgres.ts';
import { openPostgresHints } from '../../agent/src/stores/postgres-hints.ts';
import { toSnake } from '../../agent/src/wire/case.ts';
import { eventually, startHub, type TestHub, welcomed } from '../support/hub-server.ts';
import { DAY, hubLog, type JobSpec, requestFor } from '../support/hub-world.ts';
import { startPostgres, type TestPostgres } from '../support/postgres.ts';
import { turnableClock } from '../support/turnable-clock.ts';

let server: TestPostgres;
beforeAll(async () => {
  server = await startPostgres();
});
afterAll(() => server.remove());

const admitFrame = (job: JobSpec) => {
  const { digest, configuration, facts } = requestFor(job);
  return { type: 'admit', ref: `a${job.id}`, digest, configuration, facts: toSnake(facts), policy: null };
};
/** A way between hubs on which everything is lost. */
const deaf: Hints = { publish: () => {}, listen: () => {}, close: async () => {} };

describe('two hubs on one store', () => {
  let url: string;
  let drop: () => Promise<void>;
  const ends: (() => Promise<void>)[] = [];
  const clocks: { advance(ms: number): void }[] = [];
  beforeEach(async () => {
    ({ url, drop } = await server.database());
  });
  afterEach(async () => {
    for (const end of ends.splice(0)) await end();
    clocks.splice(0);
    await drop();
  });

  async function hub(hints?: Hints): Promise<TestHub> {
    const clock = turnableClock();
    const store = await openPostgresStore({ url, connections: 4 });
    const between = hints ?? openPostgresHints({ url, clock, log: hubLog() });
    const started = await startHub({ store, hints: between, clock });
    ends.push(async () => {
      await between.close();
      await started.close();
    });
    clocks.push(clock);
    return started;
  }
  const approve = async (at: TestHub, id: number) =>
    at.call('POST', `/api/v1/holds/${id}/approve`, await at.token('maria'), { digest: requestFor({ id }).digest });

  it('a vote at one resumes the job of an agent that is at the other, at once', async () => {
    const [a, b] = [await hub(), await hub()];
    const link = await welcomed(a.url, a.keys.embedded);
    link.send(admitFrame({ id: 1 }));
    expect(await link.next('verdict')).toMatchObject({ outcome: 'hold', hold: 1 });
    expect((await approve(b, 1)).status).toBe(200);
    expect(await link.next('release')).toMatchObject({ hold: 1, job_id: 1 });
    link.socket.terminate();
  });

  it('and within seconds when the hint is lost', async () => {
    const [a, b] = [await hub(deaf), await hub(deaf)];
    const link = await welcomed(a.url, a.keys.embedded);
    link.send(admitFrame({ id: 1 }));
    await link.next('verdict');
    await approve(b, 1);
    for (const clock of clocks) clock.advance(5_000);
    expect(await link.next('release')).toMatchObject({ hold: 1 });
    link.socket.terminate();
  });

  it('an agent that goes on at the other hub has what it had, and each push is taken once', async () => {
    const [a, b] = [await hub(), await hub()];
    const first = await welcomed(a.url, a.keys.embedded);
    first.send(admitFrame({ id: 1 }));
    await first.next('verdict');
    first.socket.terminate();
    await approve(a, 1);
    const second = await welcomed(b.url, b.keys.embedded);
    expect(await second.next('release')).toMatchObject({ seq: 1, hold: 1 });
    second.send({ type: 'ack', seq: 1 });
    await eventually(
      () => a.store.agentsToWake(),
      (agents) => agents.length === 0,
    );
    second.socket.terminate();
  });

  it('somebody who looks at one sees at once what is decided at the other', async () => {
    const [a, b] = [await hub(), await hub()];
    const link = await welcomed(a.url, a.keys.embedded);
    link.send(admitFrame({ id: 1 }));
    await link.next('verdict');
    const seen: { type: string; id: number; state: string }[] = [];
    const viewer = new WebSocket(`${a.url.replace('http', 'ws')}/api/v1/events`, {
      headers: { authorization: `Bearer ${await a.token('jonas')}` },
    });
    viewer.on('message', (data) => seen.push(JSON.parse(String(data))));
    await new Promise((resolve) => viewer.once('open', resolve));
    await approve(b, 1);
    await eventually(
      () => seen,
      (events) => events.some(({ type, state }) => type === 'hold' && state === 'pending'),
    );
    viewer.terminate();
    link.socket.terminate();
  });

  it('what falls due ends once, whichever hub does it', async () => {
    const [a, b] = [await hub(), await hub()];
    const link = await welcomed(a.url, a.keys.embedded);
    link.send(admitFrame({ id: 1 }));
    await link.next('verdict');
    for (const clock of clocks) clock.advance(31 * DAY);
    await eventually(
      async () => (await b.store.hold(1))?.state,
      (state) => state === 'expired',
    );
    for (const clock of clocks) clock.advance(60_000);
    await eventually(
      () => a.store.alone('time', async () => true),
      (mine) => mine === true,
    );
    const rows = await a.store.auditRows({ hold: 1, sight: null }, { after: 0, limit: 100 });
    expect(rows.filter(({ event }) => event === 'hold_expired')).toHaveLength(1);
    expect(await verifyAudit(b.store)).toMatchObject({ ok: true });
    expect([...a.log.lines, ...b.log.lines].filter(({ level }) => level === 'error')).toEqual([]);
    link.socket.terminate();
  });
});
