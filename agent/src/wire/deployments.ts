/** Bodies of `/api/v1/deployments` and `/api/v1/environments`; snake_case, times RFC 3339 in UTC, ids integers of the store. */
import { z } from 'zod';
import { DEPLOYMENT_KINDS, DEPLOYMENT_STATES } from '../domain/deployment.ts';
import { HOLD_STATES } from '../domain/hold.ts';
import { ON_NO_DEPLOY_ACCESS, RERUN } from '../domain/protected-environment.ts';
import { LET_RUN_STEPS } from '../domain/who-let-run.ts';
import { assertionSchema, retrySchema } from './api.ts';
import { auditRowSchema } from './audit.ts';
import { personSchema, quorumSchema, ruleSchema } from './standing.ts';

const id = z.number().int().positive();
const time = z.iso.datetime();
const text = z.string().max(65_536);
const comment = z.string().max(4_000);

/** What a Hold waits for: somebody's approve of its configuration, approvals of its deployment, or somebody who runs it. */
export const waitsForSchema = z.enum(['configuration', 'approvals', 'start']);

/** Approves one deployment. */
export const approveDeploymentBody = z.strictObject({
  comment: comment.optional(),
  /** Name of the one rule (user, group or role) that it shall count for; without it: whichever it is needed for. */
  represented_as: z.string().min(1).max(255).optional(),
  /** What `POST /api/v1/deployments/:id/challenge` asked for. */
  assertion: assertionSchema.optional(),
});
/** Rejects one deployment: its Hold ends. */
export const rejectDeploymentBody = z.strictObject({ comment: comment.min(1) });
/** Marks a commit as broken. */
export const markBrokenBody = z.strictObject({ reason: comment.min(1) });
/** Lifts such a mark. */
export const liftBrokenBody = z.strictObject({ reason: comment.optional() });

/** A deployment as it stands in lists. */
export const deploymentSchema = z.strictObject({
  id,
  iid: id,
  state: z.enum(DEPLOYMENT_STATES),
  kind: z.enum(DEPLOYMENT_KINDS),
  hold: id,
  environment: z.strictObject({
    id,
    name: text,
    slug: text.nullable(),
    tier: text.nullable(),
    action: text.nullable(),
    url: text.nullable(),
    verified: z.boolean(),
  }),
  instance: text,
  project_id: z.number().int(),
  project_path: text.nullable(),
  job: text,
  stage: text.nullable(),
  digest: text,
  ref: text,
  ref_protected: z.boolean(),
  sha: text,
  pipeline_id: z.number().int().nullable(),
  trigger: personSchema.extend({ verified: z.enum(['gitlab', 'payload', 'unverified']) }),
  protected_by: z.array(text),
  started: z.strictObject({ by: personSchema, at: time }).nullable(),
  approved_at: time.nullable(),
  created_at: time,
  updated_at: time,
  running_at: time.nullable(),
  finished_at: time.nullable(),
  reason: text.nullable(),
});
/** A deployment in the list, with the job that stands for it and where it stands. */
export const listedDeploymentSchema = deploymentSchema.extend({
  hold_state: z.enum(HOLD_STATES),
  job_id: z.number().int(),
  job_url: text.nullable(),
  waits_for: z.array(waitsForSchema),
  /** What has to happen to its job in GitLab; null while one stands for it. */
  retry: retrySchema.nullable().default(null),
});
/** What runs in one environment now. */
export const currentDeploymentSchema = deploymentSchema.extend({
  job_id: z.number().int(),
  job_url: text.nullable(),
  /** The last job that ended well has stopped the environment: nothing runs there. */
  stopped: z.boolean(),
  /** When that was. */
  since: time,
  /** Who approved what it runs, and that it may run there; empty where nobody was asked. */
  approved_by: z.strictObject({ configuration: z.array(personSchema), deployment: z.array(personSchema) }),
});
const mayDeploySchema = z.strictObject({ allowed: z.boolean(), code: text.nullable(), reason: text.nullable() });
/** One person's word on one deployment. */
export const deploymentVoteSchema = z.strictObject({
  person: personSchema,
  decision: z.enum(['approve', 'reject']),
  represented_as: text.nullable(),
  comment: text.nullable(),
  at: time,
});
/** A commit that must not be deployed to an environment. */
export const brokenSchema = z.strictObject({
  id,
  environment: text,
  sha: text,
  deployment: id,
  by: personSchema,
  reason: text,
  at: time,
  lifted_at: time.nullable(),
  lifted_by: personSchema.nullable(),
});
/** Everything about one deployment. */
export const deploymentDetailSchema = listedDeploymentSchema.extend({
  /** Who let it run, or has to: each step with its people, in the order in which they happen. */
  let_run: z
    .array(
      z.strictObject({
        step: z.enum(LET_RUN_STEPS),
        people: z.array(personSchema),
        at: time.nullable(),
        note: text.nullable(),
      }),
    )
    .default([]),
  votes: z.array(deploymentVoteSchema),
  rules: z.array(ruleSchema),
  quorum: quorumSchema.nullable(),
  may_approve: mayDeploySchema,
  may_reject: mayDeploySchema,
  may_run: mayDeploySchema,
  /** Whether the reader may mark its commit as broken there, or lift the mark. */
  may_mark: mayDeploySchema.optional(),
  /** Who may run it, as far as the hub knows them, capped at 20; `deploy_access`: who that is, in words. */
  deployers: z.array(personSchema),
  deploy_access: text,
  /** False when nothing protects the environment any more. */
  is_protected: z.boolean(),
  broken: brokenSchema.nullable(),
  /** Earlier runs of the same job to the same environment, the newest first, capped at 20. */
  earlier: z.array(deploymentSchema),
  history: z.array(auditRowSchema),
  /** Page of its Hold. */
  url: text,
});

