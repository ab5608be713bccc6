import { printableLines } from '../../domain/printable.ts';
import { change, type Entry, later, type Parking, reasonOf } from './parking.ts';

/** A log that cannot be written must not keep a job from its approval or its end for ever. */
const MAX_TRIES = 4;
/** Why a job was failed is said nowhere else: most of a minute, in which the job's end waits for its reason. */
const MAX_LAST_TRIES = 7;
/** One patch takes at most 1 MiB; a note is to be read. */
const MAX_NOTE_CHARS = 16_384;

/** A note as it may stand in a log: no control or deceiving characters (T33), a blank line behind it. */
function asLogText(note: string): string {
  return `${printableLines(note.slice(0, MAX_NOTE_CHARS)).trimEnd()}\n\n`;
}

/**
 * Where a note goes: to the start of a log that nobody else writes to, and to the end of that of a stopped job, which is
 * looked up once and remembered, so that the same note is not written twice.
 */
async function placeOfNote(parking: Parking, entry: Entry): Promise<number> {
  const { stopped, noteBytes } = entry.job;
  if (stopped == null) return noteBytes;
  if (stopped.noteAt !== null) return stopped.noteAt;
  const size = (await parking.ci.logSize(entry.job)) ?? noteBytes;
  await change(parking, entry, 'soon', (job) =>
    job.stopped == null ? job : { ...job, stopped: { ...job.stopped, noteAt: size } },
  );
  return size;
}

/**
 * Writes what is to be said in the job's log and keeps count of the bytes, since the runner's own offsets are shifted
 * by them (T42). The note is on the disk as pending before it is sent: after a crash in between it is sent again, and
 * the server, which appends at an exact offset only, answers with the size that the log really has.
 */
export async function writeNote(parking: Parking, entry: Entry): Promise<void> {
  const note = entry.job.pendingNote;
  if (note === null) return;
  try {
    const at = await placeOfNote(parking, entry);
    const size = await parking.ci.writeNote(entry.job, at, asLogText(note));
    entry.due.delete('note');
    await change(parking, entry, 'soon', (job) => ({
      ...job,
      // Nothing of the runner's comes after the last words, so nothing is shifted by them.
      noteBytes: job.stopped == null ? size : job.noteBytes,
      // What was added to it meanwhile is still to be said.
      pendingNote: job.pendingNote === note ? null : (job.pendingNote?.slice(note.length + 1) ?? null),
    }));
    parking.log.debug({ job: entry.job.jobId, logBytes: size }, 'a note was written');
  } catch (error) {
    const failures = later(parking, entry, 'note');
    parking.log.warn(
      { job: entry.job.jobId, failures, reason: reasonOf(error) },
      'a note could not be written to the job log',
    );
    if (failures < (entry.job.state === 'failing' ? MAX_LAST_TRIES : MAX_TRIES)) return;
    entry.due.delete('note');
    await change(parking, entry, 'soon', (job) => (job.pendingNote === null ? job : { ...job, pendingNote: null }));
  }
}
