/** Rows of deployments to domain values and back. */
import type { Insertable, Selectable } from 'kysely';
import type { BrokenMark, Deployment, DeploymentState, DeploymentVote } from '../domain/deployment.ts';
import type { EnvironmentChange, ProtectedEnvironment } from '../domain/protected-environment.ts';
import type { VoteProof } from '../domain/step-up.ts';
import type {
  BrokenMarkTable,
  DeploymentTable,
  DeploymentVoteTable,
  EnvironmentChangeTable,
  ProtectedEnvironmentTable,
} from './deployment-schema.ts';

/** A Deployment of its row. */
export function deploymentOf(row: Selectable<DeploymentTable>): Deployment {
  const { started_by: by, started_at: at } = row;
  return {
    id: row.id,
    iid: row.iid,
    version: row.version,
    state: row.state as DeploymentState,
    hold: row.hold,
    subject: { instance: row.instance, projectId: row.project_id, job: row.job },
    projectPath: row.project_path,
    stage: row.stage,
    digest: row.digest,
    place: { ref: row.ref, refProtected: row.ref_protected === 1, environment: row.environment },
    sha: row.sha,
    pipelineId: row.pipeline_id,
    environment: {
      id: row.environment_id,
      name: row.environment,
      slug: row.slug,
      tier: row.tier,
      action: row.action,
      url: row.url,
      verified: row.verified === 1,
    },
    kind: row.kind as Deployment['kind'],
    trigger: JSON.parse(row.deployer) as Deployment['trigger'],
    rules: JSON.parse(row.rules) as Deployment['rules'],
    requirement: JSON.parse(row.requirement) as Deployment['requirement'],
    started: by === null || at === null ? null : { person: JSON.parse(by), at },
    approvedAt: row.approved_at,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
    runningAt: row.running_at,
    finishedAt: row.finished_at,
    reason: row.reason,
  };
}

/** Columns of a Deployment that may change after it was opened. */
export function deploymentChanges(deployment: Omit<Deployment, 'id' | 'iid' | 'environment'>) {
  return {
    version: deployment.version,
    state: deployment.state,
    started_by: deployment.started === null ? null : JSON.stringify(deployment.started.person),
    started_at: deployment.started?.at ?? null,
    approved_at: deployment.approvedAt,
    updated_at: deployment.updatedAt,
    running_at: deployment.runningAt,
    finished_at: deployment.finishedAt,
    reason: deployment.reason,
  };
}

/** Columns of a new Deployment, its number and its environment's id left out. */
export function deploymentColumns(
  deployment: Omit<Deployment, 'id' | 'iid' | 'environment'> & {
    readonly environment: Omit<Deployment['environment'], 'id'>;
  },
): Omit<Insertable<DeploymentTable>, 'iid' | 'environment_id'> {
  const { environment } = deployment;
  return {
    ...deploymentChanges(deployment),
    hold: deployment.hold,
    instance: deployment.subject.instance,
    project_id: deployment.subject.projectId,
    project_path: deployment.projectPath,
    job: deployment.subject.job,
    stage: deployment.stage,
    digest: deployment.digest,
    ref: deployment.place.ref,
    ref_protected: deployment.place.refProtected ? 1 : 0,
    environment: environment.name,
    slug: environment.slug,
    tier: environment.tier,
    action: environment.action,
    url: environment.url,
    verified: environment.verified ? 1 : 0,
    sha: deployment.sha,
    pipeline_id: deployment.pipelineId,
    kind: deployment.kind,
    deployer: JSON.stringify(deployment.trigger),
    rules: JSON.stringify(deployment.rules),
    requirement: JSON.stringify(deployment.requirement),
    created_at: deployment.createdAt,
  };
}

/** A vote of its row. */
export function deploymentVoteOf(row: Selectable<DeploymentVoteTable>): DeploymentVote {
  return {
    deployment: row.deployment,
    person: { id: row.person_id, username: row.username, name: row.name },
    decision: row.decision as DeploymentVote['decision'],
    representedAs: row.represented_as,
    comment: row.comment,
    ...(row.proof === null ? {} : { proof: JSON.parse(row.proof) as VoteProof }),
    at: row.at,
  };
}

/** A protection of its row. */
export function protectedOf(row: Selectable<ProtectedEnvironmentTable>): ProtectedEnvironment {
  return {
    id: row.id,
    version: row.version,
    level: row.level as ProtectedEnvironment['level'],
    owner: row.owner,
    ownerPath: row.owner_path,
    name: row.name,
    deployAccess: JSON.parse(row.deploy_access) as ProtectedEnvironment['deployAccess'],
    approvalRules: JSON.parse(row.approval_rules) as ProtectedEnvironment['approvalRules'],
    options: JSON.parse(row.options) as ProtectedEnvironment['options'],
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  };
}

/** Columns of a protection. */
export function protectedColumns(one: Omit<ProtectedEnvironment, 'id'>): Insertable<ProtectedEnvironmentTable> {
  return {
    version: one.version,
    level: one.level,
    owner: one.owner,
    owner_path: one.ownerPath,
    name: one.name,
    folded: one.name.toLowerCase(),
    deploy_access: JSON.stringify(one.deployAccess),
    approval_rules: JSON.stringify(one.approvalRules),
    options: JSON.stringify(one.options),
    created_at: one.createdAt,
    updated_at: one.updatedAt,
  };
}

/** A change of its row. */
export function changeOf(row: Selectable<EnvironmentChangeTable>): EnvironmentChange {
  const { decided_by_id: id, decided_at: at } = row;
  return {
    id: row.id,
    version: row.version,
    level: row.level as EnvironmentChange['level'],
    owner: row.owner,
    ownerPath: row.owner_path,
    name: row.name,
    action: JSON.parse(row.action) as EnvironmentChange['action'],
    base: row.base,
    state: row.state as EnvironmentChange['state'],
    by: { id: row.by_id, username: row.by_username, name: row.by_name },
    at: row.at,
    decided:
      id === null || at === null
        ? null
        : { by: { id, username: row.decided_by_username ?? '', name: row.decided_by_name ?? '' }, at },
  };
}

/** Columns of a change. */
export function changeColumns(change: Omit<EnvironmentChange, 'id'>): Insertable<EnvironmentChangeTable> {
  return {
    version: change.version,
    level: change.level,
    owner: change.owner,
    owner_path: change.ownerPath,
    name: change.name,
    action: JSON.stringify(change.action),
    base: change.base,
    state: change.state,
    by_id: change.by.id,
    by_username: change.by.username,
    by_name: change.by.name,
    at: change.at,
    decided_by_id: change.decided?.by.id ?? null,
    decided_by_username: change.decided?.by.username ?? null,
    decided_by_name: change.decided?.by.name ?? null,
    decided_at: change.decided?.at ?? null,
  };
}

/** A mark of its row. */
export function markOf(row: Selectable<BrokenMarkTable>): BrokenMark {
  const { lifted_at: at, lifted_by_id: id } = row;
  return {
    id: row.id,
    instance: row.instance,
    projectId: row.project_id,
    environment: row.environment,
    sha: row.sha,
    deployment: row.deployment,
    by: { id: row.by_id, username: row.by_username, name: row.by_name },
    reason: row.reason,
    at: row.at,
    lifted:
      at === null || id === null
        ? null
        : {
            by: { id, username: row.lifted_by_username ?? '', name: row.lifted_by_name ?? '' },
            at,
            reason: row.lifted_reason,
          },
  };
}
