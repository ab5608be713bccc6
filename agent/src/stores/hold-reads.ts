import {
  type Expression,
  type ExpressionBuilder,
  expressionBuilder,
  type Kysely,
  type Selectable,
  type SqlBool,
  sql,
} from 'kysely';
import type { Hold } from '../domain/hold.ts';
import type { StoreReader } from '../ports/store.ts';
import { branchesOf, pageOf } from './branches.ts';
import { holdOf, pipelineKey } from './hold-rows.ts';
import type { HoldTable, Schema } from './schema.ts';
import { ownOrNamed } from './sight.ts';
import { among, ofSubject } from './statements.ts';

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
  | 'waitingOnAny'
  | 'holdIdsOf'
  | 'passedWith'
  | 'pendingOf'
  | 'dueHolds'
  | 'overdueHolds'
  | 'frozenHolds'
  | 'facts'
  | 'newestFacts'
  | 'versionsOf'
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
      const { id, states, project, job, ref, sight } = filter;
      const eb = expressionBuilder<Schema, 'holds'>();
      const meeting: Expression<SqlBool>[] = [];
      if (id !== undefined) meeting.push(eb('holds.id', '=', id));
      if (job !== undefined) meeting.push(eb('holds.job', '=', job));
      if (ref !== undefined) meeting.push(eb('holds.ref', '=', ref));
      if (typeof project === 'number') meeting.push(eb('holds.project_id', '=', project));
      if (typeof project === 'string') meeting.push(eb('holds.project_path', '=', project));
      const inStates = states?.map((state) => eb('holds.state', '=', state));
      const seen = sight && { projects: sight.projects, own: ownOrNamed(db, sight)(eb) };
      const branches = branchesOf('holds', meeting, inStates, seen);
      const ids = await pageOf(db, 'holds', branches, page);
      const rows = db.selectFrom('holds').selectAll().where('id', 'in', among(ids));
      return withAttempts(await rows.orderBy('id', page.newest === true ? 'desc' : 'asc').execute());
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
        // As a sum, which no index has: a planner that goes for the order would read all that wait for the few of one Review (T30).
        .orderBy(sql`pipeline_id + 0`)
        .orderBy(sql`id + 0`)
        .execute();
      return withAttempts(rows);
    },
    async waitingOnAny(reviews, limit) {
      const query = db
        .selectFrom('holds')
        .selectAll()
        .where('review', 'in', among(reviews))
        // Neither state nor order as an index has them: SQLite would go through all that wait.
        .where(sql<string>`state || ''`, '=', 'waiting_for_approval')
        .where('configured', 'is', null)
        .orderBy(sql`id + 0`, 'desc');
      return withAttempts(await (limit === null ? query : query.limit(limit)).execute());
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
    async pendingOf(subject, digest) {
      const rows = await db
        .selectFrom('holds')
        .selectAll()
        .where('state', '=', 'pending')
        .where(ofSubject(subject))
        .where('digest', '=', digest)
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
      const silent = db
        .selectFrom('attempts')
        .select('hold')
        .where('ended_at', 'is', null)
        .where('parked_until', '<=', before)
        .orderBy('parked_until')
        .limit(limit);
      const rows = await db
        .selectFrom('holds')
        .selectAll()
        .where('id', 'in', db.selectFrom(silent.as('silent')).select('hold'))
        .where('state', 'in', ['waiting_for_approval', 'pending'])
        .orderBy(sql`id + 0`)
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
    async newestFacts(holds) {
      const newest = (eb: ExpressionBuilder<Schema, 'attempts'>) =>
        eb
          .selectFrom('attempts as later')
          .select((inner) => inner.fn.max<number>('later.position').as('position'))
          .whereRef('later.hold', '=', 'attempts.hold');
      const rows = await db
        .selectFrom('attempts')
        .select(['hold', 'job_id', 'facts'])
        .where('hold', 'in', among(holds))
        .where((eb) => eb('position', '=', newest(eb)))
        .execute();
      return new Map(rows.map((row) => [row.hold, { jobId: row.job_id, facts: JSON.parse(row.facts) }]));
    },
    async versionsOf(hold, review) {
      const { rows } = await sql<{ hold: number | null; review: number | null }>`select
        (select version from holds where id = ${hold}) as hold,
        (select version from reviews where id = ${review}) as review`.execute(db);
      return rows[0]!;
    },
  };
}
