import { stopHere } from '../../app/parking/finish.ts';
import { change, type Entry, type Parking, reasonOf } from '../../app/parking/parking.ts';
import { HoldpointError } from '../../domain/errors.ts';
import { type Masker, maskerOf } from '../../domain/masking.ts';

/** One part of a recording at most: masked and with its line ends it stays far below what a frame takes. */
const PART_BYTES = 256 * 1024;
/**
 * A job that has to be recorded waits with its log so long for a hub that is away: its runner keeps the log and sends it again.
 * Less than the half hour after which GitLab gives up a job that says nothing.
 */
export const PATIENCE_MS = 10 * 60_000;
/**
 * So much is recorded at most that GitLab has not taken: a runner sends nothing new before it has its answer. More is of somebody
 * who has what GitLab refuses recorded (T30).
 */
const MAX_UNTAKEN_BYTES = 4 * 1024 * 1024;

/** What becomes of a piece of a log: it goes on to GitLab, or the runner is to send it again later. */
export type Recorded = 'pass' | 'later';

/** Records logs on their way through the gateway: the hub has them before GitLab does. */
export interface Recorder {
  isRecorded(entry: Entry): boolean;
  /** Has the hub keep these bytes, which begin at `offset` of the runner's own log. */
  take(entry: Entry, offset: number, bytes: Uint8Array): Promise<Recorded>;
  /** GitLab has the log up to here. */
  taken(entry: Entry, end: number): void;
  /** The job says that it is at its end: what was kept back is recorded too. */
  finish(entry: Entry): Promise<void>;
}

interface Line {
  readonly masker: Masker;
  /** Up to where the hub has it; null while this agent does not know. */
  next: number | null;
  /** Bytes from there on that wait for what follows them. */
  held: Uint8Array;
  /** What was recorded, or waits to be, and GitLab has not taken: sent again it has to be the same. */
  untaken: { readonly at: number; readonly bytes: Uint8Array };
  queue: Promise<unknown>;
  failingSince: number | null;
  /** It is given up. */
  isOver: boolean;
}

const joined = (a: Uint8Array, b: Uint8Array): Uint8Array => (a.length === 0 ? b : Buffer.concat([a, b]));
const NONE = new Uint8Array(0);

/** A terminal goes to the next line where it stands; a log only says that there is one. */
export function terminalText(text: string): string {
  return text.replace(/(?<!\r)\n/g, '\r\n');
}

