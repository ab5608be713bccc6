import type { HubPush } from '../ports/gatekeeper.ts';
import type { Log } from '../ports/log.ts';
import type { StoreReader } from '../ports/store.ts';
import type { HubFrame } from '../wire/link.ts';

/** Pushes sent and not acknowledged. */
const MAX_UNACKED = 256;
/** Of an agent that does not read: no more pushes. */
const MAX_BUFFERED_BYTES = 8 * 1024 * 1024;

/** What pushes are sent over. */
export interface OutboxOptions {
  readonly store: Pick<StoreReader, 'outbox'>;
  readonly agent: string;
  /** The highest seq that the agent has acted on. */
  readonly cursor: number;
  send(frame: HubFrame): void;
  /** Bytes that the agent has not read yet. */
  buffered(): number;
  /** False when the link is over. */
  isOpen(): boolean;
  readonly log: Log;
}

/** The outbox of one agent, as one link sends it. */
export interface LinkOutbox {
  /** There may be something new. */
  flush(): void;
  /** The agent shows that it reads, or a while has passed: what was stopped by a full wire or a store that failed goes on. */
  goOn(): void;
  /** These are in the outbox, for good, and new. */
  offer(pushes: readonly HubPush[]): void;
  /** True for what was sent here and not acknowledged; false again for one that is acknowledged twice; null for what was never sent. */
  awaits(seq: number): boolean | null;
  /** The agent has acted on it, and the store knows. */
  acknowledged(seq: number): void;
  /** What is being sent; null while nothing is. */
  working(): Promise<void> | null;
}

/** Sends what the outbox has above the cursor, in order, as far as the agent keeps up. */
export function linkOutbox({ store, agent, cursor, send, buffered, isOpen, log }: OutboxOptions): LinkOutbox {
  const unacked = new Set<number>();
  let flushing: Promise<void> | null = null;
  let flushAgain = false;
  let sentSeq = cursor;
  // No acknowledgement may be on its way that would go on with what waits: the wire can be full of something else.
  let stopped = false;

  const keepsUp = (): boolean => isOpen() && unacked.size < MAX_UNACKED && buffered() < MAX_BUFFERED_BYTES;
  function deliver(push: HubPush): void {
    sentSeq = push.seq;
    unacked.add(push.seq);
    send(push);
  }
  async function sendPushes(): Promise<void> {
    stopped = false;
    while (isOpen() && unacked.size < MAX_UNACKED) {
      stopped = buffered() >= MAX_BUFFERED_BYTES;
      if (stopped) return;
      const pushes = await store.outbox(agent, sentSeq, MAX_UNACKED - unacked.size);
      if (pushes.length === 0) return;
      pushes.forEach(deliver);
    }
  }
  function flush(): void {
    if (flushing !== null) {
      flushAgain = true;
      return;
    }
    flushing = sendPushes()
      .catch((error) => {
        stopped = true;
        log.error({ error: String(error) }, 'the outbox could not be read');
      })
      .finally(() => {
        flushing = null;
        if (flushAgain && isOpen()) {
          flushAgain = false;
          flush();
        }
      });
  }
  return {
    flush,
    goOn: () => stopped && flush(),
    offer(pushes) {
      for (const push of pushes) {
        // The store gives its numbers one by one, so nothing can be left between: it need not be asked. Whatever else there is, it is the
        // store that says what goes out, and in which order (T29).
        if (flushing !== null || push.seq !== sentSeq + 1 || !keepsUp()) return flush();
        deliver(push);
      }
    },
    awaits: (seq) => (unacked.has(seq) ? true : seq > sentSeq ? null : false),
    acknowledged(seq) {
      unacked.delete(seq);
      flush();
    },
    working: () => flushing,
  };
}