const whoSchema = z.strictObject({
  id: z.number().int().nonnegative().optional(),
  /** GitLab's numeric id. */
  user_id: id.optional(),
  group_id: id.optional(),
  access_level: z.number().int().positive().max(60).optional(),
  /** Members of the group's ancestors count too. */
  inherited: z.boolean().optional(),
  /** Takes the element of this id away. */
  destroy: z.boolean().optional(),
});
const optionsBody = z.strictObject({
  on_no_deploy_access: z.enum(ON_NO_DEPLOY_ACCESS).optional(),
  rerun: z.enum(RERUN).optional(),
  not_older_than_last_success: z.boolean().optional(),
  /** Seconds that a job which waits for people stays alive in GitLab. */
  live_s: z.number().int().min(0).max(86_400).optional(),
});
/** Protects an environment of a project by name, or of a group by tier; lists change by element. */
export const protectBody = z.strictObject({
  deploy_access_levels: z.array(whoSchema).max(50).optional(),
  approval_rules: z
    .array(whoSchema.extend({ required_approvals: z.number().int().min(1).max(100).optional() }))
    .max(50)
    .optional(),
  options: optionsBody.optional(),
});
/** What holds for all environments of a project. */
export const projectOptionsBody = z.strictObject({ allow_pipeline_trigger_approve: z.boolean() });

/** Whom an element asks for. */
const elementSchema = z.strictObject({
  id,
  user_id: id.nullable(),
  group_id: id.nullable(),
  access_level: z.number().int().nullable(),
  inherited: z.boolean(),
  /** In words. */
  who: text,
});
/** A protection that people have set. */
export const protectedEnvironmentSchema = z.strictObject({
  id,
  level: z.enum(['project', 'group']),
  owner: z.number().int(),
  owner_path: text.nullable(),
  name: text,
  deploy_access_levels: z.array(elementSchema),
  approval_rules: z.array(elementSchema.extend({ required_approvals: z.number().int() })),
  options: z.strictObject({
    on_no_deploy_access: z.enum(ON_NO_DEPLOY_ACCESS),
    rerun: z.enum(RERUN),
    not_older_than_last_success: z.boolean(),
    live_s: z.number(),
  }),
  created_at: time,
  updated_at: time,
});
/** A change that waits for a second person. */
export const environmentChangeSchema = z.strictObject({
  id,
  level: z.enum(['project', 'group']),
  owner: z.number().int(),
  name: text,
  state: z.enum(['open', 'confirmed', 'withdrawn', 'outdated']),
  action: z.enum(['protect', 'change', 'unprotect', 'project_options']),
  wanted: z.unknown(),
  by: personSchema,
  at: time,
});
/** What came of a change. */
export const environmentOutcomeSchema = z.strictObject({
  environment: protectedEnvironmentSchema.nullable(),
  pending: environmentChangeSchema.nullable(),
});
/** What protects environments of a place, and what waits there. */
export const environmentsSchema = z.strictObject({
  items: z.array(protectedEnvironmentSchema),
  pending: z.array(environmentChangeSchema),
  /** Of a project: whether triggers may approve their own deployments; null for a group. */
  allow_pipeline_trigger_approve: z.boolean().nullable(),
});

export type DeploymentView = z.output<typeof deploymentSchema>;
export type ListedDeployment = z.output<typeof listedDeploymentSchema>;
export type CurrentDeployment = z.output<typeof currentDeploymentSchema>;
export type DeploymentDetail = z.output<typeof deploymentDetailSchema>;
export type ProtectedEnvironmentView = z.output<typeof protectedEnvironmentSchema>;
export type EnvironmentChangeView = z.output<typeof environmentChangeSchema>;