/** Nothing is recorded yet. */
export function createRecorder(parking: Parking): Recorder {
  const { clock, gatekeeper, log } = parking;
  const lines = new Map<number, Line>();

  function lineOf({ job }: Entry): Line {
    const known = lines.get(job.jobId);
    if (known !== undefined) return known;
    for (const id of lines.keys()) if (!parking.entries.has(id)) lines.delete(id);
    const masker = maskerOf(job.masks ?? { values: [], prefixes: [] });
    const line: Line = {
      masker,
      next: null,
      held: NONE,
      untaken: { at: 0, bytes: NONE },
      queue: Promise.resolve(),
      failingSince: null,
      isOver: false,
    };
    lines.set(job.jobId, line);
    return line;
  }
  /** What waits is on the disk before GitLab has it: the runner does not send it again to an agent that is started anew. */
  async function hold(entry: Entry, line: Line, at: number, held: Uint8Array): Promise<void> {
    line.next = at;
    line.held = Uint8Array.from(held);
    const kept = held.length === 0 ? null : { at, bytes: Buffer.from(held).toString('base64') };
    if (kept === null && entry.job.held == null) return;
    await change(parking, entry, 'soon', (job) => ({ ...job, held: kept }));
  }
  /** Up to where the hub has it, for an agent that was started anew. */
  async function remember(entry: Entry, line: Line, offset: number): Promise<number> {
    const { next } = await send(entry, { offset, size: 0, text: '', problem: null });
    const { held } = entry.job;
    line.next = next;
    line.held = held?.at === next ? Buffer.from(held.bytes, 'base64') : NONE;
    line.untaken = { at: next + line.held.length, bytes: NONE };
    return next;
  }

  async function send(
    { job }: Entry,
    part: { readonly offset: number; readonly size: number; readonly text: string; readonly problem: string | null },
  ) {
    if (gatekeeper.record === undefined || job.hold === null)
      throw new HoldpointError('wrong_state', 'no hub records it');
    const { offset, size, text, problem } = part;
    return gatekeeper.record({
      hold: job.hold,
      jobId: job.jobId,
      offset,
      size,
      at: clock.now(),
      text: terminalText(text),
      problem,
    });
  }

  /** Sends what is at `start`, part by part, and keeps back what may be half a secret. */
  async function put(entry: Entry, line: Line, start: number, bytes: Uint8Array, gap: string | null): Promise<void> {
    let [at, rest, problem] = [start, bytes, gap];
    for (;;) {
      const now = rest.subarray(0, PART_BYTES);
      const { text, held } = line.masker.part(now);
      const size = now.length - held;
      // No secret is as long as a whole part: it is not waited for the rest of it.
      const [sent, shown] = size === 0 && now.length < rest.length ? [now.length, line.masker.last(now)] : [size, text];
      if (sent > 0 || problem !== null) {
        const answer = await send(entry, { offset: at, size: sent, text: shown, problem });
        if (answer.problem !== null) throw new HoldpointError('wrong_state', answer.problem);
        if (answer.next >= at + sent || problem !== null) {
          // More than that it has where this agent was started anew in between, and does not remember.
          const skipped = problem === null ? answer.next - at : sent;
          rest = rest.subarray(Math.min(skipped, rest.length));
          at += skipped;
          problem = null;
        } else if (answer.next > at) {
          rest = rest.subarray(answer.next - at);
          at = answer.next;
        } else problem = missing(at - answer.next);
      }
      await hold(entry, line, at, rest);
      if (sent === 0 && problem === null) return;
    }
  }

  /** Nothing follows what waits: the hub gets it as it is. */
  async function showHeld(entry: Entry, line: Line): Promise<void> {
    const { held, next } = line;
    if (held.length === 0 || next === null) return;
    await send(entry, { offset: next, size: held.length, text: line.masker.last(held), problem: null });
    await hold(entry, line, next + held.length, NONE);
  }

  async function record(entry: Entry, line: Line, offset: number, bytes: Uint8Array): Promise<Recorded> {
    const next = line.next ?? (await remember(entry, line, offset));
    const end = next + line.held.length;
    const last = offset + bytes.length;
    if (offset > end) {
      // Nobody can add to a log behind its end: what GitLab will refuse is none of it, and must not hide what comes (T34).
      const size = await parking.ci.logSize(entry.job).catch(() => -1);
      if (size === -1) return 'later';
      if (size !== null && size - entry.job.noteBytes < offset) return 'pass';
      line.untaken = { at: offset, bytes };
      await showHeld(entry, line);
      await put(entry, line, offset, bytes, missing(offset - end));
      return 'pass';
    }
    const other = firstOther(line.untaken, offset, bytes);
    if (other === null && last <= end) return 'pass';
    if (line.untaken.bytes.length + Math.max(0, last - end) > MAX_UNTAKEN_BYTES) return 'later';
    const from = other ?? end;
    const fresh = bytes.subarray(from - offset);
    const { at, bytes: before } = line.untaken;
    line.untaken = { at, bytes: joined(before.subarray(0, Math.max(0, from - at)), fresh) };
    // What GitLab refused was recorded in the place of this: both stand there, with a word between them.
    const start = Math.min(from, next);
    const isOver = other !== null && other < next;
    await put(
      entry,
      line,
      start,
      isOver ? fresh : joined(line.held.subarray(0, from - next), fresh),
      other === null ? null : OTHER,
    );
    return 'pass';
  }

  async function failed(entry: Entry, line: Line, error: unknown): Promise<Recorded> {
    const { jobId, hold, recording } = entry.job;
    const reason = reasonOf(error);
    const isAway = error instanceof HoldpointError && error.code === 'hub_unreachable';
    line.failingSince ??= clock.now();
    if (recording !== 'required') {
      // A hub that comes back goes on with it, and notes what is missing.
      line.isOver = !isAway;
      log.warn(
        { job: jobId, hold, reason },
        'part of a log is not recorded; the job runs on, since that is not required',
      );
      return 'pass';
    }
    const patience = clock.now() - line.failingSince < PATIENCE_MS;
    if (isAway && patience) return 'later';
    line.isOver = true;
    const words = isAway ? `the hub was away for ${PATIENCE_MS / 60_000} minutes` : reason;
    log.error({ job: jobId, hold, reason: words }, 'a job that has to be recorded cannot be: it is ended');
    await stopHere(parking, entry, `its policy asks for a recording, and ${words}`);
    return 'later';
  }

  function queued<T>(line: Line, work: () => Promise<T>): Promise<T> {
    const result = line.queue.then(work);
    line.queue = result.catch(() => {});
    return result;
  }

  return {
    isRecorded: ({ job }) => job.recording != null && job.stopped == null,
    take(entry, offset, bytes) {
      const line = lineOf(entry);
      return queued(line, async () => {
        if (line.isOver) return entry.job.recording === 'required' ? 'later' : 'pass';
        try {
          const answer = await record(entry, line, offset, bytes);
          line.failingSince = null;
          return answer;
        } catch (error) {
          return failed(entry, line, error);
        }
      });
    },
    taken({ job }, end) {
      const line = lines.get(job.jobId);
      if (line === undefined || end <= line.untaken.at) return;
      line.untaken = { at: end, bytes: line.untaken.bytes.slice(end - line.untaken.at) };
    },
    async finish(entry) {
      const line = lines.get(entry.job.jobId);
      if (line === undefined || line.isOver || line.next === null) return;
      await queued(line, () => showHeld(entry, line)).catch((error: unknown) =>
        log.debug({ job: entry.job.jobId, reason: reasonOf(error) }, 'the last bytes of a recording could not be kept'),
      );
    },
  };
}

const OTHER = 'what was sent here before was sent again with other words';

/** Where bytes that are sent again begin to differ from what was recorded of them and GitLab has not taken; null: nowhere. */
function firstOther({ at, bytes }: Line['untaken'], offset: number, again: Uint8Array): number | null {
  const end = Math.min(at + bytes.length, offset + again.length);
  for (let place = Math.max(at, offset); place < end; place++)
    if (bytes[place - at] !== again[place - offset]) return place;
  return null;
}

const missing = (bytes: number): string => `${bytes} bytes of the log did not come through this gateway`;
