/** Bodies of the native HTTP API `/api/v1/`; snake_case on the wire, times RFC 3339 in UTC, ids integers of the store. */
import { z } from 'zod';
import { AGENT_PROBLEMS, HUB_PROBLEMS } from '../domain/agent-problem.ts';
import { DEPLOYMENT_STATES } from '../domain/deployment.ts';
import { HOLD_STATES } from '../domain/hold.ts';
import { ASK_KINDS } from '../domain/review.ts';
import { INPUTS, REF_LIMITS } from '../domain/scope.ts';
import { STEP_UPS } from '../domain/step-up.ts';
import { auditRowSchema } from './audit.ts';
import { breakGlassSchema } from './break-glass.ts';
import { digestSchema } from './digest.ts';
import { examinedSchema } from './doctor.ts';
import { factsSchema } from './facts.ts';
import { ownVoteSchema, personSchema, quorumSchema, ruleSchema, voteSchema } from './standing.ts';
import { credential } from './tokens.ts';
import { watchingSchema } from './watching.ts';

const id = z.number().int().positive();
const time = z.iso.datetime();
const text = z.string().max(65_536);

/** `run` (this Hold only), `uses:N` (so many runs), `until:DATE` (RFC 3339 or YYYY-MM-DD, end of that day in UTC), `standing`. */
export const lifetimeSchema = z
  .string()
  .regex(
    /^(run|uses:[1-9]\d{0,4}|standing|until:\d{4}-\d\d-\d\d(T[0-9:.]+Z)?)$/,
    'run, uses:N, standing or until:YYYY-MM-DD',
  );

/**
 * What the approval covers beside the place: `ref` alone is the exact full ref; `inputs=admitted|same_pipeline|any`,
 * `ref=exact|protected|any|PATTERN`, `runners=NAME,NAME`, several with a blank between. What is absent is the policy's default.
 */
export const scopeSchema = z.string().max(2_000);

/** Name of the one rule that an approve shall count for; without it: whichever rule it is needed for. */
export const representedAsSchema = z.string().min(1).max(100);

/** Which hidden values to give; absent: those that block an approve, or all where none does. */
export const revealBody = z.strictObject({
  digest: digestSchema,
  names: z.array(z.string().min(1).max(8_192)).min(1).max(200).optional(),
});
/** The only answer that ever carries hidden values. */
export const revealedSchema = z.strictObject({
  hold: id,
  digest: digestSchema,
  values: z.array(
    z.strictObject({
      name: text,
      /** Secrets of others within it stand as `[hidden:NAME]`; `hidden` names them. */
      value: z.string(),
      hidden: z.array(text),
    }),
  ),
});

/** The answer of a passkey to the challenge for this very decision, as JSON of WebAuthn. */
export const assertionSchema = z.record(z.string(), z.unknown());
export const approveBody = z.strictObject({
  /** The full digest that was shown to whoever approves. */
  digest: digestSchema,
  comment: z.string().max(4_000).optional(),
  lifetime: lifetimeSchema.optional(),
  scope: scopeSchema.optional(),
  represented_as: representedAsSchema.optional(),
  assertion: assertionSchema.optional(),
});
/** What an approve is to be, to ask what it still needs. */
export const challengeBody = approveBody.omit({ assertion: true });
/** Takes one's own vote back while the review is open. */
export const withdrawBody = z.strictObject({ comment: z.string().max(4_000).optional() });
export const rejectBody = z.strictObject({
  digest: digestSchema,
  comment: z.string().min(1).max(4_000),
  /** Deny this digest for this subject for 24 h, so that later jobs with it are refused at once. */
  remember: z.boolean().optional(),
});
export const decideBody = z.strictObject({
  decisions: z
    .array(
      z.strictObject({
        hold: id,
        digest: digestSchema,
        decision: z.enum(['approve', 'reject']),
        comment: z.string().max(4_000).optional(),
        lifetime: lifetimeSchema.optional(),
        scope: scopeSchema.optional(),
        represented_as: representedAsSchema.optional(),
        assertion: assertionSchema.optional(),
        remember: z.boolean().optional(),
      }),
    )
    .min(1)
    .max(200),
});
export const retryBody = z.strictObject({
  /** The caller's own GitLab credential, used for this one retry and forgotten. */
  gitlab_token: credential.optional(),
});

/** One line of a diff, in words and as data. `kind` says what happened to `path`. */
export const changeSchema = z.strictObject({
  section: z.enum(['script', 'files', 'image', 'services', 'variables', 'artifacts', 'cache', 'secrets', 'rest']),
  path: text,
  kind: z.enum(['added', 'removed', 'changed']),
  /** Text of the value before and after; null where there is none. Secrets are tags like `hmac:1f0c…`. */
  before: z.string().nullable(),
  after: z.string().nullable(),
  words: text,
});
export const diffSchema = z.strictObject({
  /** The approval whose configuration is the nearest, one that stands first; null when nothing was ever approved for this subject. */
  approval: id.nullable(),
  digest: digestSchema.nullable(),
  /** Why that approval stands no more: it is compared with, and lets nothing pass. Null: it stands, or there is none. */
  over: z
    .strictObject({
      kind: z.enum(['revoked', 'ended', 'used_up']),
      at: time.nullable(),
      by: personSchema.nullable(),
      reason: text.nullable(),
    })
    .nullable()
    .default(null),
  summary: text,
  changes: z.array(changeSchema),
});

