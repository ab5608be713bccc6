import { randomBytes } from 'node:crypto';
import type { HubContext } from '../app/hub-context.ts';
import { whyOver } from '../app/session.ts';
import { beginWatching, endWatching, mayStillWatch, requireMayWatch, stillWatching } from '../app/watching/presence.ts';
import { HoldpointError } from '../domain/errors.ts';
import { PRESENCE_BEAT_MS, PRESENCE_GRACE_MS } from '../domain/watching.ts';
import type { Log } from '../ports/log.ts';
import type { Attending, Beat } from '../wire/logs.ts';
import type { Looker } from './logs.ts';

/** Jobs that one page watches as a second pair of eyes at once: nobody has more. */
const MAX_ATTENDED = 4;

interface Attended {
  /** What the page was asked last, and has not answered; null: nothing. */
  nonce: string | null;
  /** When it answered last; null: it has not yet, and nobody watches through it. */
  seenAt: number | null;
}

/** Which pages of this hub show a running job to somebody who has to watch it. What counts is in the store, for all hubs (T24). */
export interface Attendance {
  /** A page wants to watch: it does once it has answered its first question, since to say so proves nothing. */
  attend(looker: Looker, hold: number): Promise<void>;
  /** A page answers: with what it was asked last, or it counts for nothing. */
  present(looker: Looker, hold: number, nonce: string): Promise<void>;
  /** They say that they leave, or may not stay: at once, null: everywhere. */
  end(looker: Looker, hold: number | null): Promise<void>;
  /** Ends what they may not watch any more. */
  recheck(looker: Looker): Promise<void>;
  /** The connection is gone; whether they are will show. */
  lost(looker: Looker): void;
  close(): void;
}

/** Nobody watches yet. */
export function createAttendance(context: HubContext, log: Log): Attendance {
  const { clock } = context;
  const attending = new Map<Looker, { readonly viewer: string; readonly holds: Map<number, Attended> }>();
  let cancel = clock.after(PRESENCE_BEAT_MS, beat);

  const tell = (looker: Looker, hold: number, reason: string | null): void =>
    looker.send(JSON.stringify({ type: 'attending', hold, on: reason === null, reason } satisfies Attending));

  function beat(): void {
    cancel = clock.after(PRESENCE_BEAT_MS, beat);
    for (const [looker, { holds }] of attending) for (const [hold, attended] of holds) question(looker, hold, attended);
  }
  function question(looker: Looker, hold: number, attended: Attended): void {
    attended.nonce = randomBytes(12).toString('base64url');
    looker.send(JSON.stringify({ type: 'beat', hold, nonce: attended.nonce } satisfies Beat));
  }

  /** In words where they may not; what goes wrong otherwise is the caller's. */
  async function whyNot(work: Promise<void>): Promise<string | null> {
    try {
      await work;
      return null;
    } catch (error) {
      if (!(error instanceof HoldpointError)) throw error;
      return error.message;
    }
  }

  return {
    async attend(looker, hold) {
      const own = attending.get(looker) ?? { viewer: randomBytes(12).toString('base64url'), holds: new Map() };
      // Asked already: whoever says it again is not there for that.
      if (own.holds.has(hold)) return;
      if (own.holds.size >= MAX_ATTENDED)
        return tell(looker, hold, `one page watches ${MAX_ATTENDED} jobs live at most: close another`);
      attending.set(looker, own);
      const attended: Attended = { nonce: null, seenAt: null };
      own.holds.set(hold, attended);
      const reason = await whyNot(requireMayWatch(context, looker.caller, hold));
      if (reason !== null) own.holds.delete(hold);
      // Gone while it was looked up.
      if (!attending.has(looker)) return;
      if (reason === null) question(looker, hold, attended);
      else tell(looker, hold, reason);
    },
    async present(looker, hold, nonce) {
      const own = attending.get(looker);
      const attended = own?.holds.get(hold);
      if (own === undefined || attended === undefined || attended.nonce === null || attended.nonce !== nonce) return;
      attended.nonce = null;
      const token = await context.store.token(looker.caller.token.id);
      // Signed out a moment ago: not first with the next look at this connection.
      if (token === null || (await whyOver(context, token)) !== null) return this.end(looker, hold);
      const { seenAt: before } = attended;
      const isFirst = before === null;
      attended.seenAt = clock.now();
      const presence = { caller: looker.caller, viewer: own.viewer };
      const isThere = before !== null && clock.now() - before < PRESENCE_GRACE_MS;
      if (isThere && (await stillWatching(context, presence, hold))) return;
      const reason = await whyNot(beginWatching(context, presence, hold));
      // They have left meanwhile, and so has what was written just now.
      if (own.holds.get(hold) !== attended) return endWatching(context, presence, hold);
      if (reason !== null) own.holds.delete(hold);
      if (reason !== null || isFirst) tell(looker, hold, reason);
    },
    async end(looker, hold) {
      const own = attending.get(looker);
      if (own === undefined) return;
      const { viewer, holds } = own;
      for (const id of hold === null ? [...holds.keys()] : [hold]) {
        if (!holds.delete(id)) continue;
        await endWatching(context, { caller: looker.caller, viewer }, id);
        tell(looker, id, 'you do not watch it any more');
      }
      if (holds.size === 0) attending.delete(looker);
    },
    async recheck(looker) {
      const own = attending.get(looker);
      for (const hold of [...(own?.holds.keys() ?? [])])
        if (!(await mayStillWatch(context, looker.caller, hold))) {
          log.info({ hold, person: looker.caller.person.id }, 'somebody may not watch a job any more');
          await this.end(looker, hold);
        }
    },
    lost(looker) {
      attending.delete(looker);
    },
    close() {
      cancel();
      attending.clear();
    },
  };
}
