/** Tables as Kysely sees them. Times are epoch ms, flags 0 or 1, structures JSON text. */
import type { Generated } from 'kysely';
import type { DeploymentSchema } from './deployment-schema.ts';
import type { NoticeSchema } from './notice-schema.ts';
import type { WatchSchema } from './watch-schema.ts';

interface SubjectColumns {
  instance: string;
  project_id: number;
  project_path: string | null;
  job: string;
  digest: string;
  ref: string;
  ref_protected: number;
  environment: string | null;
}
/** One Hold. */
export interface HoldTable extends SubjectColumns {
  id: Generated<number>;
  version: number;
  state: string;
  stage: string | null;
  pipeline_id: number | null;
  /** The pipeline's id, or `job:<id>` where it is not known. */
  pipeline_key: string;
  trigger_id: number | null;
  trigger_verified: string;
  trigger_username: string | null;
  trigger_name: string | null;
  review: number | null;
  approval: number | null;
  inputs: string;
  opened_at: number;
  expires_at: number;
  ended_at: number | null;
  reason: string | null;
  crossing: number | null;
  configured: number | null;
  frozen_until: number | null;
  timeout_s: number | null;
}
/** One GitLab job of a Hold, with its Facts. */
export interface AttemptTable {
  hold: number;
  position: number;
  instance: string;
  project_id: number;
  job_id: number;
  agent: string;
  runner: string;
  url: string | null;
  at: number;
  parked_until: number | null;
  handed_out_at: number | null;
  ended_at: number | null;
  ended: string | null;
  facts: string;
}
/** One Review; its Requirement as JSON. */
export interface ReviewTable extends SubjectColumns {
  id: Generated<number>;
  version: number;
  state: string;
  requirement: string;
  opened_at: number;
  closed_at: number | null;
  /** Who triggered what opened it; what they may be found by, in small letters. */
  opened_by: number | null;
  words: string | null;
  kind: Generated<string>;
  ask_approval: number | null;
  ask_by: number | null;
  ask_by_username: string | null;
  ask_note: string | null;
}
/** The last word of one person on one Review. */
export interface VoteTable {
  review: number;
  person_id: number;
  username: string;
  name: string;
  decision: string;
  hold: number | null;
  lifetime: string;
  scope: string;
  comment: string | null;
  represented_as: string | null;
  /** How the person showed again who they are, as JSON. */
  proof: Generated<string | null>;
  at: number;
}
/** A user or group that a rule of a Review or Hold names; `principal` 0 stands for all administrators. */
export interface NamedPrincipalTable {
  about: string;
  about_id: number;
  kind: string;
  principal: number;
}
/** One Approval; its votes as JSON, as they were. */
export interface ApprovalTable extends SubjectColumns {
  id: Generated<number>;
  version: number;
  review: number;
  lifetime: string;
  scope: string;
  /** When it stops to count by itself. */
  ends_at: number | null;
  hold: number | null;
  votes: string;
  policy: string;
  created_at: number;
  last_used_at: number | null;
  times_used: number;
  revoked_at: number | null;
  revoked_by: string | null;
  revoked_reason: string | null;
  break_glass: number | null;
  /** The person for whom the policy let it pass without a vote, as JSON. */
  auto: string | null;
  /** The Approval that it goes on from. */
  renews: number | null;
}
/** One remembered reject. */
export interface DenialTable {
  id: Generated<number>;
  instance: string;
  project_id: number;
  job: string;
  digest: string;
  review: number;
  denied_by: string;
  reason: string;
  at: number;
  until: number;
  lifted_at: number | null;
  lifted_by: string | null;
  lifted_reason: string | null;
}
/** A push that an agent has not acknowledged. */
export interface OutboxTable {
  agent: string;
  seq: number;
  type: string;
  hold: number;
  job_id: number;
  digest: string;
  reason: string | null;
  note: string | null;
  /** 1 with a `cancel` that ends a job that runs. */
  stop: number | null;
}
/** One agent and the last number it was given. */
export interface AgentTable {
  name: string;
  version: string | null;
  runners: string;
  seen_at: number | null;
  last_seq: number;
  public_key: string | null;
  enrolled_at: number | null;
  enrolled_by: string | null;
  revoked_at: number | null;
  revoked_by: string | null;
  snapshot_seq: Generated<number>;
}
/** A one-time token that enrols an agent, by its hash. */
export interface EnrolmentTable {
  hash: string;
  agent: string;
  made_by: string;
  created_at: number;
  expires_at: number;
  used_at: number | null;
}
/** One token by its hash. */
export interface TokenTable {
  id: Generated<number>;
  hash: string;
  prefix: string;
  name: string | null;
  owner_id: number | null;
  owner_username: string | null;
  scopes: string;
  makers: string;
  created_at: number;
  expires_at: number;
  last_used_at: number | null;
  last_used_address: string | null;
  last_used_client: string | null;
  /** What looked as if a job used it, as JSON. */
  flags: Generated<string>;
  replaced_by: number | null;
  revoked_at: number | null;
  revoked_by: string | null;
  revoked_reason: string | null;
}
/** One passkey of a person. */
export interface PasskeyTable {
  id: Generated<number>;
  person_id: number;
  username: string;
  name: string;
  credential_id: string;
  public_key: string;
  counter: number;
  transports: string;
  created_at: number;
  confirmed_at: number | null;
  confirmed_by: number | null;
  confirmed_username: string | null;
  last_used_at: number | null;
  removed_at: number | null;
}
/** What a browser was given to sign; what it says yes to as JSON. */
export interface ChallengeTable {
  challenge: string;
  nonce: string;
  decision: string | null;
  person_id: number;
  token: number;
  expires_at: number;
  used_at: number | null;
}
/** What a session has beside its token; what the identity provider said as JSON. */
export interface SessionTable {
  token: number;
  way: string;
  made_with: number | null;
  auth_time: number | null;
  claimed: string | null;
}
/** One row of the chain. */
export interface AuditTable {
  seq: number;
  at: number;
  actor: string;
  address: string | null;
  event: string;
  hold: number | null;
  review: number | null;
  approval: number | null;
  digest: string | null;
  policy: string | null;
  detail: string;
  prev: string;
  hash: string;
  client: string | null;
  deployment: number | null;
  /** What it is found and seen by; no part of the chain. */
  project: number | null;
}
/** One retry that the hub asked the CI server for. */
export interface RetryTable {
  hold: number;
  job_id: number;
  new_job_id: number | null;
  credential: string;
  user_id: number;
  at: number;
}
/** What the CI server was told last of a Hold's gate; `refused`: it did not take it. */
export interface CiStatusTable {
  hold: number;
  state: string;
  at: number;
}
/** A configuration that ran on a runner that only watches; `environment` is empty where the job has none. */
export interface SightingTable {
  instance: string;
  project_id: number;
  project_path: string | null;
  job: string;
  digest: string;
  ref_class: string;
  ref: string;
  ref_protected: number;
  environment: string;
  inputs: string;
  runs: number;
  triggers: string;
  facts: string;
  first_at: number;
  last_at: number;
}
/** One hidden value that somebody has seen. */
export interface RevealTable {
  instance: string;
  project_id: number;
  job: string;
  digest: string;
  name: string;
  person_id: number;
  hold: number;
  at: number;
}
/** One break-glass and what was found when somebody else looked at it. */
export interface BreakGlassTable extends SubjectColumns {
  id: Generated<number>;
  version: number;
  hold: number;
  approval: number;
  person_id: number;
  person_username: string;
  person_name: string;
  rule: string;
  reason: string;
  policy: string;
  at: number;
  until: number;
  review_by: number;
  frozen: number;
  overdue_noted: number;
  closed_at: number | null;
  closed_by_id: number | null;
  closed_by_username: string | null;
  closed_by_name: string | null;
  finding: string | null;
  comment: string | null;
}
/** All tables by name. */
export interface Schema extends DeploymentSchema, NoticeSchema, WatchSchema {
  schema_version: { version: number };
  /** Empty where the text was removed: then there is a row in `removed_configurations`. */
  configurations: { digest: string; canonical: string };
  removed_configurations: { digest: string; at: number; policy: string };
  removed_facts: { hold: number; at: number; policy: string };
  key_checks: { kind: string; fingerprint: string };
  holds: HoldTable;
  attempts: AttemptTable;
  reviews: ReviewTable;
  votes: VoteTable;
  named_principals: NamedPrincipalTable;
  approvals: ApprovalTable;
  break_glass: BreakGlassTable;
  denials: DenialTable;
  reports: { hold: number; job_id: number; event: string; at: string };
  outbox: OutboxTable;
  agents: AgentTable;
  enrolments: EnrolmentTable;
  tokens: TokenTable;
  sessions: SessionTable;
  passkeys: PasskeyTable;
  challenges: ChallengeTable;
  retries: RetryTable;
  reveals: RevealTable;
  sightings: SightingTable;
  ci_statuses: CiStatusTable;
  audit: AuditTable;
  audit_head: { one: number; seq: number; hash: string };
  audit_people: { person: number; seq: number };
  audit_tree: { level: number; position: number; hash: string };
  audit_checkpoints: { seq: number; at: number; keyid: string; envelope: string };
  token_places: { token: number; address: string; client: string; at: number };
}