export const holdSchema = z.strictObject({
  id,
  state: z.enum(HOLD_STATES),
  version: z.number().int(),
  review: id.nullable(),
  digest: digestSchema,
  instance: text,
  project_id: z.number().int(),
  project_path: text.nullable(),
  job: text,
  stage: text.nullable(),
  ref: text,
  ref_protected: z.boolean(),
  environment: text.nullable(),
  pipeline_id: z.number().int().nullable(),
  /** The newest GitLab job of this Hold. */
  job_id: id,
  job_url: text.nullable(),
  runner: text,
  trigger: factsSchema.shape.trigger,
  opened_at: time,
  expires_at: time,
  ended_at: time.nullable(),
  /** The attempt that is parked or runs now; null when detached or ended. */
  attempt: z.strictObject({ job_id: id, agent: text, parked_until: time.nullable() }).nullable(),
  /** The Approval it passed with, null while none. */
  approval: id.nullable(),
  /** Why it is where it is, in words: `superseded`, the reject's comment, what GitLab said, … */
  reason: text.nullable(),
  /** End of the freeze that keeps it back although it is approved; absent or null where none does. */
  frozen_until: time.nullable().optional(),
  /** Link for people. */
  url: text,
});
/** What has to happen to a Hold whose job GitLab has ended while it waits; `words` are for people, `url` is the page with the Retry button. */
export const retrySchema = z.strictObject({
  /** `nobody_yet`: it is to be approved first; `holdpoint` retries it, or whoever triggered it does. */
  by: z.enum(['nobody_yet', 'holdpoint', 'trigger']),
  words: text,
  url: text.nullable(),
  /** Job that was made of it and waits for its runner. */
  job_id: id.nullable(),
});
export const holdDetailSchema = holdSchema.extend({
  /** What keeps it back, or asks for more people, beside approvals that are missing: a freeze, a time-out. */
  keeps: z.array(text).default([]),
  /** Somebody let it run without its approval: who, why, and what somebody else found. */
  break_glass: z.array(breakGlassSchema).default([]),
  /** Null unless no job stands for this open Hold at present. */
  retry: retrySchema.nullable(),
  /** The canonical form, as an object: canonicalize and hash it to get `digest`. */
  configuration: z.unknown(),
  facts: factsSchema,
  attempts: z.array(
    z.strictObject({
      job_id: id,
      agent: text,
      runner: text,
      at: time,
      ended_at: time.nullable(),
      ended: text.nullable(),
      parked_until: time.nullable(),
    }),
  ),
  votes: z.array(voteSchema),
  rules: z.array(ruleSchema),
  may_vote: ownVoteSchema,
  /** Null where nothing is asked any more. */
  quorum: quorumSchema.nullable().default(null),
  /**
   * Values that the configuration does not show and that somebody may have typed. `blind` ones block an approve until
   * they are revealed.
   */
  hidden: z.array(
    z.strictObject({
      name: text,
      state: z.enum(['blind', 'revealed', 'approved', 'opaque']),
      /** The name changes how a runner or a shell behaves. */
      behaviour: z.boolean(),
    }),
  ),
  /** Where the artifacts come from that the job takes in; `class` is the narrowest scope that covers them all. */
  inputs: z.strictObject({
    class: z.enum(INPUTS),
    dependencies: z.array(
      z.strictObject({
        name: text,
        job_id: z.number().int().nullable(),
        same_pipeline: z.boolean().nullable(),
        admitted: z.boolean(),
      }),
    ),
  }),
  /** What an approve without a scope lets run, in words too, and the widest that the policy allows. */
  scope: z.strictObject({
    usual: text,
    words: z.array(text),
    max_inputs: z.enum(INPUTS),
    max_ref: z.enum(REF_LIMITS),
  }),
  /** What nobody could tell of who triggered or wrote it, in words; every rule asks for one more person then. */
  unknown: z.array(text),
  /** What an approve needs besides; `POST /api/v1/holds/:id/challenge` says whether the session will do, and asks for a passkey. */
  step_up: z.enum(STEP_UPS).default('none'),
  /** What it waits for at its gates: an approve of its configuration, approvals of its deployment, somebody who runs that. */
  waits_for: z.array(z.enum(['configuration', 'approvals', 'start', 'watcher'])).default([]),
  /** Who watches its job, may watch or stop it, and what was recorded; null from a hub that knows of no such thing. */
  watching: watchingSchema.nullable().default(null),
  /** Its deployment, where its environment is protected. */
  deployment: z
    .strictObject({ id, iid: id, state: z.enum(DEPLOYMENT_STATES), environment: text, started_by: text.nullable() })
    .nullable()
    .default(null),
  diff: diffSchema,
  history: z.array(auditRowSchema),
  /** People whom the history names by id, as they are known now. */
  people: z.array(personSchema).default([]),
});
export const reviewSchema = z.strictObject({
  id,
  state: z.enum(['open', 'approved', 'rejected', 'expired', 'canceled']),
  digest: digestSchema,
  project_id: z.number().int(),
  project_path: text.nullable(),
  job: text,
  ref: text,
  environment: text.nullable(),
  opened_at: time,
  closed_at: time.nullable(),
  policy: text,
  holds: z.array(id),
  votes: z.array(voteSchema),
  rules: z.array(ruleSchema),
  /** Null where nothing is asked any more. */
  quorum: quorumSchema.nullable().default(null),
  /** `job`: jobs wait for the answer; the others are asked apart from any job. */
  kind: z.enum(['job', ...ASK_KINDS]).default('job'),
});
export const meSchema = z.strictObject({ person: personSchema, scopes: z.array(text), token_expires_at: time });
export const agentSchema = z.strictObject({
  name: text,
  connected: z.boolean(),
  /** Since when it is connected; of one that is away since when nothing was heard of it. */
  since: time.nullable(),
  version: text.nullable(),
  runners: z.array(z.strictObject({ name: text, protected: z.boolean() })),
  parked: z.number().int(),
  /** Null for an agent in the hub's own process. */
  enrolled_at: time.nullable().default(null),
  revoked_at: time.nullable().default(null),
  /** What the agent says is wrong on its side; empty while it is away. */
  problems: z.array(z.strictObject({ code: z.enum(AGENT_PROBLEMS), blocks: z.boolean(), message: text })).default([]),
  /** What is not as it should be: its clock, its snapshot, or the version of whoever calls itself so. */
  warnings: z.array(text).default([]),
  /** How much its clock is ahead of the hub's; null while it is away, or does not tell. */
  clock_skew_ms: z.number().int().nullable().default(null),
  /** What it goes by while the hub is away, and when the hub said so last; null for none, and while it is away. */
  snapshot: z
    .strictObject({ seq: id, heard_at: time, policy: text, policy_in_force: z.boolean() })
    .nullable()
    .default(null),
  /** What the agent found on its host; null while it is away or has not looked. */
  examined: examinedSchema.nullable().default(null),
});
/** Every list: newest last for audit, oldest first for holds; `next_cursor` goes back as `?cursor=`. */
export function pageOf<T extends z.ZodType>(item: T) {
  return z.strictObject({ items: z.array(item), next_cursor: z.string().nullable() });
}
/** RFC 9457 problem document; `code` is stable, see the error table. */
export const problemSchema = z.strictObject({
  type: z.string(),
  title: z.string(),
  status: z.number().int(),
  detail: z.string(),
  code: z.string(),
});
/** Answer to a list of decisions: one entry each, in their order; exactly one of `after` and `problem` is null. */
export const decidedSchema = z.strictObject({
  items: z.array(
    z.strictObject({
      hold: id,
      after: holdSchema.nullable(),
      /** What it still waits for, in words; null where it waits no more. */
      waits: text.nullable().default(null),
      problem: problemSchema.nullable(),
    }),
  ),
});
/** Answer of `/readyz`: `degraded` names what people must look at although jobs go on. */
export const readySchema = z.strictObject({
  status: z.enum(['ok', 'degraded']),
  problems: z.array(z.strictObject({ code: z.enum([...AGENT_PROBLEMS, ...HUB_PROBLEMS]), message: text })),
  /** Since the last backup that "holdpoint backup" made; null where none is known. */
  backup_age_seconds: z.number().int().nullable().default(null),
});
/** Answer of `/healthz`. */
export const statusSchema = z.strictObject({ status: z.literal('ok') });
/** Messages of the viewers' websocket `/api/v1/events`: a hint that something changed; read it again. */
export const viewerEventSchema = z.strictObject({
  type: z.enum(['hold', 'review', 'approval', 'deployment', 'break_glass', 'agent']),
  id: z.number().int(),
  state: z.string(),
  at: time,
});

export type HoldView = z.output<typeof holdSchema>;
export type HoldDetail = z.output<typeof holdDetailSchema>;
export type ReviewView = z.output<typeof reviewSchema>;
/** A Hold's state after a retry was asked for, and what happens next. */
export const retriedSchema = z.strictObject({ id, state: z.enum(HOLD_STATES), retry: retrySchema.nullable() });
export type AgentView = z.output<typeof agentSchema>;
export type Problem = z.output<typeof problemSchema>;
export type Change = z.output<typeof changeSchema>;
export type RevealedValue = z.output<typeof revealedSchema>['values'][number];
export type Me = z.output<typeof meSchema>;
export type ViewerEvent = z.output<typeof viewerEventSchema>;
