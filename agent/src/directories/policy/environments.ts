import { z } from 'zod';
import { TIERS } from '../../domain/environment-tier.ts';
import { DEFAULT_POLICY, type Policy } from '../../domain/policy.ts';
import {
  type EnvironmentEntry,
  ON_NO_DEPLOY_ACCESS,
  RERUN,
  STRICT_OPTIONS,
} from '../../domain/protected-environment.ts';
import type { Who } from '../../domain/rule.ts';
import { rules } from './rules.ts';
import { distinctNames, duration, glob, globs, level, name, principal } from './scalars.ts';

/** Whom a list of deploy access asks for. */
const access = z
  .strictObject({
    access_level: level.optional().describe('Everybody with at least this access level in the project.'),
    user: principal.optional().describe('One person, by id or user name.'),
    group: principal.optional().describe('Members of a group, by id or full path.'),
    inherited: z.boolean().optional().describe("Members of the group's ancestors count too."),
  })
  .transform((read, context): Who => {
    const named = [read.access_level, read.user, read.group].filter((one) => one !== undefined);
    if (named.length !== 1 || (read.inherited !== undefined && read.group === undefined)) {
      context.addIssue('deploy access asks for exactly one of access_level, user and group (inherited for a group)');
      return z.NEVER;
    }
    const by = (one: string | number) => ({
      id: typeof one === 'number' ? one : null,
      name: typeof one === 'number' ? null : one,
    });
    if (read.access_level !== undefined) return { kind: 'access_level', level: read.access_level };
    if (read.user !== undefined) return { kind: 'user', ...by(read.user) };
    return { kind: 'group', ...by(read.group!), inherited: read.inherited ?? false };
  });

/** How long a job waits alive: nothing, or a duration. */
const live = z
  .union([z.literal(0), duration])
  .describe(
    'How long a job that waits for people stays alive in GitLab; 0 ends it at once and frees its resource group.',
  );

const entry = z
  .strictObject({
    name: name.describe('What the entry is called, wherever it is shown.'),
    environments: globs.optional().describe('Names of environments, or patterns; letter case does not count.'),
    projects: z
      .array(z.union([z.number().int().positive(), glob]))
      .min(1)
      .max(10_000)
      .optional()
      .describe('Ids, or patterns over full paths such as acme/payments/*.'),
    tiers: z
      .array(z.enum(TIERS))
      .min(1)
      .optional()
      .describe('Tiers as GitLab has them: what the job declares and what its name says, the stricter counts.'),
    approval_rules: rules.optional().describe('Who approves each deployment. None: deploy access alone decides.'),
    deploy_access_levels: z
      .array(access)
      .min(1)
      .max(50)
      .describe('Who may start a deployment; whoever approves need not be one of them.'),
    on_no_deploy_access: z
      .enum(ON_NO_DEPLOY_ACCESS)
      .optional()
      .describe('A job of somebody without deploy access waits for somebody who has it, or is refused.'),
    rerun: z
      .enum(RERUN)
      .optional()
      .describe('Whether the same job of the same pipeline, once approved, asks for approvals again.'),
    rollback: z
      .strictObject({
        approval_rules: rules.describe('Who approves instead.'),
        within: duration.describe(
          'How long ago the same commit and configuration may have been deployed here with success.',
        ),
      })
      .optional()
      .describe('A lighter rule for going back to what ran here.'),
    allow_pipeline_trigger_approve: z
      .boolean()
      .optional()
      .describe('Whoever triggered a deployment may approve it as well.'),
    not_older_than_last_success: z
      .boolean()
      .optional()
      .describe('Refuses a pipeline that is older than the one deployed here last with success.'),
    live: live.optional(),
  })
  .superRefine((read, context) => {
    // Everything everywhere is said by a pattern, so that a forgotten line protects nothing by accident and everything on purpose.
    if (read.environments === undefined && read.tiers === undefined)
      context.addIssue({ code: 'custom', message: 'an entry names environments or tiers ("*" for all environments)' });
  });

/** Environments that the file protects. */
export const environmentsSchema = z
  .array(entry)
  .max(1_000)
  .superRefine(distinctNames)
  .optional()
  .describe('Protected environments: every entry that fits has to be met, those of the API besides.');

/** Who may change what. */
export const editSchema = z
  .strictObject({
    environments: level
      .optional()
      .describe('The access level that protects environments through the API: in the project, or in the group.'),
    environments_four_eyes: z
      .boolean()
      .optional()
      .describe('Such a change counts only when a second person who may make it has confirmed it.'),
    max_required_approvals: z
      .number()
      .int()
      .min(1)
      .max(100)
      .optional()
      .describe('How many approvals one rule of the API may ask for.'),
  })
  .optional();

const entryOf = (read: z.output<typeof entry>): EnvironmentEntry => ({
  name: read.name,
  match: {
    ...(read.environments && { names: read.environments }),
    ...(read.projects && { projects: read.projects }),
    ...(read.tiers && { tiers: read.tiers }),
  },
  approvalRules: read.approval_rules ?? [],
  deployAccess: read.deploy_access_levels,
  options: {
    onNoDeployAccess: read.on_no_deploy_access ?? STRICT_OPTIONS.onNoDeployAccess,
    rerun: read.rerun ?? STRICT_OPTIONS.rerun,
    rollback:
      read.rollback === undefined ? null : { rules: read.rollback.approval_rules, withinMs: read.rollback.within },
    allowPipelineTriggerApprove: read.allow_pipeline_trigger_approve ?? false,
    notOlderThanLastSuccess: read.not_older_than_last_success ?? false,
    liveMs: read.live ?? STRICT_OPTIONS.liveMs,
  },
});

/** What these parts of the file say; what it does not say is as shipped. */
export function environmentsOf(file: {
  readonly environments?: z.output<typeof environmentsSchema>;
  readonly edit?: z.output<typeof editSchema>;
}): Pick<Policy, 'environments' | 'edit'> {
  return {
    environments: (file.environments ?? []).map(entryOf),
    edit: {
      environments: file.edit?.environments ?? DEFAULT_POLICY.edit.environments,
      fourEyes: file.edit?.environments_four_eyes ?? DEFAULT_POLICY.edit.fourEyes,
      maxRequiredApprovals: file.edit?.max_required_approvals ?? DEFAULT_POLICY.edit.maxRequiredApprovals,
    },
  };
}
