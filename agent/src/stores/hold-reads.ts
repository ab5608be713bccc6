import type { Kysely, Selectable } from 'kysely';
import type { Hold } from '../domain/hold.ts';
import type { StoreReader } from '../ports/store.ts';
import { holdOf, pipelineKey } from './hold-rows.ts';
import type { HoldTable, Schema } from './schema.ts';
import { visible } from './sight.ts';
import { among, inOrder, ofSubject } from './statements.ts';

const OPEN = ['waiting_for_approval', 'pending', 'running'];

/** Rows of Holds to whole Holds. */
export type WithAttempts = (rows: readonly Selectable<HoldTable>[]) => Promise<Hold[]>;

/** Whole Holds: rows and all their attempts in two queries. */
export function withAttemptsOf(db: Kysely<Schema>): WithAttempts {
  return async (rows) => {
    if (rows.length === 0) return [];
    const attempts = await db
      .selectFrom('attempts')
      .select(['hold', 'position', 'instance', 'project_id', 'job_id', 'agent', 'runner', 'url', 'at'])
      .select(['parked_until', 'handed_out_at', 'ended_at', 'ended'])
      .where('hold', 'in', among(rows.map((row) => row.id)))
      .orderBy('position')
      .execute();
    const lists = new Map<number, (typeof attempts)[number][]>();
    for (const attempt of attempts) lists.set(attempt.hold, [...(lists.get(attempt.hold) ?? []), attempt]);
    return rows.map((row) => holdOf(row, lists.get(row.id) ?? []));
  };
}

/** Reads about Holds. */
export function holdReads(
  db: Kysely<Schema>,
  withAttempts: WithAttempts,
): Pick<
  StoreReader,
  | 'hold'
  | 'holdOfJob'
  | 'liveHoldOf'
  | 'openHold'
  | 'holds'
  | 'holdsWithIds'
  | 'waitingOn'
  | 'holdIdsOf'
  | 'passedWith'
  | 'dueHolds'
  | 'overdueHolds'
  | 'frozenHolds'
  | 'facts'
> {
  const one = async (row: Selectable<HoldTable> | undefined): Promise<Hold | null> =>
    row === undefined ? null : ((await withAttempts([row]))[0] ?? null);
  return {
    async hold(id) {
      return one(await db.selectFrom('holds').selectAll().where('id', '=', id).executeTakeFirst());
    },
    async holdOfJob(instance, projectId, jobId) {
      const row = await db
        .selectFrom('holds')
        .innerJoin('attempts', 'attempts.hold', 'holds.id')
        .selectAll('holds')
        .where('attempts.instance', '=', instance)
        .where('attempts.project_id', '=', projectId)
        .where('attempts.job_id', '=', jobId)
        .executeTakeFirst();
      return one(row);
    },
    async liveHoldOf(agent, jobId) {
      const row = await db
        .selectFrom('holds')
        .innerJoin('attempts', 'attempts.hold', 'holds.id')
        .selectAll('holds')
        .where('attempts.agent', '=', agent)
        .where('attempts.job_id', '=', jobId)
        .where('attempts.ended_at', 'is', null)
        .executeTakeFirst();
      return one(row);
    },
    async openHold(key) {
      const row = await db
        .selectFrom('holds')
        .selectAll()
        .where(ofSubject(key.subject))
        .where('pipeline_key', '=', pipelineKey(key.pipelineId, key.jobId))
        .where('digest', '=', key.digest)
        .where('state', 'in', OPEN)
        .executeTakeFirst();
      return one(row);
    },
    async holds(filter, page) {
      let query = inOrder(db.selectFrom('holds').selectAll(), page);
      if (filter.id !== undefined) query = query.where('id', '=', filter.id);
      if (filter.states !== undefined) query = query.where('state', 'in', among(filter.states));
      if (filter.job !== undefined) query = query.where('job', '=', filter.job);
      if (filter.ref !== undefined) query = query.where('ref', '=', filter.ref);
      if (typeof filter.project === 'number') query = query.where('project_id', '=', filter.project);
      if (typeof filter.project === 'string') query = query.where('project_path', '=', filter.project);
      if (filter.sight !== null) query = query.where(visible(db, filter.sight));
      return withAttempts(await query.execute());
    },
    async holdsWithIds(ids) {
      return withAttempts(await db.selectFrom('holds').selectAll().where('id', 'in', among(ids)).execute());
    },
    async waitingOn(review) {
      const rows = await db
        .selectFrom('holds')
        .selectAll()
        .where('review', '=', review)
        .where('state', '=', 'waiting_for_approval')
        // Whoever waits for its deployment gate alone has its answer.
        .where('configured', 'is', null)
        .orderBy('pipeline_id')
        .orderBy('id')
        .execute();
      return withAttempts(rows);
    },
    async holdIdsOf(review) {
      const rows = await db.selectFrom('holds').select('id').where('review', '=', review).orderBy('id').execute();
      return rows.map((row) => row.id);
    },
    async passedWith(approval) {
      const rows = await db
        .selectFrom('holds')
        .selectAll()
        .where((eb) =>
          eb.or([
            eb.and([eb('approval', '=', approval), eb('state', 'in', ['pending', 'running'])]),
            eb.and([eb('configured', '=', approval), eb('state', '=', 'waiting_for_approval')]),
          ]),
        )
        .orderBy('id')
        .execute();
      return withAttempts(rows);
    },
    async dueHolds(now, limit) {
      const rows = await db
        .selectFrom('holds')
        .selectAll()
        .where('state', 'in', ['waiting_for_approval', 'pending'])
        .where('expires_at', '<=', now)
        .orderBy('expires_at')
        .limit(limit)
        .execute();
      return withAttempts(rows);
    },
    async overdueHolds(before, limit) {
      const rows = await db
        .selectFrom('holds')
        .innerJoin('attempts', 'attempts.hold', 'holds.id')
        .selectAll('holds')
        .where('attempts.ended_at', 'is', null)
        .where('attempts.parked_until', '<=', before)
        .where('holds.state', 'in', ['waiting_for_approval', 'pending'])
        .orderBy('holds.id')
        .limit(limit)
        .execute();
      return withAttempts(rows);
    },
    async frozenHolds(page) {
      const rows = await db
        .selectFrom('holds')
        .selectAll()
        .where('frozen_until', 'is not', null)
        .where('state', '=', 'waiting_for_approval')
        .where('id', '>', page.after)
        .orderBy('id')
        .limit(page.limit)
        .execute();
      return withAttempts(rows);
    },
    async facts(hold, jobId) {
      const row = await db
        .selectFrom('attempts')
        .select('facts')
        .where('hold', '=', hold)
        .where('job_id', '=', jobId)
        .executeTakeFirst();
      return row === undefined ? null : JSON.parse(row.facts);
    },
  };
}
