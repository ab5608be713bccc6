import { type Kysely, type SelectQueryBuilder, sql } from 'kysely';
import { HoldpointError } from '../domain/errors.ts';
import type {
  DeployedTo,
  DeploymentFilter,
  DeploymentOrder,
  DeploymentReads,
  DeploymentWrites,
} from '../ports/deployment-store.ts';
import type { Sight } from '../ports/store.ts';
import { currentQuery } from './current-deployments.ts';
import { deploymentChanges, deploymentColumns, deploymentOf, deploymentVoteOf, markOf } from './deployment-rows.ts';
import type { Schema } from './schema.ts';
import { among, contains, inOrder } from './statements.ts';

type Reads =
  | 'deployment'
  | 'deploymentOfHold'
  | 'deployments'
  | 'deploymentsInOrder'
  | 'countDeployments'
  | 'deploymentsTo'
  | 'deploymentVotes'
  | 'votesOnDeployments'
  | 'currentDeployments'
  | 'brokenMark'
  | 'brokenMarks'
  | 'environments';

/** What somebody who looks for a Deployment may remember of it. */
const TEXTS = ['job', 'project_path', 'environment', 'ref', 'sha'];

const COLUMNS = {
  id: 'id',
  iid: 'iid',
  createdAt: 'created_at',
  updatedAt: 'updated_at',
  finishedAt: 'finished_at',
  ref: 'ref',
} as const satisfies Record<DeploymentOrder['by'], string>;

/** Reads about deployments; `visibleHolds` says which Holds somebody may see, and so which Deployments. */
export function deploymentReads(
  db: Kysely<Schema>,
  visibleHolds: (sight: Sight) => SelectQueryBuilder<Schema, 'holds', { id: number }>,
): Pick<DeploymentReads, Reads> {
  const filtered = (filter: DeploymentFilter) => {
    const { states, project, environment, sight } = filter;
    let query = db.selectFrom('deployments');
    if (states !== undefined) query = query.where('state', 'in', among(states));
    if (typeof project === 'number') query = query.where('project_id', '=', project);
    if (typeof project === 'string') query = query.where('project_path', '=', project);
    if (environment !== undefined) query = query.where('environment', '=', environment);
    if (filter.text !== undefined) query = query.where(contains(TEXTS, filter.text));
    if (filter.updatedAfter !== undefined) query = query.where('updated_at', '>', filter.updatedAfter);
    if (filter.updatedBefore !== undefined) query = query.where('updated_at', '<', filter.updatedBefore);
    if (filter.finishedAfter !== undefined) query = query.where('finished_at', '>', filter.finishedAfter);
    if (filter.finishedBefore !== undefined) query = query.where('finished_at', '<', filter.finishedBefore);
    return sight === null ? query : query.where('hold', 'in', visibleHolds(sight));
  };
  const to = ({ instance, projectId, environment }: DeployedTo) =>
    sql<boolean>`instance = ${instance} and project_id = ${projectId} and environment = ${environment}`;
  return {
    async deployment(id) {
      const row = await db.selectFrom('deployments').selectAll().where('id', '=', id).executeTakeFirst();
      return row === undefined ? null : deploymentOf(row);
    },
    async deploymentOfHold(hold) {
      const row = await db.selectFrom('deployments').selectAll().where('hold', '=', hold).executeTakeFirst();
      return row === undefined ? null : deploymentOf(row);
    },
    async deployments(filter, page) {
      return (await inOrder(filtered(filter).selectAll(), page).execute()).map(deploymentOf);
    },
    async deploymentsInOrder(filter, { by, descending }, { offset, limit }) {
      const direction = descending ? 'desc' : 'asc';
      // What has no such value comes first of all, as SQLite has it.
      const query = filtered(filter)
        .selectAll()
        .orderBy(COLUMNS[by], (order) => (descending ? order.desc().nullsLast() : order.asc().nullsFirst()))
        .orderBy('id', direction)
        .limit(limit)
        .offset(offset);
      return (await query.execute()).map(deploymentOf);
    },
    async currentDeployments(filter, page) {
      const { sight } = filter;
      let query = currentQuery(db, filter, page);
      if (sight !== null) query = query.where('deployments.hold', 'in', visibleHolds(sight));
      return (await query.execute()).map(deploymentOf);
    },
    async countDeployments(filter) {
      const { count } = await filtered(filter)
        .select((eb) => eb.fn.countAll<number>().as('count'))
        .executeTakeFirstOrThrow();
      return Number(count);
    },
    async deploymentsTo(where, { states, sha, digest, job, pipelineId }, limit) {
      let query = db.selectFrom('deployments').selectAll().where(to(where)).orderBy('id', 'desc').limit(limit);
      if (states !== undefined) query = query.where('state', 'in', among(states));
      if (sha !== undefined) query = query.where('sha', '=', sha);
      if (digest !== undefined) query = query.where('digest', '=', digest);
      if (job !== undefined) query = query.where('job', '=', job);
      if (pipelineId !== undefined) query = query.where('pipeline_id', '=', pipelineId);
      return (await query.execute()).map(deploymentOf);
    },
    async deploymentVotes(deployment) {
      const rows = await db
        .selectFrom('deployment_votes')
        .selectAll()
        .where('deployment', '=', deployment)
        .orderBy('at')
        .orderBy('person_id')
        .execute();
      return rows.map(deploymentVoteOf);
    },
    async votesOnDeployments(deployments) {
      const rows = await db
        .selectFrom('deployment_votes')
        .selectAll()
        .where('deployment', 'in', among(deployments))
        .orderBy('at')
        .orderBy('person_id')
        .execute();
      return rows.map(deploymentVoteOf);
    },
    async brokenMark(where, sha) {
      const rows = await db
        .selectFrom('broken_marks')
        .selectAll()
        .where('instance', '=', where.instance)
        .where('project_id', '=', where.projectId)
        .where('sha', '=', sha)
        .where('lifted_at', 'is', null)
        .execute();
      // As where environments are protected: another letter case is no other environment (T20).
      const row = rows.find(({ environment }) => environment.toLowerCase() === where.environment.toLowerCase());
      return row === undefined ? null : markOf(row);
    },
    async brokenMarks(instance, projectId, limit) {
      const rows = await db
        .selectFrom('broken_marks')
        .selectAll()
        .where('instance', '=', instance)
        .where('project_id', '=', projectId)
        .orderBy('id', 'desc')
        .limit(limit)
        .execute();
      return rows.map(markOf);
    },
    async environments(projectId, page) {
      const rows = await db
        .selectFrom('environments')
        .selectAll()
        .where('project_id', '=', projectId)
        .where('id', '>', page.after)
        .orderBy('id')
        .limit(page.limit)
        .execute();
      return rows.map(({ project_id, created_at, updated_at, ...row }) => ({
        ...row,
        projectId: project_id,
        createdAt: created_at,
        updatedAt: updated_at,
      }));
    },
  };
}

