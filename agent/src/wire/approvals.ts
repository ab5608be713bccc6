/** Approvals, and bodies of what is done with them beside voting: filters, renewals, imports, renames, denials, changes. */
import { z } from 'zod';
import { ASK_KINDS } from '../domain/review.ts';
import { changeSchema, lifetimeSchema, problemSchema, reviewSchema, scopeSchema } from './api.ts';
import { digestSchema } from './digest.ts';
import { mayVoteSchema, personSchema, voteSchema } from './standing.ts';

const id = z.number().int().positive();
const time = z.iso.datetime();
const text = z.string().max(65_536);
const comment = z.string().max(4_000);

export const revokeBody = z.strictObject({ comment: z.string().max(4_000).optional() });
export const approvalSchema = z.strictObject({
  id,
  digest: digestSchema,
  review: id,
  instance: text,
  project_id: z.number().int(),
  project_path: text.nullable(),
  job: text,
  ref: text,
  ref_protected: z.boolean(),
  environment: text.nullable(),
  /** As `ref=exact inputs=same_pipeline`. */
  scope: text,
  /** The same in lines for people. */
  scope_words: z.array(text),
  lifetime: text,
  /** Null for standing and run. */
  until: time.nullable(),
  hold: id.nullable(),
  votes: z.array(voteSchema),
  /** Nobody voted: the policy let it pass for this person, who pushed and made all of it; null otherwise. */
  auto: personSchema.nullable().default(null),
  /** Nobody approved it: the glass was broken for this one run. */
  break_glass: z.boolean().default(false),
  policy: text,
  created_at: time,
  last_used_at: time.nullable(),
  times_used: z.number().int(),
  /** Runs that are left; null where they are not counted. */
  uses_left: z.number().int().nullable(),
  /** The approval that it goes on from: renewed, or carried over to a renamed project. */
  renews: id.nullable().default(null),
  revoked_at: time.nullable(),
  revoked_by: text.nullable(),
  valid: z.boolean(),
});
export const approvalDetailSchema = approvalSchema.extend({
  configuration: z.unknown(),
  /** The rules as they stood when it was asked: under which its votes were counted. */
  rules: z.array(z.strictObject({ name: text, who: text, need: z.number().int() })).default([]),
  /** Runners that jobs were handed to under it. */
  runners: z.array(text).default([]),
  /** The approval that goes on from it. */
  renewed_by: id.nullable().default(null),
});

/** What a configuration is, in so few words that it can be told from others; no values of variables. */
export const briefSchema = z.strictObject({
  image: text.nullable(),
  /** The first five. */
  services: z.array(text),
  script_lines: z.number().int(),
  /** The first line of its script that is not blank. */
  first_line: text.nullable(),
});
/** An approval in the list: what it lets run in brief, the runners that jobs were handed to under it, and who ended it why. */
export const listedApprovalSchema = approvalSchema.extend({
  runners: z.array(text).default([]),
  /** Null where the configuration is too long to be read for a list. */
  summary: briefSchema.nullable().default(null),
  revoker: personSchema.nullable().default(null),
  revoked_reason: text.nullable().default(null),
});
/** How two approved configurations differ. */
export const approvalDiffSchema = z.strictObject({
  from: approvalSchema,
  to: approvalSchema,
  summary: text,
  changes: z.array(changeSchema),
});

/** Which approvals to revoke: all that is there must fit, and something must be there. */
export const revokeManyBody = z.strictObject({
  /** Id or full path; a path that ends in `/*` means a group and everything below it. */
  project: z.union([z.number().int(), z.string().min(1).max(1_000)]).optional(),
  job: z.string().min(1).max(1_000).optional(),
  /** Name of an image or service, `*` alone is special. */
  image: z.string().min(1).max(1_000).optional(),
  /** User name or id of somebody whose vote an approval rests on. */
  voter: z.union([z.number().int(), z.string().min(1).max(255)]).optional(),
  /** Not used for so many days. */
  unused_days: z.number().int().min(1).max(3_650).optional(),
  /** A vote that it rests on is of somebody who is blocked or no longer known. */
  voter_left: z.literal(true).optional(),
  comment: comment.optional(),
  /** Tells what would be revoked, and revokes nothing. */
  dry_run: z.boolean().optional(),
});
/** One entry each; `revoked` false with a problem where the caller may not, without one in a dry run. */
export const revokedManySchema = z.strictObject({
  dry_run: z.boolean(),
  items: z.array(z.strictObject({ approval: approvalSchema, revoked: z.boolean(), problem: problemSchema.nullable() })),
  /** More fit than are done at once: ask again. */
  more: z.boolean(),
});

