import type { IncomingMessage } from 'node:http';
import type { Clock } from '../../ports/clock.ts';

/** A small body comes at once: one that drips in holds a place that a runner needs (T30). */
const MAX_BODY_MS = 30_000;

/** A small body, whole; null when it is longer than allowed. Rejects when the connection broke off or the body did not come in time. */
export async function readBody(req: IncomingMessage, maxBytes: number, clock: Clock): Promise<Buffer | null> {
  const cancel = clock.after(MAX_BODY_MS, () => req.destroy());
  const parts: Buffer[] = [];
  let size = 0;
  try {
    for await (const part of req as AsyncIterable<Buffer>) {
      size += part.length;
      if (size > maxBytes) return null;
      parts.push(part);
    }
  } finally {
    cancel();
  }
  return Buffer.concat(parts);
}
