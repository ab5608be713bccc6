import { expect, it } from 'vitest';
import { linkOutbox } from '../../agent/src/hub/link-outbox.ts';
import type { HubPush } from '../../agent/src/ports/gatekeeper.ts';
import { eventually } from '../support/hub-server.ts';
import { hubLog } from '../support/hub-world.ts';

const pushOf = (seq: number): HubPush => {
  const [hold, jobId] = [seq, seq];
  return { type: 'release', seq, hold, jobId, digest: 'd', reason: null, note: null };
};

/** An outbox whose rows are these, over a link that takes all; the store says how often it was asked. */
function world(cursor: number) {
  const rows: HubPush[] = [];
  const sent: number[] = [];
  const state = { asked: 0, buffered: 0 };
  const outbox = linkOutbox({
    store: {
      async outbox(_agent, after, limit) {
        state.asked += 1;
        return rows.filter(({ seq }) => seq > after).slice(0, limit);
      },
    },
    agent: 'build-1',
    cursor,
    send: (frame) => void sent.push('seq' in frame ? frame.seq : 0),
    buffered: () => state.buffered,
    isOpen: () => true,
    log: hubLog(),
  });
  /** Written, and told: `told` false as where the hub that wrote it is another, or died before it said so. */
  const write = (seq: number, told = true): void => {
    rows.push(pushOf(seq));
    if (told) outbox.offer([pushOf(seq)]);
  };
  const idle = () => eventually(outbox.working, (working) => working === null);
  return { outbox, sent, state, write, idle };
}

it('a push that was just written goes out at once, and the store is not asked for it', () => {
  const { outbox, sent, state, write } = world(4);
  write(5);
  write(6);
  outbox.offer([pushOf(7), pushOf(8)]);
  expect([sent, state.asked]).toEqual([[5, 6, 7, 8], 0]);
  expect([outbox.awaits(5), outbox.awaits(8), outbox.awaits(9)]).toEqual([true, true, null]);
});

it('T29 whatever may be missing before it is read from the store first, so that all goes out in order and once', async () => {
  const { sent, state, write, idle } = world(4);
  write(5, false);
  write(6);
  expect(sent).toEqual([]);
  // While the store is asked.
  write(7);
  await idle();
  expect(sent).toEqual([5, 6, 7]);
  // Told late: it was read before.
  write(8, false);
  write(9);
  await idle();
  const { asked } = state;
  write(10);
  expect([sent, state.asked]).toEqual([[5, 6, 7, 8, 9, 10], asked]);
});

it('T29 a push that is told after the store has said it is not sent again', async () => {
  const { outbox, sent, write, idle } = world(0);
  write(1, false);
  write(2, false);
  outbox.flush();
  await idle();
  outbox.offer([pushOf(1)]);
  outbox.offer([pushOf(2)]);
  await idle();
  expect(sent).toEqual([1, 2]);
});

it('T30 an agent that does not read, or does not acknowledge, is sent no more, and gets the rest from the store when it does', async () => {
  const { outbox, sent, state, write, idle } = world(0);
  for (let seq = 1; seq <= 256; seq++) write(seq);
  expect(sent.length).toBe(256);
  write(257);
  write(258);
  await idle();
  expect(sent.length).toBe(256);
  state.buffered = 100 * 1024 * 1024;
  outbox.acknowledged(1);
  await idle();
  expect(sent.length).toBe(256);
  state.buffered = 0;
  outbox.acknowledged(2);
  await idle();
  expect(sent.slice(-2)).toEqual([257, 258]);
  write(259);
  await idle();
  for (const seq of [3, 4, 5]) outbox.acknowledged(seq);
  await idle();
  expect(sent).toEqual(Array.from({ length: 259 }, (_, n) => n + 1));
});
