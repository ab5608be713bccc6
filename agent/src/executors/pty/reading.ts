import { randomInt } from 'node:crypto';
import { writeSync } from 'node:fs';
import type { OnReadOpts, SocketConstructorOpts } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { ReadStream } from 'node:tty';

/** What may wait for whoever reads the job log; more, and the job waits. */
const MOST = 256 * 1024;
const CHUNK = 64 * 1024;
const LOOK_MS = 5;

/** What a terminal prints, passed on in order and to the last byte. */
export interface Reading {
  /**
   * Resolves when all that was printed up to now is passed on. What takes longer than `patienceMs` to come is given up: a job
   * may have stopped its terminal.
   */
  finish(slave: number, patienceMs: number): Promise<void>;
  /** Looks no further. */
  stop(): void;
}

/** Digits alone: no setting of a terminal changes them on their way. */
const newMark = () => Buffer.from(Array.from({ length: 48 }, () => randomInt(10)).join(''));

/**
 * Reads one side of a terminal. When nobody has the other side any more, Node takes the next read that is not full for the
 * last, and a terminal gives 4 KB at most: so this process keeps the other side, and writes itself what comes last.
 */
export function readTerminal(master: number, to: (chunk: Uint8Array) => Promise<void>): Reading {
  let [pending, moved, held] = [0, performance.now(), false];
  let mark: Buffer | null = null;
  let tail = Buffer.alloc(0);
  let passed = Promise.resolve();
  let over = () => {};
  const closed = new Promise<void>((resolve) => {
    over = resolve;
  });
  const pass = (chunk: Buffer): void => {
    pending += chunk.length;
    passed = passed
      .then(() => to(chunk))
      .then(() => {
        pending -= chunk.length;
        moved = performance.now();
        if (!held || pending > MOST / 2) return;
        held = false;
        stream.resume();
      });
    passed.catch(() => stream.destroy());
  };
  const buffer = Buffer.allocUnsafe(CHUNK);
  const take = (size: number): boolean => {
    moved = performance.now();
    const chunk = Buffer.concat([tail, buffer.subarray(0, size)]);
    const at = mark === null ? -1 : chunk.indexOf(mark);
    // The mark may come in two pieces.
    const whole = at >= 0 ? at : Math.max(0, chunk.length - (mark === null ? 0 : mark.length - 1));
    tail = chunk.subarray(whole);
    if (whole > 0) pass(chunk.subarray(0, whole));
    if (at >= 0) {
      stream.destroy();
      return false;
    }
    held = pending > MOST;
    return !held;
  };
  // Documented for sockets, of which this is one; the types know it for those that connect alone.
  const options: SocketConstructorOpts & { onread: OnReadOpts } = { onread: { buffer, callback: take } };
  const stream: ReadStream = new ReadStream(master, options);
  stream.once('close', () => over());
  stream.on('error', () => {});
  stream.resume();
  return {
    async finish(slave, patienceMs) {
      mark = newMark();
      moved = performance.now();
      let rest: Buffer = mark;
      while (!stream.destroyed) {
        if (rest.length > 0) rest = rest.subarray(written(slave, rest));
        if (pending === 0 && performance.now() - moved > patienceMs) stream.destroy();
        await Promise.race([closed, pause(LOOK_MS)]);
      }
      await passed;
    },
    stop: () => void stream.destroy(),
  };
}

/** How much a terminal has taken; nothing while it is full. */
function written(descriptor: number, bytes: Buffer): number {
  try {
    return writeSync(descriptor, bytes);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EAGAIN') return 0;
    throw error;
  }
}
