import type { ExpressionBuilder, Kysely, Selectable } from 'kysely';
import type { Hold } from '../domain/hold.ts';
import type { StoreReader } from '../ports/store.ts';
import { retryOf } from './hold-rows.ts';
import type { HoldTable, Schema } from './schema.ts';

type DetachedReads = Pick<
  StoreReader,
  'detachedHolds' | 'overtaken' | 'lastApproved' | 'holdsOfPipeline' | 'retriesOf' | 'isRetryBot' | 'untoldHolds'
>;

/** Reads about Holds that no job stands for, and what became of their jobs. */
export function detachedReads(
  db: Kysely<Schema>,
  withAttempts: (rows: readonly Selectable<HoldTable>[]) => Promise<Hold[]>,
): DetachedReads {
  const detached = (eb: ExpressionBuilder<Schema, 'holds'>) =>
    eb.not(
      eb.exists(
        eb
          .selectFrom('attempts')
          .select('attempts.hold')
          .whereRef('attempts.hold', '=', 'holds.id')
          .where('attempts.ended_at', 'is', null),
      ),
    );

  return {
    async detachedHolds(state, limit) {
      const rows = await db
        .selectFrom('holds')
        .selectAll()
        .where('state', '=', state)
        .where(detached)
        .orderBy('pipeline_id', (order) => order.asc().nullsFirst())
        .orderBy('id')
        .limit(limit)
        .execute();
      return withAttempts(rows);
    },
    async overtaken(hold) {
      if (hold.pipelineId === null) return false;
      const { ref, environment } = hold.place;
      const newer = db
        .selectFrom('holds')
        .innerJoin('attempts', 'attempts.hold', 'holds.id')
        .select('holds.id')
        .where('holds.instance', '=', hold.subject.instance)
        .where('holds.project_id', '=', hold.subject.projectId)
        .where('holds.job', '=', hold.subject.job)
        .where('holds.pipeline_id', '>', hold.pipelineId)
        .where('attempts.handed_out_at', 'is not', null)
        .limit(1);
      // Whoever runs an older pipeline again after a newer one went means to go back: only what waited meanwhile is overtaken.
      const overtaking =
        environment === null
          ? newer.where('holds.ref', '=', ref)
          : newer.where('holds.environment', '=', environment).where('attempts.handed_out_at', '>', hold.openedAt);
      return (await overtaking.executeTakeFirst()) !== undefined;
    },
    async lastApproved(hold) {
      if (hold.pipelineId === null) return null;
      const row = await db
        .selectFrom('holds')
        .innerJoin('attempts', 'attempts.hold', 'holds.id')
        .innerJoin('approvals', 'approvals.id', 'holds.approval')
        .selectAll('holds')
        .where('holds.instance', '=', hold.subject.instance)
        .where('holds.project_id', '=', hold.subject.projectId)
        .where('holds.job', '=', hold.subject.job)
        .where('holds.pipeline_id', '<', hold.pipelineId)
        .where('holds.ref', '=', hold.place.ref)
        .where('attempts.handed_out_at', 'is not', null)
        // Nobody has looked at what the glass was broken for.
        .where('approvals.break_glass', 'is', null)
        // What was taken back since is no ground to stand on (T12).
        .where('approvals.revoked_at', 'is', null)
        .orderBy('holds.pipeline_id', (order) => order.desc().nullsLast())
        .orderBy('holds.id', 'desc')
        .limit(1)
        .executeTakeFirst();
      return row === undefined ? null : ((await withAttempts([row]))[0] ?? null);
    },
    async holdsOfPipeline(instance, projectId, pipelineId) {
      const rows = await db
        .selectFrom('holds')
        .selectAll()
        .where('instance', '=', instance)
        .where('project_id', '=', projectId)
        .where('pipeline_id', '=', pipelineId)
        .orderBy('id')
        .execute();
      return withAttempts(rows);
    },
    async retriesOf(hold) {
      const rows = await db
        .selectFrom('retries')
        .selectAll()
        .where('hold', '=', hold)
        .orderBy('at')
        .orderBy('job_id')
        .execute();
      return rows.map(retryOf);
    },
    async isRetryBot(user) {
      const row = await db
        .selectFrom('retries')
        .select('hold')
        .where('user_id', '=', user)
        .where('credential', '=', 'bot')
        .limit(1)
        .executeTakeFirst();
      return row !== undefined;
    },
    async untoldHolds(limit) {
      // Two queries: each has its index, one with "or" has none.
      const untold = await db
        .selectFrom('holds')
        .selectAll()
        .where('state', 'in', ['waiting_for_approval', 'pending'])
        .where(detached)
        .where((eb) =>
          eb.not(eb.exists(eb.selectFrom('ci_statuses').select('hold').whereRef('ci_statuses.hold', '=', 'holds.id'))),
        )
        .orderBy('id')
        .limit(limit)
        .execute();
      const ended = await db
        .selectFrom('ci_statuses')
        .innerJoin('holds', 'holds.id', 'ci_statuses.hold')
        .selectAll('holds')
        .where('ci_statuses.state', '=', 'pending')
        .where('holds.state', 'not in', ['waiting_for_approval', 'pending'])
        .orderBy('holds.id')
        .limit(limit)
        .execute();
      return withAttempts([...untold, ...ended].slice(0, limit));
    },
  };
}
