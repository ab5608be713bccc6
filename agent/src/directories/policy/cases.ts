import { z } from 'zod';
import { DEPLOYMENT_KINDS } from '../../domain/deployment.ts';
import { ERRORS, type ErrorCode } from '../../domain/errors.ts';
import { CASE_DEPLOYMENTS, CASE_OUTCOMES, type PolicyCase, type PolicyCaseFile } from '../../domain/policy-case.ts';
import type { Principals } from '../../domain/principal.ts';
import { readYaml } from '../strict-yaml.ts';
import { duration, name } from './scalars.ts';

/** More belongs into several files. */
const MAX_CASES = 10_000;
/** Noon of a Wednesday far from every holiday: a case without a time must not depend on when it is run. */
const USUAL_TIME = '2026-01-14T12:00:00Z';

const vote = z
  .strictObject({
    by: z.string().min(1).max(255).describe('User name.'),
    decision: z.enum(['approve', 'reject']).default('approve'),
    represented_as: z.string().max(100).optional().describe('The rule that the vote shall count for.'),
    comment: z.string().max(4_000).optional(),
    gate: z.enum(['configuration', 'deployment']).default('configuration').describe('What the vote is for.'),
  })
  .transform(({ represented_as: representedAs = null, comment = null, ...rest }) => ({
    ...rest,
    representedAs,
    comment,
  }));

const job = z.strictObject({
  project: z
    .union([z.number().int().positive(), z.string().min(1).max(1_000)])
    .describe('Id, or full path of principals.yaml.'),
  name: z.string().min(1).max(1_000).default('build').describe('Name of the job.'),
  ref: z.string().min(1).max(1_000).default('refs/heads/main').describe('Full ref.'),
  protected: z.boolean().default(true).describe('Whether the ref is protected.'),
  environment: z.string().max(1_000).nullable().default(null),
  tier: z.string().max(100).nullable().default(null).describe('Tier that the job declares for its environment.'),
  triggered_by: z.string().max(255).nullable().default(null).describe('User name; null: nobody knows.'),
  authors: z
    .union([z.literal('unknown'), z.array(z.string().min(1).max(255)).max(100)])
    .default([])
    .describe('Who stands in the commit; unknown: nobody can tell.'),
  pushed_by: z
    .string()
    .max(255)
    .nullable()
    .default(null)
    .describe('Who alone pushed and made everything since the last approved commit, as GitLab would say.'),
  timeout: duration.default(3_600_000).describe('How long it may run.'),
});

const code = z.string().transform((text, context): ErrorCode => {
  if (Object.hasOwn(ERRORS, text)) return text as ErrorCode;
  context.addIssue(`${text} is no error: write not_eligible, self_approval or comment_required`);
  return z.NEVER;
});
const names = z.array(z.string().min(1).max(255)).max(1_000);

const expectation = z
  .strictObject({
    outcome: z.enum(CASE_OUTCOMES).optional().describe('What becomes of the job.'),
    waits_for: names.optional().describe('Rules that lack people.'),
    may_approve: names.optional().describe('Exactly these may approve.'),
    refused: z.record(z.string(), code).optional().describe('Votes that do not count, with the code of the error.'),
    entries: names.optional().describe('Exactly these entries fit.'),
    frozen_until: z.iso.datetime().nullable().optional(),
    each_run: z.boolean().optional().describe('People are asked about each run, whatever is approved.'),
    deployment: z.enum(CASE_DEPLOYMENTS).optional(),
    may_deploy: names.optional().describe('Exactly these may start the deployment.'),
  })
  .refine((read) => Object.keys(read).length > 0, 'expects nothing')
  .transform((read): PolicyCase['expect'] => {
    const said = {
      outcome: read.outcome,
      waitsFor: read.waits_for,
      mayApprove: read.may_approve,
      refused: read.refused,
      entries: read.entries,
      frozenUntil: read.frozen_until == null ? read.frozen_until : new Date(read.frozen_until).toISOString(),
      eachRun: read.each_run,
      deployment: read.deployment,
      mayDeploy: read.may_deploy,
    };
    return Object.fromEntries(Object.entries(said).filter(([, value]) => value !== undefined));
  });

