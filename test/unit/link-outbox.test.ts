import { describe, expect, it } from 'vitest';
import { linkOutbox } from '../../agent/src/hub/link-outbox.ts';
import type { HubPush } from '../../agent/src/ports/gatekeeper.ts';
import { rememberingLog } from '../support/gate.ts';

const MEBIBYTE = 1024 * 1024;

/** An outbox over a store of so many pushes, a wire that a test fills and an agent that acknowledges when the test says so. */
function outboxOf(pushes: number, cursor = 0) {
  const sent: number[] = [];
  const self = { waiting: 0, fails: false, isOpen: true, reads: 0 };
  const log = rememberingLog();
  const outbox = linkOutbox({
    store: {
      async outbox(_agent, after, limit) {
        self.reads++;
        if (self.fails) throw new Error('disk I/O error');
        const all = Array.from({ length: pushes }, (_, n) => ({ type: 'release', seq: n + 1 }) as HubPush);
        return all.filter(({ seq }) => seq > after).slice(0, limit);
      },
    },
    agent: 'build-1',
    cursor,
    send: (frame) => void ('seq' in frame && sent.push(frame.seq)),
    buffered: () => self.waiting,
    isOpen: () => self.isOpen,
    log,
  });
  /** Lets it send all that it will. */
  const flushed = async (): Promise<void> => {
    while (outbox.working() !== null) await outbox.working();
  };
  return { self, outbox, sent, log, flushed };
}
const upTo = (last: number, first = 1) => Array.from({ length: last - first + 1 }, (_, n) => first + n);

describe('T30 the outbox of an agent', () => {
  it('has no more than 256 pushes under way, and sends the next with each acknowledgement, in order', async () => {
    const { outbox, sent, flushed } = outboxOf(300);
    outbox.flush();
    await flushed();
    expect(sent).toEqual(upTo(256));
    outbox.flush();
    await flushed();
    expect(sent).toHaveLength(256);
    outbox.acknowledged(1);
    await flushed();
    expect(sent).toEqual(upTo(257));
    for (const seq of upTo(200)) outbox.acknowledged(seq);
    await flushed();
    expect(sent).toEqual(upTo(300));
  });

  it('begins after what the agent has acted upon, and knows what was sent, acknowledged and never sent', async () => {
    const { outbox, sent, flushed } = outboxOf(5, 3);
    outbox.flush();
    await flushed();
    expect(sent).toEqual([4, 5]);
    outbox.acknowledged(4);
    expect([4, 5, 6].map(outbox.awaits)).toEqual([false, true, null]);
  });

  it('waits while the agent does not read, and goes on once it does, though nothing is left to acknowledge', async () => {
    const { self, outbox, sent, flushed } = outboxOf(2);
    self.waiting = 8 * MEBIBYTE;
    outbox.flush();
    await flushed();
    expect(sent).toEqual([]);
    outbox.goOn();
    await flushed();
    expect(sent).toEqual([]);
    self.waiting = 0;
    outbox.goOn();
    await flushed();
    expect(sent).toEqual([1, 2]);
  });

  it('goes on after a store that failed, without anything new, and asks it nothing when nothing was stopped', async () => {
    const { self, outbox, sent, log, flushed } = outboxOf(2);
    self.fails = true;
    outbox.flush();
    await flushed();
    expect([sent, log.lines.map(({ message }) => message)]).toEqual([[], ['the outbox could not be read']]);
    self.fails = false;
    outbox.goOn();
    await flushed();
    expect(sent).toEqual([1, 2]);
    const { reads } = self;
    outbox.goOn();
    await flushed();
    expect(self.reads).toBe(reads);
  });
});