type Writes = 'insertDeployment' | 'updateDeployment' | 'putDeploymentVote' | 'insertBrokenMark' | 'liftBrokenMark';

/** Writes about deployments. */
export function deploymentWrites(db: Kysely<Schema>): Pick<DeploymentWrites, Writes> {
  return {
    async insertDeployment(deployment) {
      const { environment, subject, createdAt: at } = deployment;
      const about = { slug: environment.slug, tier: environment.tier, url: environment.url, updated_at: at };
      const { id: environmentId } = await db
        .insertInto('environments')
        .values({ project_id: subject.projectId, name: environment.name, ...about, created_at: at })
        .onConflict((conflict) => conflict.columns(['project_id', 'name']).doUpdateSet(about))
        .returning('id')
        .executeTakeFirstOrThrow();
      const { last } = await db
        .selectFrom('deployments')
        .select((eb) => eb.fn.max<number | null>('iid').as('last'))
        .where('project_id', '=', subject.projectId)
        .executeTakeFirstOrThrow();
      const iid = Number(last ?? 0) + 1;
      const { id } = await db
        .insertInto('deployments')
        .values({ ...deploymentColumns(deployment), iid, environment_id: environmentId })
        .returning('id')
        .executeTakeFirstOrThrow();
      return { ...deployment, id, iid, environment: { ...environment, id: environmentId } };
    },
    async updateDeployment(deployment) {
      const { numUpdatedRows } = await db
        .updateTable('deployments')
        .set(deploymentChanges(deployment))
        .where('id', '=', deployment.id)
        .where('version', '=', deployment.version - 1)
        .executeTakeFirst();
      if (numUpdatedRows !== 1n) throw changedMeanwhile(`deployment ${deployment.id}`);
    },
    async putDeploymentVote(vote) {
      const { deployment, person, decision, representedAs, comment, proof, at } = vote;
      const said = {
        username: person.username,
        name: person.name,
        decision,
        represented_as: representedAs,
        comment,
        proof: proof === undefined ? null : JSON.stringify(proof),
        at,
      };
      await db
        .insertInto('deployment_votes')
        .values({ deployment, person_id: person.id, ...said })
        .onConflict((conflict) => conflict.columns(['deployment', 'person_id']).doUpdateSet(said))
        .execute();
    },
    async insertBrokenMark(mark) {
      const { id } = await db
        .insertInto('broken_marks')
        .values({
          instance: mark.instance,
          project_id: mark.projectId,
          environment: mark.environment,
          sha: mark.sha,
          deployment: mark.deployment,
          by_id: mark.by.id,
          by_username: mark.by.username,
          by_name: mark.by.name,
          reason: mark.reason,
          at: mark.at,
        })
        .returning('id')
        .executeTakeFirstOrThrow();
      return { ...mark, id };
    },
    async liftBrokenMark(id, { by, at, reason }) {
      const { numUpdatedRows } = await db
        .updateTable('broken_marks')
        .set({
          lifted_at: at,
          lifted_by_id: by.id,
          lifted_by_username: by.username,
          lifted_by_name: by.name,
          lifted_reason: reason,
        })
        .where('id', '=', id)
        .where('lifted_at', 'is', null)
        .executeTakeFirst();
      if (numUpdatedRows !== 1n) throw changedMeanwhile(`mark ${id}`);
    },
  };
}

/** The error of a write that somebody else was faster than. */
export function changedMeanwhile(what: string): HoldpointError {
  return new HoldpointError(
    'hold_conflict',
    `${what} was changed by somebody else in the meantime: look at it and try again`,
  );
}
