import { type ExpressionBuilder, type Kysely, type Selectable, sql } from 'kysely';
import type { Hold } from '../domain/hold.ts';
import type { Subject } from '../domain/subject.ts';
import type { Sight, StoreReader } from '../ports/store.ts';
import { approvalReads } from './approval-reads.ts';
import { auditReads } from './audit-reads.ts';
import { breakGlassReads } from './break-glass.ts';
import { deploymentReads } from './deployments.ts';
import { detachedReads } from './detached-reads.ts';
import { passkeyReads } from './passkeys.ts';
import { protectedReads } from './protected-environments.ts';
import { approvalOf, denialOf, holdOf, pipelineKey, pushOf, reviewOf, sessionOf, tokenOf, voteOf } from './rows.ts';
import { runReads } from './run-reads.ts';
import type { HoldTable, Schema } from './schema.ts';
import { namedIds, ownOrNamed, sightReads } from './sight.ts';
import { sightingReads } from './sightings.ts';
import { among } from './statements.ts';

const OPEN = ['waiting_for_approval', 'pending', 'running'];
/** SQLite takes some 32,000 values in one statement; GitLab's own limit is 50 needs. */
const MAX_IN_LIST = 1_000;

/** Reads of a store, on the whole database or within one transaction. */
export function reader(db: Kysely<Schema>): StoreReader {
  /** Whole Holds: rows and all their attempts in two queries. */
  const withAttempts = async (rows: readonly Selectable<HoldTable>[]): Promise<Hold[]> => {
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
  const one = async (row: Selectable<HoldTable> | undefined): Promise<Hold | null> =>
    row === undefined ? null : ((await withAttempts([row]))[0] ?? null);
  const visible = (sight: Sight) => (eb: ExpressionBuilder<Schema, 'holds'>) =>
    eb.or([eb('holds.project_id', 'in', among(sight.projects)), ownOrNamed(db, sight)(eb)]);
  const ofSubject = (subject: Subject) =>
    sql<boolean>`instance = ${subject.instance} and project_id = ${subject.projectId} and job = ${subject.job}`;

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
      let query = db.selectFrom('holds').selectAll().where('id', '>', page.after).orderBy('id').limit(page.limit);
      if (filter.id !== undefined) query = query.where('id', '=', filter.id);
      if (filter.states !== undefined) query = query.where('state', 'in', among(filter.states));
      if (filter.job !== undefined) query = query.where('job', '=', filter.job);
      if (filter.ref !== undefined) query = query.where('ref', '=', filter.ref);
      if (typeof filter.project === 'number') query = query.where('project_id', '=', filter.project);
      if (typeof filter.project === 'string') query = query.where('project_path', '=', filter.project);
      if (filter.sight !== null) query = query.where(visible(filter.sight));
      return withAttempts(await query.execute());
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
    ...detachedReads(db, withAttempts),
    ...approvalReads(db),
    ...sightReads(db),
    ...breakGlassReads(db),
    ...sightingReads(db),
    ...deploymentReads(db, (sight) => db.selectFrom('holds').select('holds.id').where(visible(sight))),
    ...protectedReads(db),
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
    ...runReads(db, withAttempts),
    async facts(hold, jobId) {
      const row = await db
        .selectFrom('attempts')
        .select('facts')
        .where('hold', '=', hold)
        .where('job_id', '=', jobId)
        .executeTakeFirst();
      return row === undefined ? null : JSON.parse(row.facts);
    },
    async review(id) {
      const row = await db.selectFrom('reviews').selectAll().where('id', '=', id).executeTakeFirst();
      return row === undefined ? null : reviewOf(row);
    },
    async openReviews(subject, digest) {
      let query = db.selectFrom('reviews').selectAll().where(ofSubject(subject)).where('state', '=', 'open');
      if (digest !== null) query = query.where('digest', '=', digest);
      return (await query.orderBy('id').execute()).map(reviewOf);
    },
    async reviews(filter, page) {
      let query = db.selectFrom('reviews').selectAll().where('id', '>', page.after).orderBy('id').limit(page.limit);
      const { states, sight } = filter;
      if (states !== undefined) query = query.where('state', 'in', among(states));
      if (sight !== null) {
        query = query.where((eb) =>
          eb.or([
            eb('project_id', 'in', among(sight.projects)),
            eb(
              'id',
              'in',
              db.selectFrom('holds').select('holds.review').where(visible(sight)).$castTo<{ review: number }>(),
            ),
            eb('id', 'in', namedIds(db, 'review', sight)),
          ]),
        );
      }
      return (await query.execute()).map(reviewOf);
    },
    async votes(review) {
      const rows = await db
        .selectFrom('votes')
        .selectAll()
        .where('review', '=', review)
        .orderBy('at')
        .orderBy('person_id')
        .execute();
      return rows.map(voteOf);
    },
    async denial(subject, digest, now) {
      const row = await db
        .selectFrom('denials')
        .selectAll()
        .where(ofSubject(subject))
        .where('digest', '=', digest)
        .where('until', '>', now)
        .where('lifted_at', 'is', null)
        .orderBy('until', 'desc')
        .executeTakeFirst();
      return row === undefined ? null : denialOf(row);
    },
    async approval(id) {
      const row = await db.selectFrom('approvals').selectAll().where('id', '=', id).executeTakeFirst();
      return row === undefined ? null : approvalOf(row);
    },
    async approvalsOf(subject, digest, limit) {
      let query = db
        .selectFrom('approvals')
        .selectAll()
        .where(ofSubject(subject))
        .where('revoked_at', 'is', null)
        // What was run without its approval was approved by nobody: it covers nothing and is no baseline (T16).
        .where('break_glass', 'is', null)
        .orderBy('id', 'desc')
        .limit(limit);
      if (digest !== null) query = query.where('digest', '=', digest);
      return (await query.execute()).map(approvalOf);
    },
    async approvals(filter, page) {
      let query = db.selectFrom('approvals').selectAll().where('id', '>', page.after).orderBy('id').limit(page.limit);
      if (filter.id !== undefined) query = query.where('id', '=', filter.id);
      if (typeof filter.project === 'number') query = query.where('project_id', '=', filter.project);
      if (typeof filter.project === 'string') query = query.where('project_path', '=', filter.project);
      if (filter.job !== undefined) query = query.where('job', '=', filter.job);
      if (filter.digest !== undefined) query = query.where('digest', '=', filter.digest);
      if (filter.revoked === false) query = query.where('revoked_at', 'is', null);
      const { sight } = filter;
      if (sight !== null) {
        query = query.where((eb) =>
          eb.or([eb('project_id', 'in', among(sight.projects)), eb('review', 'in', namedIds(db, 'review', sight))]),
        );
      }
      return (await query.execute()).map(approvalOf);
    },
    async dueApprovals(now, limit) {
      const rows = await db
        .selectFrom('approvals')
        .selectAll()
        .where('ends_at', '<=', now)
        .where('revoked_at', 'is', null)
        .where((eb) =>
          eb.exists(
            eb
              .selectFrom('holds')
              .select('holds.id')
              .where((of) =>
                of.or([
                  of.and([of('holds.approval', '=', of.ref('approvals.id')), of('holds.state', '=', 'pending')]),
                  of.and([
                    of('holds.configured', '=', of.ref('approvals.id')),
                    of('holds.state', '=', 'waiting_for_approval'),
                  ]),
                ]),
              ),
          ),
        )
        .orderBy('id')
        .limit(limit)
        .execute();
      return rows.map(approvalOf);
    },
    async admittedJobs(instance, projectId, jobs) {
      const admitted = new Set<number>();
      for (let from = 0; from < jobs.length; from += MAX_IN_LIST) {
        const rows = await db
          .selectFrom('attempts')
          .innerJoin('holds', 'holds.id', 'attempts.hold')
          .select('attempts.job_id')
          .where('attempts.instance', '=', instance)
          .where('attempts.project_id', '=', projectId)
          .where('attempts.job_id', 'in', among(jobs.slice(from, from + MAX_IN_LIST)))
          .where('attempts.handed_out_at', 'is not', null)
          .innerJoin('approvals', 'approvals.id', 'holds.approval')
          .where('approvals.break_glass', 'is', null)
          // What was taken back since vouches for nothing that was made under it (T12).
          .where('approvals.revoked_at', 'is', null)
          .execute();
        for (const row of rows) admitted.add(row.job_id);
      }
      return admitted;
    },
    async reveals(subject, digest) {
      const rows = await db
        .selectFrom('reveals')
        .select(['name', 'person_id'])
        .where(ofSubject(subject))
        .where('digest', '=', digest)
        .orderBy('at')
        .orderBy('name')
        .execute();
      return rows.map((row) => ({ name: row.name, person: row.person_id }));
    },
    async configuration(digest) {
      const row = await db
        .selectFrom('configurations')
        .select('canonical')
        .where('digest', '=', digest)
        .executeTakeFirst();
      return row?.canonical ?? null;
    },
    async agents() {
      const rows = await db
        .selectFrom('agents')
        .select(['name', 'version', 'runners', 'seen_at'])
        .select((eb) =>
          eb
            .selectFrom('attempts')
            .whereRef('attempts.agent', '=', 'agents.name')
            .where('attempts.ended_at', 'is', null)
            .where('attempts.handed_out_at', 'is', null)
            .select((inner) => inner.fn.countAll<number>().as('parked'))
            .as('parked'),
        )
        .orderBy('name')
        .execute();
      return rows.map((row) => ({
        name: row.name,
        version: row.version,
        runners: JSON.parse(row.runners),
        seenAt: row.seen_at,
        parked: Number(row.parked ?? 0),
      }));
    },
    async outbox(agent, after, limit) {
      const rows = await db
        .selectFrom('outbox')
        .selectAll()
        .where('agent', '=', agent)
        .where('seq', '>', after)
        .orderBy('seq')
        .limit(limit)
        .execute();
      return rows.map(pushOf);
    },
    async token(id) {
      const row = await db.selectFrom('tokens').selectAll().where('id', '=', id).executeTakeFirst();
      return row === undefined ? null : tokenOf(row);
    },
    async tokenOfHash(hash) {
      const row = await db.selectFrom('tokens').selectAll().where('hash', '=', hash).executeTakeFirst();
      return row === undefined ? null : tokenOf(row);
    },
    ...passkeyReads(db),
    async session(token) {
      const row = await db.selectFrom('sessions').selectAll().where('token', '=', token).executeTakeFirst();
      return row === undefined ? null : sessionOf(row);
    },
    async claimedSessions(now) {
      const rows = await db
        .selectFrom('tokens')
        .innerJoin('sessions', 'sessions.token', 'tokens.id')
        .selectAll('tokens')
        .select('sessions.claimed')
        .where('claimed', 'is not', null)
        .where('revoked_at', 'is', null)
        .where('expires_at', '>', now)
        .orderBy('tokens.id')
        .execute();
      return rows.map(({ claimed, ...token }) => ({ token: tokenOf(token), claimed: JSON.parse(claimed ?? 'null') }));
    },
    async liveSessions(owner, now) {
      const rows = await db
        .selectFrom('tokens')
        .innerJoin('sessions', 'sessions.token', 'tokens.id')
        .selectAll('tokens')
        .where('owner_id', '=', owner)
        .where('revoked_at', 'is', null)
        .where('expires_at', '>', now)
        .orderBy('id', 'desc')
        .execute();
      return rows.map(tokenOf);
    },
    async tokens(owner, page) {
      let query = db.selectFrom('tokens').selectAll().where('id', '>', page.after).orderBy('id').limit(page.limit);
      if (owner !== null) query = query.where('owner_id', '=', owner);
      return (await query.execute()).map(tokenOf);
    },
    async usableTokens(owner, now) {
      const { count } = await db
        .selectFrom('tokens')
        .select((eb) => eb.fn.countAll<number>().as('count'))
        .where('owner_id', '=', owner)
        .where('revoked_at', 'is', null)
        .where('expires_at', '>', now)
        .executeTakeFirstOrThrow();
      return Number(count);
    },
    async idleTokens(before, now, limit) {
      const rows = await db
        .selectFrom('tokens')
        .selectAll()
        .where('owner_id', 'is not', null)
        .where('revoked_at', 'is', null)
        .where('expires_at', '>', now)
        .where((eb) => eb(eb.fn.coalesce('last_used_at', 'created_at'), '<=', before))
        .orderBy('id')
        .limit(limit)
        .execute();
      return rows.map(tokenOf);
    },
    ...auditReads(db),
  };
}
