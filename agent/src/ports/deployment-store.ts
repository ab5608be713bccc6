import type { BrokenMark, Deployment, DeploymentState, DeploymentVote } from '../domain/deployment.ts';
import type { EnvironmentChange, EnvironmentKey, ProtectedEnvironment } from '../domain/protected-environment.ts';
import type { OrderedPage, Page, Sight } from './listing.ts';

/** Which Deployments to list; all conditions must fit. Times are epoch ms, both ends excluded. */
export interface DeploymentFilter {
  readonly states?: readonly DeploymentState[];
  /** Id or full path. */
  readonly project?: number | string;
  /** Name of the environment. */
  readonly environment?: string;
  /** A part of job, project, environment, ref or commit, whatever its letter case. */
  readonly text?: string;
  readonly updatedAfter?: number;
  readonly updatedBefore?: number;
  readonly finishedAfter?: number;
  readonly finishedBefore?: number;
  /** Null: everything. */
  readonly sight: Sight | null;
}
/** In what order. What is equal is in order of id, in the same direction. */
export interface DeploymentOrder {
  readonly by: 'id' | 'iid' | 'createdAt' | 'updatedAt' | 'finishedAt' | 'ref';
  readonly descending: boolean;
}
/** An environment that somebody has deployed to. */
export interface KnownEnvironment {
  readonly id: number;
  readonly projectId: number;
  readonly name: string;
  readonly slug: string | null;
  readonly tier: string | null;
  readonly url: string | null;
  /** Epoch ms. */
  readonly createdAt: number;
  readonly updatedAt: number;
}
/** Settings of a project that hold for all its environments. */
export interface ProjectOptions {
  readonly allowPipelineTriggerApprove: boolean;
}
/** Where a Deployment went. */
export interface DeployedTo {
  readonly instance: string;
  readonly projectId: number;
  readonly environment: string;
}

/** Reads about deployments and what protects environments. */
export interface DeploymentReads {
  deployment(id: number): Promise<Deployment | null>;
  deploymentOfHold(hold: number): Promise<Deployment | null>;
  /** In order of id. */
  deployments(filter: DeploymentFilter, page: OrderedPage): Promise<readonly Deployment[]>;
  deploymentsInOrder(
    filter: DeploymentFilter,
    order: DeploymentOrder,
    part: { readonly offset: number; readonly limit: number },
  ): Promise<readonly Deployment[]>;
  /**
   * What is deployed to each environment of each project now: its last Deployment that ended well, those left out that only
   * look at it (`verify`, `access`, `prepare`). In order of the environment's id, which `page.after` is one of.
   */
  currentDeployments(
    filter: Pick<DeploymentFilter, 'project' | 'environment' | 'sight'>,
    page: Page,
  ): Promise<readonly Deployment[]>;
  countDeployments(filter: DeploymentFilter): Promise<number>;
  /** Deployments to one environment, the newest first; at most `limit`. */
  deploymentsTo(
    to: DeployedTo,
    only: {
      readonly states?: readonly DeploymentState[];
      readonly sha?: string;
      readonly digest?: string;
      readonly job?: string;
      readonly pipelineId?: number;
    },
    limit: number,
  ): Promise<readonly Deployment[]>;
  /** Votes on these Deployments, in the order in which they were cast. */
  votesOnDeployments(deployments: readonly number[]): Promise<readonly DeploymentVote[]>;
  /** In the order in which they were cast. */
  deploymentVotes(deployment: number): Promise<readonly DeploymentVote[]>;

  protectedEnvironment(id: number): Promise<ProtectedEnvironment | null>;
  /** By name; letter case does not count. */
  protectedEnvironmentNamed(key: EnvironmentKey): Promise<ProtectedEnvironment | null>;
  /** Of one project or group, or (null) of all groups; in order of name. */
  protectedEnvironments(
    level: ProtectedEnvironment['level'],
    owner: number | null,
  ): Promise<readonly ProtectedEnvironment[]>;
  projectOptions(projectId: number): Promise<ProjectOptions>;
  environmentChange(id: number): Promise<EnvironmentChange | null>;
  /** Changes that wait for a second person, oldest first. */
  openEnvironmentChanges(level: ProtectedEnvironment['level'], owner: number): Promise<readonly EnvironmentChange[]>;

  /** The mark that is in force for a commit, if any. */
  brokenMark(to: DeployedTo, sha: string): Promise<BrokenMark | null>;
  /** All marks of a project, lifted ones too, the newest first; at most `limit`. */
  brokenMarks(instance: string, projectId: number, limit: number): Promise<readonly BrokenMark[]>;
  /** Environments of a project that were deployed to, in order of name. */
  environments(projectId: number, page: Page): Promise<readonly KnownEnvironment[]>;
}

/** Writes about deployments; what changes is compared by version as everywhere. */
export interface DeploymentWrites {
  /** Gives id, iid, and the id of the environment. */
  insertDeployment(
    deployment: Omit<Deployment, 'id' | 'iid' | 'environment'> & {
      readonly environment: Omit<Deployment['environment'], 'id'>;
    },
  ): Promise<Deployment>;
  updateDeployment(deployment: Deployment): Promise<void>;
  /** Replaces what the same person had said. */
  putDeploymentVote(vote: DeploymentVote): Promise<void>;
  /** Elements with the id 0 are given one. */
  insertProtectedEnvironment(environment: Omit<ProtectedEnvironment, 'id'>): Promise<ProtectedEnvironment>;
  /** Elements with the id 0 are given one; those that are not there any more are gone. */
  updateProtectedEnvironment(environment: ProtectedEnvironment): Promise<ProtectedEnvironment>;
  deleteProtectedEnvironment(environment: Pick<ProtectedEnvironment, 'id' | 'version'>): Promise<void>;
  putProjectOptions(projectId: number, options: ProjectOptions): Promise<void>;
  insertEnvironmentChange(change: Omit<EnvironmentChange, 'id'>): Promise<EnvironmentChange>;
  updateEnvironmentChange(change: EnvironmentChange): Promise<void>;
  insertBrokenMark(mark: Omit<BrokenMark, 'id'>): Promise<BrokenMark>;
  liftBrokenMark(id: number, lifted: NonNullable<BrokenMark['lifted']>): Promise<void>;
}
