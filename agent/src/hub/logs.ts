import type { Caller, HubContext } from '../app/hub-context.ts';
import { visibleHold } from '../app/see.ts';
import { HoldpointError } from '../domain/errors.ts';
import { liveAttempt } from '../domain/hold.ts';
import type { LogPiece } from '../ports/agents.ts';
import type { LogPieceEvent, WatchingLog } from '../wire/logs.ts';

/** Logs that one page follows at once. */
const MAX_LOOKS_OF_ONE = 4;

/** Somebody whose page is open. */
export interface Looker {
  readonly caller: Caller;
  send(text: string): void;
}

/** Who looks at which running job's log. Nothing of a log is kept: what nobody looks at is not even asked for. */
export interface Logs {
  /** Follows a log, for somebody who may see the Hold; they are told whether. */
  look(looker: Looker, hold: number): Promise<void>;
  /** Ends that; null: all that they look at. */
  leave(looker: Looker, hold: number | null): void;
  /** Ends what they may not see any more. */
  recheck(looker: Looker): Promise<void>;
  /** A piece that an agent sent; only of jobs of its own that somebody looks at. */
  take(agent: string, piece: LogPiece): void;
}

interface Watched {
  readonly agent: string;
  readonly jobId: number;
  readonly lookers: Set<Looker>;
}

/** Nobody looks yet; `watch` tells an agent whether somebody does. */
export function createLogs(context: HubContext, watch: (agent: string, hold: number, on: boolean) => void): Logs {
  const watched = new Map<number, Watched>();
  const looksOf = (looker: Looker) => [...watched].filter(([, { lookers }]) => lookers.has(looker));
  const tell = (looker: Looker, hold: number, reason: string | null): void =>
    looker.send(JSON.stringify({ type: 'watching', hold, on: reason === null, reason } satisfies WatchingLog));

  function leave(looker: Looker, hold: number | null): void {
    for (const [id, { agent, lookers }] of looksOf(looker)) {
      if (hold !== null && id !== hold) continue;
      lookers.delete(looker);
      if (lookers.size > 0) continue;
      watched.delete(id);
      watch(agent, id, false);
    }
  }

  async function placeOf(looker: Looker, id: number): Promise<{ readonly agent: string; readonly jobId: number }> {
    const hold = await visibleHold(context, looker.caller, id);
    const attempt = liveAttempt(hold);
    if (attempt === null)
      throw new HoldpointError(
        'wrong_state',
        `hold ${id} is ${hold.state}: no job of it runs whose log could be followed`,
      );
    return attempt;
  }

  return {
    async look(looker, id) {
      try {
        const { agent, jobId } = await placeOf(looker, id);
        const others = looksOf(looker).filter(([other]) => other !== id);
        if (others.length >= MAX_LOOKS_OF_ONE)
          throw new HoldpointError('rate_limited', `one page follows ${MAX_LOOKS_OF_ONE} logs at most: close another`);
        const known = watched.get(id);
        // Another job has taken the place of the one that was looked at: its agent may be another, too.
        const isSame = known !== undefined && known.agent === agent && known.jobId === jobId;
        const lookers = new Set([...(known?.lookers ?? []), looker]);
        watched.set(id, { agent, jobId, lookers });
        if (!isSame) watch(agent, id, true);
        tell(looker, id, null);
      } catch (error) {
        if (!(error instanceof HoldpointError)) throw error;
        leave(looker, id);
        tell(looker, id, error.message);
      }
    },
    leave,
    async recheck(looker) {
      for (const [id] of looksOf(looker)) {
        const may = await visibleHold(context, looker.caller, id).then(
          () => true,
          () => false,
        );
        if (may) continue;
        leave(looker, id);
        tell(looker, id, 'you may not see it any more');
      }
    },
    take(agent, { hold, jobId, offset, bytes }) {
      const found = watched.get(hold);
      // An agent speaks of its own jobs only (T27).
      if (found === undefined || found.agent !== agent || found.jobId !== jobId) return;
      const chunk = Buffer.from(bytes).toString('base64');
      const text = JSON.stringify({ type: 'log', hold, job_id: jobId, offset, chunk } satisfies LogPieceEvent);
      for (const looker of found.lookers) looker.send(text);
    },
  };
}