const file = z.string().min(1).max(1_000);
/** A file of policy cases. */
export const casesSchema = z.strictObject({
  policy: file.default('policy.yaml').describe('The policy, beside this file.'),
  principals: file.default('principals.yaml').describe('Who there is, beside this file.'),
  cases: z
    .array(
      z
        .strictObject({
          name: name.describe('What must be so, as a sentence.'),
          at: z.iso.datetime().default(USUAL_TIME).describe('When, in UTC.'),
          job: job.optional().describe('The facts of the job.'),
          payload: file.optional().describe('A payload of GitLab instead of facts, beside this file.'),
          approved: file
            .optional()
            .describe('A payload whose configuration people have approved, to be compared with.'),
          kind: z.enum(DEPLOYMENT_KINDS).default('deploy').describe('Which kind of deployment it is.'),
          votes: z.array(vote).max(1_000).default([]),
          expect: expectation,
        })
        .refine((read) => (read.job === undefined) !== (read.payload === undefined), 'has either job or payload')
        .refine(
          (read) => read.approved === undefined || read.payload !== undefined,
          'compares two payloads: write payload',
        ),
    )
    .min(1)
    .max(MAX_CASES),
});
type CaseEntry = z.output<typeof casesSchema>['cases'][number];

/** Reads a file of policy cases. Throws `bad_config` with all problems, each with its line. */
export function readCases(text: string, name: string): PolicyCaseFile {
  const { value, line } = readYaml(text, name, casesSchema);
  return {
    policy: value.policy,
    principals: value.principals,
    cases: value.cases.map((entry, index) => ({
      name: entry.name,
      line: line(['cases', index]),
      payload: entry.payload ?? null,
      approved: entry.approved ?? null,
      at: Date.parse(entry.at),
      kind: entry.kind,
      votes: entry.votes,
      expect: entry.expect,
      stated: (principals) => statedCase(entry, principals),
    })),
  };
}

/** The facts of a case that states them. Answers what is unknown in words instead, where a name is. */
function statedCase(entry: CaseEntry, principals: Principals): PolicyCase | string {
  const { job } = entry;
  if (job === undefined) return 'has no facts';
  const project = principals.projects.find(({ id, path }) => id === job.project || path === job.project);
  if (project === undefined) return `job.project: ${job.project} is none of the projects`;
  const idOf = (username: string) => principals.users.find((user) => user.username === username)?.id;
  const authors = job.authors === 'unknown' ? null : job.authors;
  const unknown = [
    ...(job.triggered_by === null ? [] : [job.triggered_by]),
    ...(authors ?? []),
    ...entry.votes.map(({ by }) => by),
  ].find((username) => idOf(username) === undefined);
  if (unknown !== undefined) return `${unknown} is none of the users`;
  const triggerId = job.triggered_by === null ? null : (idOf(job.triggered_by) ?? null);
  return {
    name: entry.name,
    at: Date.parse(entry.at),
    target: {
      projectId: project.id,
      projectPath: project.path,
      job: job.name,
      ref: job.ref,
      refProtected: job.protected,
      environment: job.environment,
    },
    tier: job.tier,
    opener: {
      trigger: {
        id: triggerId,
        username: job.triggered_by,
        name: job.triggered_by,
        verified: triggerId === null ? 'unverified' : 'gitlab',
      },
      people:
        authors?.map((username) => ({
          role: 'author' as const,
          id: idOf(username) ?? null,
          name: username,
          email: null,
        })) ?? null,
    },
    timeoutS: Math.floor(job.timeout / 1000),
    pushedBy: job.pushed_by,
    kind: entry.kind,
    votes: entry.votes,
    compared: null,
    expect: entry.expect,
  };
}
