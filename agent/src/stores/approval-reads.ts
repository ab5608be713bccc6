import { type Expression, expressionBuilder, type Kysely, type RawBuilder, type SqlBool, sql } from 'kysely';
import type { Approval } from '../domain/approval.ts';
import type { StoreReader } from '../ports/store.ts';
import { branchesOf, pageOf, pageOfAll } from './branches.ts';
import { approvalOf } from './review-rows.ts';
import type { Schema } from './schema.ts';
import { namedIds } from './sight.ts';
import { among, contains, ofSubject, takeTurns } from './statements.ts';

/** SQLite takes some 32,000 values in one statement; GitLab's own limit is 50 needs. */
const MAX_IN_LIST = 1_000;
/** The number of a row as a sum, which no index has: no planner goes along all approvals of a project for the few of a Subject. */
const BY_NUMBER = sql<number>`id + 0`;
/** What somebody who looks for an Approval may remember of it. */
const TEXTS = ['job', 'project_path', 'ref', 'environment', 'digest'];

/** Reads about Approvals, and what is approved with them. */
export function approvalReads(
  db: Kysely<Schema>,
): Pick<
  StoreReader,
  | 'runnersOf'
  | 'endingApprovals'
  | 'renewalsOf'
  | 'decidedProjects'
  | 'approval'
  | 'approvalsOf'
  | 'approvalsMark'
  | 'givenTo'
  | 'revokedOf'
  | 'approvals'
  | 'approvalsWithIds'
  | 'dueApprovals'
  | 'admittedJobs'
  | 'reveals'
