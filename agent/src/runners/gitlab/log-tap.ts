import type { IncomingMessage } from 'node:http';
import type { Entry } from '../../app/parking/parking.ts';
import type { Gatekeeper } from '../../ports/gatekeeper.ts';

/** Jobs whose logs are watched at once; each is somebody who looks. */
const MAX_WATCHED = 1_000;

/** Looks at logs on their way through the gateway, while somebody wants to. */
export interface LogTap {
  isWatched(entry: Entry): boolean;
  /** Follows the body of a PATCH of the log, whose reader is in place already. `range` is the runner's own Content-Range. */
  follow(entry: Entry, req: IncomingMessage, range: string | null): void;
  /** The same of one that is whole already. */
  show(entry: Entry, bytes: Uint8Array, range: string | null): void;
}

/** A tap that is closed until the hub says that somebody looks, and again when the hub is away. */
export function createLogTap(gatekeeper: Gatekeeper): LogTap {
  const watched = new Set<number>();
  gatekeeper.onWatch?.((hold, on) => {
    if (hold === null) watched.clear();
    else if (!on) watched.delete(hold);
    else if (watched.size < MAX_WATCHED) watched.add(hold);
  });
  const isWatched = ({ job }: Entry): boolean => job.hold !== null && watched.has(job.hold);
  return {
    isWatched,
    show(entry, bytes, range) {
      const { hold, jobId } = entry.job;
      const start = startOf(range);
      if (hold !== null && start !== null && isWatched(entry)) gatekeeper.log?.({ hold, jobId, offset: start, bytes });
    },
    follow(entry, req, range) {
      const { hold, jobId } = entry.job;
      const start = startOf(range);
      if (hold === null || start === null) return;
      let offset = start;
      req.on('data', (chunk: Buffer) => {
        if (isWatched(entry)) gatekeeper.log?.({ hold, jobId, offset, bytes: chunk });
        offset += chunk.length;
      });
    },
  };
}

/** Where a PATCH begins, in bytes of the runner's own log; null where it does not say. */
export function startOf(range: string | null): number | null {
  const start = /^(?:bytes[ =])?(\d{1,15})-/.exec(range ?? '')?.[1];
  return start === undefined ? null : Number(start);
}