/** A question that no job waits on. */
export const askSchema = z.strictObject({
  review: reviewSchema,
  kind: z.enum(ASK_KINDS),
  /** The approval that is to go on; null for an import. */
  approval: id.nullable(),
  asked_by: text,
  note: text.nullable(),
  /** The canonical form that is asked about. */
  configuration: z.unknown(),
  may_vote: mayVoteSchema,
});
/** An approval that ends soon, and the question whether it shall go on where somebody has put it. */
export const renewalSchema = z.strictObject({ approval: approvalSchema, review: reviewSchema.nullable() });
export const renewBody = z.strictObject({
  /** The full digest that was shown. */
  digest: digestSchema,
  lifetime: lifetimeSchema.optional(),
  comment: comment.optional(),
});
export const decideAskBody = z.strictObject({
  digest: digestSchema,
  decision: z.enum(['approve', 'reject']),
  comment: comment.optional(),
  lifetime: lifetimeSchema.optional(),
  scope: scopeSchema.optional(),
});
/** What became of a question: the Review as it is now, and the Approval where it was answered with one. */
export const askedSchema = z.strictObject({ review: reviewSchema, approval: approvalSchema.nullable() });

/** 6 MiB of text at most each, 16 MiB together: the body has its own limit. */
export const importBody = z.strictObject({
  /** Address of GitLab; without it the one that the hub's jobs come from. */
  instance: z.url().max(1_000).optional(),
  items: z
    .array(
      z.strictObject({
        /** Where it comes from, for people: the file's name. */
        note: z.string().min(1).max(255),
        project_id: z.number().int().positive(),
        job: z.string().min(1).max(1_000),
        ref: z
          .string()
          .regex(/^refs\//, 'a full ref, such as refs/heads/main')
          .max(1_000),
        ref_protected: z.boolean(),
        environment: z.string().min(1).max(255).nullable(),
        digest: digestSchema,
        configuration: z.record(z.string(), z.unknown()),
      }),
    )
    .min(1)
    .max(200),
});
export const importedSchema = z.strictObject({
  items: z.array(
    z.strictObject({
      note: text,
      digest: digestSchema,
      /** `asked`: people are asked now; `approved`: it is approved already; null with a problem. */
      outcome: z.enum(['asked', 'approved']).nullable(),
      review: id.nullable(),
      approval: id.nullable(),
      problem: problemSchema.nullable(),
    }),
  ),
});

export const renameBody = z.strictObject({
  /** Old full path of a project or group. */
  from: z.string().min(1).max(1_000),
  to: z.string().min(1).max(1_000),
  /** Digest of the list that was shown: votes for everything in it. Without it the list is shown. */
  list: digestSchema.optional(),
  comment: comment.optional(),
});
/** The approvals of a renamed project or group and what each becomes. */
export const renamedSchema = z.strictObject({
  from: text,
  to: text,
  /** What a vote on this very list names. */
  list: digestSchema,
  items: z.array(
    z.strictObject({
      approval: id,
      project_id: z.number().int(),
      job: text,
      ref: text,
      environment: text.nullable(),
      old_digest: digestSchema,
      digest: digestSchema,
      changes: z.array(changeSchema),
      review: id.nullable(),
      /** The approval that goes on from it, once enough have voted. */
      renewed_by: id.nullable(),
      problem: problemSchema.nullable(),
    }),
  ),
  more: z.boolean(),
});

/** A remembered reject. */
export const denialSchema = z.strictObject({
  id,
  digest: digestSchema,
  review: id,
  instance: text,
  project_id: z.number().int(),
  job: text,
  by: text,
  reason: text,
  at: time,
  until: time,
  lifted_at: time.nullable(),
  lifted_by: text.nullable(),
  lifted_reason: text.nullable(),
  /** It refuses jobs at present. */
  in_force: z.boolean(),
});
export const liftBody = z.strictObject({ comment: comment.optional() });

/** Open questions that ask the same. */
export const changeGroupSchema = z.strictObject({
  /** Digest of what changed, apart from project id, paths and job name. */
  change: digestSchema,
  summary: text,
  changes: z.array(changeSchema),
  items: z.array(
    z.strictObject({
      review: id,
      digest: digestSchema,
      holds: z.array(id),
      project_id: z.number().int(),
      project_path: text.nullable(),
      job: text,
      ref: text,
      environment: text.nullable(),
      opened_at: time,
      may_vote: mayVoteSchema,
      /** What is this job's own in the difference. */
      own: z.array(
        z.strictObject({ what: z.enum(['project_path', 'project_slug', 'project_id', 'job']), value: text }),
      ),
    }),
  ),
  /** Questions of this change beyond the 200 that are shown. */
  left_off: z.number().int(),
});
export const changesSchema = z.strictObject({ items: z.array(changeGroupSchema), more: z.boolean() });

export type ApprovalView = z.output<typeof approvalSchema>;
export type ApprovalDetail = z.output<typeof approvalDetailSchema>;
export type BriefView = z.output<typeof briefSchema>;
export type ListedApproval = z.output<typeof listedApprovalSchema>;
export type AskView = z.output<typeof askSchema>;
export type DenialView = z.output<typeof denialSchema>;
export type ChangeGroupView = z.output<typeof changeGroupSchema>;
export type RenamedView = z.output<typeof renamedSchema>;