> {
  return {
    async decidedProjects(projects, now) {
      // One step through the index for each project and one for what is in force there, however many approvals it has.
      const least = sql`select min(project_id) from approvals where revoked_at is null`;
      const inForce = (end: RawBuilder<SqlBool>) =>
        sql`exists (select 1 from approvals where project_id = known.project and revoked_at is null and ${end})`;
      const { rows: approved } = await sql<{ project_id: number }>`with recursive known(project) as (
          select (${least}) union all
          select (${least} and project_id > known.project) from known where known.project is not null
        ) select project as project_id from known where project is not null
          and (${inForce(sql`ends_at > ${now}`)} or ${inForce(sql`ends_at is null`)})`.execute(db);
      const denied = await db
        .selectFrom('denials')
        .select('project_id')
        .distinct()
        .where('project_id', 'in', among(projects))
        .where('until', '>', now)
        .where('lifted_at', 'is', null)
        .execute();
      const decided = new Set([...approved, ...denied].map((row) => row.project_id));
      return new Set(projects.filter((project) => decided.has(project)));
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
        .orderBy(BY_NUMBER, 'desc')
        .limit(limit);
      if (digest !== null) query = query.where('digest', '=', digest);
      return (await query.execute()).map(approvalOf);
    },
    async approvalsMark(subject, now) {
      const row = await db
        .selectFrom('approvals')
        .select((eb) => [
          eb.fn.countAll<number>().as('count'),
          eb.fn.max('id').as('newest'),
          eb.fn.sum<number>('version').as('versions'),
          eb.fn.sum<number>(eb.case().when('ends_at', '<=', now).then(1).else(0).end()).as('ended'),
        ])
        .where(ofSubject(subject))
        .executeTakeFirstOrThrow();
      return [row.count, row.newest, row.versions, row.ended].join(' ');
    },
    async givenTo(subject, limit) {
      const rows = await db
        .selectFrom('approvals')
        .select(['created_at', 'digest'])
        .where(ofSubject(subject))
        .where('revoked_at', 'is', null)
        .where('break_glass', 'is', null)
        .orderBy(BY_NUMBER, 'desc')
        .limit(limit)
        .execute();
      return rows.map((row) => ({ createdAt: row.created_at, digest: row.digest }));
    },
    async revokedOf(subject, limit) {
      const query = db
        .selectFrom('approvals')
        .selectAll()
        .where(ofSubject(subject))
        .where('revoked_at', 'is not', null)
        .where('break_glass', 'is', null)
        .orderBy(BY_NUMBER, 'desc')
        .limit(limit);
      return (await query.execute()).map(approvalOf);
    },
    async approvals(filter, page) {
      const { id, project, job, digest, revoked, text, endsAfter, unusedSince, sight } = filter;
      const eb = expressionBuilder<Schema, 'approvals'>();
      const meeting: Expression<SqlBool>[] = [];
      if (id !== undefined) meeting.push(eb('id', '=', id));
      if (typeof project === 'number') meeting.push(eb('project_id', '=', project));
      if (typeof project === 'string') meeting.push(eb('project_path', '=', project));
      if (job !== undefined) meeting.push(eb('job', '=', job));
      if (digest !== undefined) meeting.push(eb('digest', '=', digest));
      if (revoked === false) meeting.push(eb('revoked_at', 'is', null));
      if (text !== undefined) meeting.push(contains(TEXTS, text));
      if (endsAfter !== undefined) meeting.push(eb.or([eb('ends_at', 'is', null), eb('ends_at', '>', endsAfter)]));
      if (unusedSince !== undefined) meeting.push(eb(eb.fn.coalesce('last_used_at', 'created_at'), '<=', unusedSince));
      const own = sight && eb('review', 'in', namedIds(db, 'review', sight));
      const branches = branchesOf('approvals', meeting, undefined, sight && own && { projects: sight.projects, own });
      const isNarrow = [id, project, digest].some((one) => one !== undefined) || branches.length > 1;
      const asksAll = [job, text, endsAfter, unusedSince].some((one) => one !== undefined);
      const ids = await (!isNarrow && asksAll ? pageOfAll : pageOf)(db, 'approvals', branches, page);
      const rows = db.selectFrom('approvals').selectAll().where('id', 'in', among(ids));
      return (await rows.orderBy('id', page.newest === true ? 'desc' : 'asc').execute()).map(approvalOf);
    },
    async approvalsWithIds(ids) {
      const rows = await db.selectFrom('approvals').selectAll().where('id', 'in', among(ids)).execute();
      return rows.map(approvalOf);
    },
    async dueApprovals(now, limit) {
      // From the Holds that passed with one and are not with a runner yet: those are few, and approvals that have ended are many.
      const passed = db
        .selectFrom('holds')
        .select('approval as id')
        .where('state', '=', 'pending')
        .where('approval', 'is not', null)
        .union(
          db
            .selectFrom('holds')
            .select('configured as id')
            .where('configured', 'is not', null)
            .where('state', '=', 'waiting_for_approval'),
        );
      const rows = await db
        .selectFrom('approvals')
        .selectAll()
        .where('id', 'in', passed)
        .where('ends_at', '<=', now)
        .where('revoked_at', 'is', null)
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
    async runnersOf(approvals) {
      const rows = await db
        .selectFrom('holds')
        .innerJoin('attempts', 'attempts.hold', 'holds.id')
        .select(['holds.approval', 'attempts.runner'])
        .distinct()
        .where('holds.approval', 'in', among(approvals))
        .where('attempts.handed_out_at', 'is not', null)
        .orderBy('attempts.runner')
        .execute();
      const runners = new Map<number, string[]>();
      for (const { approval, runner } of rows) {
        if (approval !== null) runners.set(approval, [...(runners.get(approval) ?? []), runner]);
      }
      return runners;
    },
    async endingApprovals({ from, to, sight }, page) {
      // The numbers of all that end in that time come out of an index; what they are like is looked at for as many as it takes.
      const ending = await db
        .selectFrom('approvals')
        .select('id')
        .where('revoked_at', 'is', null)
        .where('ends_at', '>', from)
        .where('ends_at', '<=', to)
        .where('id', '>', page.after)
        .orderBy(BY_NUMBER)
        .execute();
      const found: Approval[] = [];
      for (let at = 0; at < ending.length && found.length < page.limit; at += MAX_IN_LIST) {
        const ids = ending.slice(at, at + MAX_IN_LIST).map(({ id }) => id);
        let query = db
          .selectFrom('approvals')
          .selectAll()
          .where('id', 'in', among(ids))
          .where('lifetime', 'like', 'until:%')
          .where(({ not, exists, selectFrom }) =>
            not(
              exists(
                selectFrom('approvals as later')
                  .select('later.id')
                  .whereRef('later.renews', '=', 'approvals.id')
                  .where('later.revoked_at', 'is', null),
              ),
            ),
          )
          .orderBy('id')
          .limit(page.limit - found.length);
        if (sight !== null) query = query.where('project_id', 'in', among(sight.projects));
        found.push(...(await query.execute()).map(approvalOf));
        await takeTurns();
      }
      return found;
    },
    async renewalsOf(approval) {
      const rows = await db.selectFrom('approvals').select('id').where('renews', '=', approval).orderBy('id').execute();
      return rows.map((row) => row.id);
    },
  };
}
