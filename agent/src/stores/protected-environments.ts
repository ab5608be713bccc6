import type { Kysely } from 'kysely';
import type { AccessElement, ProtectedEnvironment } from '../domain/protected-environment.ts';
import type { DeploymentReads, DeploymentWrites } from '../ports/deployment-store.ts';
import { changeColumns, changeOf, protectedColumns, protectedOf } from './deployment-rows.ts';
import { changedMeanwhile } from './deployments.ts';
import type { Schema } from './schema.ts';

type Reads =
  | 'protectedEnvironment'
  | 'protectedEnvironmentNamed'
  | 'protectedEnvironments'
  | 'projectOptions'
  | 'environmentChange'
  | 'openEnvironmentChanges';

/** Reads of what people protect through the API. */
export function protectedReads(db: Kysely<Schema>): Pick<DeploymentReads, Reads> {
  return {
    async protectedEnvironment(id) {
      const row = await db.selectFrom('protected_environments').selectAll().where('id', '=', id).executeTakeFirst();
      return row === undefined ? null : protectedOf(row);
    },
    async protectedEnvironmentNamed({ level, owner, name }) {
      const row = await db
        .selectFrom('protected_environments')
        .selectAll()
        .where('level', '=', level)
        .where('owner', '=', owner)
        .where('folded', '=', name.toLowerCase())
        .executeTakeFirst();
      return row === undefined ? null : protectedOf(row);
    },
    async protectedEnvironments(level, owner) {
      let query = db.selectFrom('protected_environments').selectAll().where('level', '=', level).orderBy('name');
      if (owner !== null) query = query.where('owner', '=', owner);
      return (await query.orderBy('id').execute()).map(protectedOf);
    },
    async projectOptions(projectId) {
      const row = await db
        .selectFrom('project_options')
        .select('trigger_approves')
        .where('project_id', '=', projectId)
        .executeTakeFirst();
      return { allowPipelineTriggerApprove: row?.trigger_approves === 1 };
    },
    async environmentChange(id) {
      const row = await db.selectFrom('environment_changes').selectAll().where('id', '=', id).executeTakeFirst();
      return row === undefined ? null : changeOf(row);
    },
    async openEnvironmentChanges(level, owner) {
      const rows = await db
        .selectFrom('environment_changes')
        .selectAll()
        .where('level', '=', level)
        .where('owner', '=', owner)
        .where('state', '=', 'open')
        .orderBy('id')
        .execute();
      return rows.map(changeOf);
    },
  };
}

type Writes =
  | 'insertProtectedEnvironment'
  | 'updateProtectedEnvironment'
  | 'deleteProtectedEnvironment'
  | 'putProjectOptions'
  | 'insertEnvironmentChange'
  | 'updateEnvironmentChange';

/** Writes of what people protect through the API. */
export function protectedWrites(db: Kysely<Schema>): Pick<DeploymentWrites, Writes> {
  /** Elements with an id each: one that is new gets its own, which no other element ever had. */
  async function numbered<T extends AccessElement>(environment: number, elements: readonly T[]): Promise<readonly T[]> {
    const out: T[] = [];
    for (const element of elements) {
      if (element.id !== 0) {
        out.push(element);
        continue;
      }
      const { id } = await db
        .insertInto('environment_elements')
        .values({ environment })
        .returning('id')
        .executeTakeFirstOrThrow();
      out.push({ ...element, id });
    }
    return out;
  }
  const withIds = async (one: ProtectedEnvironment): Promise<ProtectedEnvironment> => ({
    ...one,
    deployAccess: await numbered(one.id, one.deployAccess),
    approvalRules: await numbered(one.id, one.approvalRules),
  });
  return {
    async insertProtectedEnvironment(environment) {
      const { id } = await db
        .insertInto('protected_environments')
        .values(protectedColumns(environment))
        .returning('id')
        .executeTakeFirstOrThrow();
      const whole = await withIds({ ...environment, id });
      await db.updateTable('protected_environments').set(protectedColumns(whole)).where('id', '=', id).execute();
      return whole;
    },
    async updateProtectedEnvironment(environment) {
      const whole = await withIds(environment);
      const { numUpdatedRows } = await db
        .updateTable('protected_environments')
        .set(protectedColumns(whole))
        .where('id', '=', whole.id)
        .where('version', '=', whole.version - 1)
        .executeTakeFirst();
      if (numUpdatedRows !== 1n) throw changedMeanwhile(`protected environment ${whole.name}`);
      return whole;
    },
    async deleteProtectedEnvironment({ id, version }) {
      const { numDeletedRows } = await db
        .deleteFrom('protected_environments')
        .where('id', '=', id)
        .where('version', '=', version)
        .executeTakeFirst();
      if (numDeletedRows !== 1n) throw changedMeanwhile(`protected environment ${id}`);
    },
    async putProjectOptions(projectId, { allowPipelineTriggerApprove }) {
      const said = { trigger_approves: allowPipelineTriggerApprove ? 1 : 0 };
      await db
        .insertInto('project_options')
        .values({ project_id: projectId, ...said })
        .onConflict((conflict) => conflict.column('project_id').doUpdateSet(said))
        .execute();
    },
    async insertEnvironmentChange(change) {
      const { id } = await db
        .insertInto('environment_changes')
        .values(changeColumns(change))
        .returning('id')
        .executeTakeFirstOrThrow();
      return { ...change, id };
    },
    async updateEnvironmentChange(change) {
      const { numUpdatedRows } = await db
        .updateTable('environment_changes')
        .set(changeColumns(change))
        .where('id', '=', change.id)
        .where('version', '=', change.version - 1)
        .executeTakeFirst();
      if (numUpdatedRows !== 1n) throw changedMeanwhile(`change ${change.id}`);
    },
  };
}
