import { z } from 'zod';
import { DEFAULT_POLICY, type Policy, type PolicySettings } from '../../domain/policy.ts';
import { editSchema, environmentsOf, environmentsSchema } from './environments.ts';
import { freezeSchema } from './freeze.ts';
import { match } from './match.ts';
import { notifyOf, notifySchema } from './notify.ts';
import { retentionOf, retentionSchema } from './retention.ts';
import { runnersOf, runnersSchema } from './runners.ts';
import { distinctNames, glob, name } from './scalars.ts';
import { settingsOf, settingsShape } from './settings.ts';
import { tokensOf, tokensSchema } from './tokens.ts';

/** The whole file. What holds for single jobs stands in settings.ts, what holds once stands here: one line for each part. */
export const policySchema = z.strictObject({
  ...settingsShape,
  configurations: z
    .array(z.strictObject({ name, match, ...settingsShape }))
    .max(1_000)
    .superRefine(distinctNames)
    .optional()
    .describe('Settings for some jobs: of those that fit, the first that says something about a setting decides it.'),
  freeze: freezeSchema.describe('Times at which jobs are kept back, or need more approvals.'),
  runners: runnersSchema.describe('Runners that have to be gated, whatever agent.yml says.'),
  environments: environmentsSchema,
  edit: editSchema,
  tokens: tokensSchema,
  retention: retentionSchema,
  notify: notifySchema.describe('Who is told what, and through which channel of hub.notify.'),
  on_unmatched: z
    .array(z.strictObject({ project: z.union([z.number().int().positive(), glob]), divert: name }))
    .max(1_000)
    .optional()
    .describe('Projects whose unapproved jobs of unprotected refs an unprotected runner gets.'),
});

/** The policy that a file says; what it does not say is as in the default policy. */
export function policyOf(file: z.output<typeof policySchema>, version: string): Policy {
  const notify = notifyOf(file.notify);
  const base: PolicySettings = { ...DEFAULT_POLICY.base, ...settingsOf(file, DEFAULT_POLICY.base) };
  return {
    version,
    base,
    entries: (file.configurations ?? []).map((entry) => ({
      name: entry.name,
      match: entry.match,
      settings: settingsOf(entry, base),
    })),
    ...environmentsOf(file),
    tokens: tokensOf(file.tokens),
    retention: retentionOf(file.retention),
    freezes: file.freeze ?? [],
    runners: runnersOf(file.runners),
    ...(notify === null ? {} : { notify }),
    ...(file.on_unmatched === undefined
      ? {}
      : { divert: file.on_unmatched.map(({ project, divert }) => ({ project, runner: divert })) }),
  };
}
