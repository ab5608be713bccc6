import type { IncomingMessage, ServerResponse } from 'node:http';
import { confirm, lookNow } from '../../app/parking/finish.ts';
import type { Entry, Parking } from '../../app/parking/parking.ts';
import { isLive } from '../../domain/parking.ts';
import type { Log } from '../../ports/log.ts';
import { readBody } from './body.ts';
import { forwardable, headerIn, withHeader } from './headers.ts';
import { type LogTap, startOf } from './log-tap.ts';
import type { Recorder } from './recorder.ts';
import { shiftContentRange, unshiftRange, withoutLogChecksum } from './trace.ts';
import { answerMessage, hasBody, pass } from './transfer.ts';
import type { Upstream } from './upstream.ts';

/** A state update is a few hundred bytes. */
const MAX_UPDATE_BYTES = 256 * 1024;
/** A runner sends 1 MiB at once at most. */
const MAX_PATCH_BYTES = 2 * 1024 * 1024;
const ENDED = /^(canceled|failed|success)$/i;
const LENGTH: ReadonlySet<string> = new Set(['content-length']);

export interface JobDeps {
  readonly parking: Parking;
  readonly upstream: Upstream;
  readonly log: Log;
  readonly tap: LogTap;
  readonly recorder: Recorder;
}

/** Answers whoever speaks for a job that was stopped as GitLab does for one that it has canceled: the runner ends it at once. */
export function refuseStopped(entry: Entry | undefined, res: ServerResponse): boolean {
  if (entry?.job.stopped == null) return false;
  res.setHeader('Job-Status', 'canceled');
  answerMessage(res, 403, '403 Forbidden - Job is not processing on runner');
  return true;
}

/** The job is here and nobody has been given it: whoever speaks for it did not get its token from this gateway. */
export function refuseParked(deps: JobDeps, entry: Entry | undefined, res: ServerResponse): boolean {
  if (entry === undefined || !isLive(entry.job.state)) return false;
  deps.log.error({ job: entry.job.jobId, hold: entry.job.hold }, 'somebody speaks for a job that is parked: refused');
  answerMessage(res, 403, '403 Forbidden - Job is not processing on runner');
  return true;
}

/**
 * GitLab is asked how the job stands when its answer says, or may mean, that it has ended; not because of what somebody
 * without the job's token tries, who could use up with it what GitLab allows the job (T30).
 */
function followUp(deps: JobDeps, entry: Entry, final: boolean, own: boolean) {
  return (status: number, headers: readonly string[]): void => {
    if (!own) return;
    const said = headerIn(headers, 'job-status') ?? '';
    if (status === 403 || ENDED.test(said) || (final && status === 200)) lookNow(deps.parking, entry);
  };
}

function parsed(bytes: Uint8Array): Record<string, unknown> | null {
  try {
    const value = JSON.parse(Buffer.from(bytes).toString()) as unknown;
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : null;
  } catch {
    return null;
  }
}

/** PUT of a job's state. The first one with the job's token confirms the hand-over; a final one is looked into. */
export async function answerUpdate(
  deps: JobDeps,
  id: number,
  target: string,
  req: IncomingMessage,
  res: ServerResponse,
): Promise<void> {
  const { parking, upstream, log } = deps;
  const entry = parking.entries.get(id);
  if (refuseStopped(entry, res)) return;
  if (entry === undefined || entry.job.state === 'ended') {
    const headers = forwardable(req.rawHeaders);
    pass(
      upstream,
      res,
      { method: 'PUT', path: target, headers, body: hasBody(req) ? req : null, redirects: false },
      log,
    );
    return;
  }
  if (refuseParked(deps, entry, res)) return;
  const bytes = await readBody(req, MAX_UPDATE_BYTES, parking.clock);
  if (bytes === null) {
    answerMessage(res, 413, '413 Request Entity Too Large');
    return;
  }
  const body = parsed(bytes);
  const token = req.headers['job-token'] ?? body?.token;
  const own = token === entry.job.token && (body?.token === undefined || body.token === token);
  if (own) confirm(parking, entry);
  const edited =
    body !== null && entry.job.noteBytes > 0 ? Buffer.from(JSON.stringify(withoutLogChecksum(body))) : bytes;
  const headers = forwardable(req.rawHeaders, LENGTH);
  headers.push('Content-Length', String(edited.length));
  const final = body?.state === 'success' || body?.state === 'failed';
  if (own && final && deps.recorder.isRecorded(entry)) await deps.recorder.finish(entry);
  pass(
    upstream,
    res,
    { method: 'PUT', path: target, headers, body: edited, redirects: false, done: followUp(deps, entry, final, own) },
    log,
  );
}

