import type { Insertable, Kysely, Selectable } from 'kysely';
import { FINAL_STATES } from '../domain/hold.ts';
import type { Recording, Stop, StopCause, Watcher } from '../domain/watching.ts';
import type { WatchReads, WatchWrites } from '../ports/watch-store.ts';
import type { Schema } from './schema.ts';
import type { LiveWatcherTable, RecordingTable, StopTable } from './watch-schema.ts';

function watcherOf(row: Selectable<LiveWatcherTable>): Watcher {
  const { hold, viewer, person_id: id, username, name, since, seen_at: seenAt } = row;
  return { hold, viewer, person: { id, username, name }, since, seenAt };
}

function stopOf(row: Selectable<StopTable>): Stop {
  const { hold, job_id: jobId, cause, person_id: id, username, reason, at } = row;
  const person = id === null ? null : { id, username: username ?? '' };
  return { hold, jobId, cause: cause as StopCause, person, reason, at };
}

function recordingOf(row: Selectable<RecordingTable>): Recording {
  return {
    id: row.id,
    hold: row.hold,
    jobId: row.job_id,
    required: row.required === 1,
    state: row.state as Recording['state'],
    startedAt: row.started_at,
    endedAt: row.ended_at,
    next: row.next_byte,
    lastMs: row.last_ms,
    pieces: row.pieces,
    bytes: row.bytes,
    problem: row.problem,
    sha256: row.sha256,
  };
}

function columns(recording: Omit<Recording, 'id'>): Insertable<RecordingTable> {
  return {
    hold: recording.hold,
    job_id: recording.jobId,
    required: recording.required ? 1 : 0,
    state: recording.state,
    started_at: recording.startedAt,
    ended_at: recording.endedAt,
    next_byte: recording.next,
    last_ms: recording.lastMs,
    pieces: recording.pieces,
    bytes: recording.bytes,
    problem: recording.problem,
    sha256: recording.sha256,
  };
}

/** Reads of who watches what, and of what was recorded. */
export function watchReads(db: Kysely<Schema>): WatchReads {
  return {
    async watchers(hold) {
      const rows = await db.selectFrom('live_watchers').selectAll().where('hold', '=', hold).orderBy('since').execute();
      return rows.map(watcherOf);
    },
    async liveRuns(limit) {
      const rows = await db.selectFrom('live_runs').selectAll().orderBy('hold').limit(limit).execute();
      return rows.map(({ hold, job_id: jobId, need, at }) => ({ hold, jobId, need, at }));
    },
    async liveRun(hold) {
      const row = await db.selectFrom('live_runs').selectAll().where('hold', '=', hold).executeTakeFirst();
      return row === undefined ? null : { hold, jobId: row.job_id, need: row.need, at: row.at };
    },
    async stopOf(hold, jobId) {
      const query = db.selectFrom('stops').selectAll().where('hold', '=', hold).where('job_id', '=', jobId);
      const row = await query.executeTakeFirst();
      return row === undefined ? null : stopOf(row);
    },
    async recording(hold, jobId) {
      const query = db.selectFrom('recordings').selectAll().where('hold', '=', hold).where('job_id', '=', jobId);
      const row = await query.executeTakeFirst();
      return row === undefined ? null : recordingOf(row);
    },
    async recordingsOf(hold) {
      const rows = await db.selectFrom('recordings').selectAll().where('hold', '=', hold).orderBy('id').execute();
      return rows.map(recordingOf);
    },
    async openRecordings(limit) {
      const query = db.selectFrom('recordings').selectAll().where('state', '=', 'open');
      const ended = db
        .selectFrom('holds')
        .select('id')
        .where('state', 'in', [...FINAL_STATES]);
      return (await query.where('hold', 'in', ended).orderBy('id').limit(limit).execute()).map(recordingOf);
    },
    async recordingPiece(recording, piece) {
      const query = db.selectFrom('recording_pieces').select('sealed').where('recording', '=', recording);
      const row = await query.where('piece', '=', piece).executeTakeFirst();
      return row === undefined ? null : Uint8Array.from(Buffer.from(row.sealed, 'base64'));
    },
    async dueRecordings(before, limit) {
      const query = db
        .selectFrom('recordings')
        .selectAll()
        .where('state', '=', 'ended')
        .where('ended_at', '<=', before);
      return (await query.orderBy('id').limit(limit).execute()).map(recordingOf);
    },
  };
}

/** Writes of the same, within one transaction. */
export function watchWrites(db: Kysely<Schema>): Omit<WatchWrites, keyof WatchReads> {
  return {
    async putWatcher({ hold, viewer, person, since, seenAt }) {
      const { id, username, name } = person;
      const row = { hold, viewer, person_id: id, username, name, since, seen_at: seenAt };
      await db
        .insertInto('live_watchers')
        .values(row)
        .onConflict((conflict) => conflict.columns(['hold', 'viewer']).doUpdateSet({ seen_at: seenAt }))
        .execute();
    },
    async seeWatcher(hold, viewer, seenAt) {
      const query = db.updateTable('live_watchers').set({ seen_at: seenAt });
      const seen = await query.where('hold', '=', hold).where('viewer', '=', viewer).executeTakeFirst();
      return seen.numUpdatedRows > 0n;
    },
    async dropWatcher(hold, viewer) {
      await db.deleteFrom('live_watchers').where('hold', '=', hold).where('viewer', '=', viewer).execute();
    },
    async dropWatchers(before) {
      await db.deleteFrom('live_watchers').where('seen_at', '<', before).execute();
    },
    async putLiveRun({ hold, jobId, need, at }) {
      await db
        .insertInto('live_runs')
        .values({ hold, job_id: jobId, need, at })
        .onConflict((conflict) => conflict.column('hold').doUpdateSet({ job_id: jobId, need, at }))
        .execute();
    },
    async dropLiveRun(hold) {
      await db.deleteFrom('live_runs').where('hold', '=', hold).execute();
    },
    async putStop({ hold, jobId, cause, person, reason, at }) {
      const written = await db
        .insertInto('stops')
        .values({
          hold,
          job_id: jobId,
          cause,
          person_id: person?.id ?? null,
          username: person?.username ?? null,
          reason,
          at,
        })
        .onConflict((conflict) => conflict.columns(['hold', 'job_id']).doNothing())
        .executeTakeFirst();
      return (written.numInsertedOrUpdatedRows ?? 0n) > 0n;
    },
    async insertRecording(recording) {
      const { id } = await db
        .insertInto('recordings')
        .values(columns(recording))
        .returning('id')
        .executeTakeFirstOrThrow();
      return { ...recording, id };
    },
    async updateRecording({ id, ...recording }) {
      await db.updateTable('recordings').set(columns(recording)).where('id', '=', id).execute();
    },
    async putRecordingPiece(recording, piece, sealed) {
      const row = { recording, piece, sealed: Buffer.from(sealed).toString('base64') };
      await db.insertInto('recording_pieces').values(row).execute();
    },
    async dropRecordingPieces(recording) {
      await db.deleteFrom('recording_pieces').where('recording', '=', recording).execute();
    },
  };
}
