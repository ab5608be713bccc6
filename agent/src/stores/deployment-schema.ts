/** Tables of deployments as Kysely sees them. Times are epoch ms, flags 0 or 1, structures JSON text. */
import type { Generated } from 'kysely';

/** One environment that was deployed to. */
export interface EnvironmentTable {
  id: Generated<number>;
  project_id: number;
  name: string;
  slug: string | null;
  tier: string | null;
  url: string | null;
  created_at: number;
  updated_at: number;
}
/** One Deployment. */
export interface DeploymentTable {
  id: Generated<number>;
  iid: number;
  version: number;
  state: string;
  hold: number;
  instance: string;
  project_id: number;
  project_path: string | null;
  job: string;
  stage: string | null;
  digest: string;
  ref: string;
  ref_protected: number;
  environment: string;
  environment_id: number;
  slug: string | null;
  tier: string | null;
  action: string | null;
  url: string | null;
  verified: number;
  sha: string;
  pipeline_id: number | null;
  kind: string;
  deployer: string;
  rules: string;
  requirement: string;
  started_by: string | null;
  started_at: number | null;
  approved_at: number | null;
  created_at: number;
  updated_at: number;
  running_at: number | null;
  finished_at: number | null;
  reason: string | null;
}
/** The last word of one person on one Deployment. */
export interface DeploymentVoteTable {
  deployment: number;
  person_id: number;
  username: string;
  name: string;
  decision: string;
  represented_as: string | null;
  comment: string | null;
  /** How the person showed again who they are, as JSON. */
  proof: string | null;
  at: number;
}
/** One protection of the API; `folded` is its name without letter case. */
export interface ProtectedEnvironmentTable {
  id: Generated<number>;
  version: number;
  level: string;
  owner: number;
  owner_path: string | null;
  name: string;
  folded: string;
  deploy_access: string;
  approval_rules: string;
  options: string;
  created_at: number;
  updated_at: number;
}
/** One change that waits, or waited, for a second person. */
export interface EnvironmentChangeTable {
  id: Generated<number>;
  version: number;
  level: string;
  owner: number;
  owner_path: string | null;
  name: string;
  action: string;
  base: number | null;
  state: string;
  by_id: number;
  by_username: string;
  by_name: string;
  at: number;
  decided_by_id: number | null;
  decided_by_username: string | null;
  decided_by_name: string | null;
  decided_at: number | null;
}
/** One commit that is, or was, marked as broken in an environment. */
export interface BrokenMarkTable {
  id: Generated<number>;
  instance: string;
  project_id: number;
  environment: string;
  sha: string;
  deployment: number;
  by_id: number;
  by_username: string;
  by_name: string;
  reason: string;
  at: number;
  lifted_at: number | null;
  lifted_by_id: number | null;
  lifted_by_username: string | null;
  lifted_by_name: string | null;
  lifted_reason: string | null;
}
/** All of them by name. */
export interface DeploymentSchema {
  environments: EnvironmentTable;
  deployments: DeploymentTable;
  deployment_votes: DeploymentVoteTable;
  protected_environments: ProtectedEnvironmentTable;
  environment_elements: { id: Generated<number>; environment: number };
  project_options: { project_id: number; trigger_approves: number };
  environment_changes: EnvironmentChangeTable;
  broken_marks: BrokenMarkTable;
}