/** How often a runner sends its log while somebody looks: GitLab's own interval for a log that is looked at. */
const WATCHED_INTERVAL_S = 3;
/** A job that somebody may stop hears of that with its next update; GitLab alone would let it be silent for a minute. */
const STOPPABLE_INTERVAL_S = 15;

/** GitLab's answer to a PATCH of the log, as the runner may take it. */
function answerHeaders(raw: string[], noteBytes: number, atMostS: number | null): string[] {
  const unshifted = noteBytes > 0 ? withHeader(raw, 'range', (value) => unshiftRange(value, noteBytes)) : raw;
  if (atMostS === null) return unshifted;
  return withHeader(unshifted, 'x-gitlab-trace-update-interval', (value) =>
    Number(value) > atMostS ? String(atMostS) : value,
  );
}

/** The body of a PATCH once the hub has recorded it; null where it was answered: it was too long, or is to come again. */
async function recorded(
  deps: JobDeps,
  entry: Entry,
  req: IncomingMessage,
  res: ServerResponse,
): Promise<Uint8Array | null> {
  const bytes = await readBody(req, MAX_PATCH_BYTES, deps.parking.clock);
  if (bytes === null) {
    answerMessage(res, 413, '413 Request Entity Too Large');
    return null;
  }
  const start = startOf(headerIn(req.rawHeaders, 'content-range'));
  // GitLab reads a number in more spellings than there should be: what has its place in no plain one is not recorded, and so not sent.
  if (start === null) {
    answerMessage(res, 400, '400 Bad Request: the log of a recorded job needs its place in a Content-Range');
    return null;
  }
  if ((await deps.recorder.take(entry, start, bytes)) === 'pass') return bytes;
  if (!refuseStopped(entry, res)) answerMessage(res, 503, '503 Service Unavailable: the log cannot be recorded yet');
  return null;
}

/** PATCH of a job's log, moved behind the notes that stand at its start (T42). */
export async function answerTrace(
  deps: JobDeps,
  id: number,
  target: string,
  req: IncomingMessage,
  res: ServerResponse,
): Promise<void> {
  const { parking, upstream, log } = deps;
  const entry = parking.entries.get(id);
  if (refuseStopped(entry, res)) return;
  let headers = forwardable(req.rawHeaders);
  const body = hasBody(req) ? req : null;
  if (entry === undefined || entry.job.state === 'ended') {
    pass(upstream, res, { method: 'PATCH', path: target, headers, body, redirects: false }, log);
    return;
  }
  if (refuseParked(deps, entry, res)) return;
  const own = req.headers['job-token'] === entry.job.token;
  if (own) confirm(parking, entry);
  // GitLab takes the token from the query, too: what is recorded has it in the one place that runners put it.
  if (!own && deps.recorder.isRecorded(entry)) {
    answerMessage(
      res,
      403,
      '403 Forbidden: the log of a recorded job needs the token of the job in its JOB-TOKEN header',
    );
    return;
  }
  const isRecorded = body !== null && deps.recorder.isRecorded(entry);
  const watched = deps.tap.isWatched(entry) || isRecorded;
  const kept = isRecorded ? await recorded(deps, entry, req, res) : null;
  if (isRecorded && kept === null) return;
  if (kept !== null && own) deps.tap.show(entry, kept, headerIn(req.rawHeaders, 'content-range'));
  const by = entry.job.noteBytes;
  const unwatchedS = entry.job.hold === null ? null : STOPPABLE_INTERVAL_S;
  const follow = followUp(deps, entry, false, own);
  const start = kept === null ? null : startOf(headerIn(req.rawHeaders, 'content-range'));
  const done: typeof follow = (status, answered) => {
    if (kept !== null && start !== null && status === 202) deps.recorder.taken(entry, start + kept.length);
    follow(status, answered);
  };
  if (by > 0) headers = withHeader(headers, 'content-range', (value) => shiftContentRange(value, by));
  pass(
    upstream,
    res,
    {
      method: 'PATCH',
      path: target,
      headers,
      body: kept ?? body,
      redirects: false,
      done,
      edit: (raw: string[]) => answerHeaders(raw, by, watched ? WATCHED_INTERVAL_S : unwatchedS),
    },
    log,
  );
  // Whoever has no token of the job writes nothing that somebody takes for its log.
  if (own && watched && body !== null && kept === null)
    deps.tap.follow(entry, body, headerIn(req.rawHeaders, 'content-range'));
}
