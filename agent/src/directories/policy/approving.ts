import { z } from 'zod';
import {
  AUTO_APPROVE,
  COMMENTS,
  type PolicySettings,
  SELF_APPROVAL,
  SUPERSEDED,
  UNKNOWN_AUTHOR,
} from '../../domain/policy.ts';
import { STEP_UPS } from '../../domain/step-up.ts';
import { rules } from './rules.ts';
import { duration } from './scalars.ts';

/** Who approves, whom it may not be, how long it is asked and remembered. */
export const approvingShape = {
  rules: rules.optional().describe('Every rule must be met. One person counts for one rule only, and only once.'),
  self_approval: z.enum(SELF_APPROVAL).optional().describe('Who may not approve what they caused themselves.'),
  unknown_author: z
    .enum(UNKNOWN_AUTHOR)
    .optional()
    .describe('Where nobody can tell whom to exclude: one more person for every rule, or nothing.'),
  // As many as rules may ask for: nobody could reject at all beyond that.
  rejects_required: z
    .number()
    .int()
    .min(1)
    .max(100)
    .optional()
    .describe('So many rejects of people whom a rule knows end a review.'),
  auto_approve: z
    .enum(AUTO_APPROVE)
    .optional()
    .describe('Whether the push of somebody who might approve it alone needs no vote.'),
  comment: z.enum(COMMENTS).optional().describe('Whether an approve needs a comment.'),
  step_up: z
    .enum(STEP_UPS)
    .optional()
    .describe('What an approve needs besides: nothing, a sign-in of the last five minutes, or a passkey.'),
  request_ttl: duration.optional().describe('A job that nobody decided on expires after this time.'),
  remember: duration.optional().describe('How long "reject --remember" refuses the same configuration at once.'),
  superseded: z
    .enum(SUPERSEDED)
    .optional()
    .describe('What becomes of a run that a newer one has overtaken while it waited.'),
};
type Read = z.output<z.ZodObject<typeof approvingShape>>;

/** The settings that this part of the file says. */
export function approvingOf(read: Read) {
  return {
    rules: read.rules,
    selfApproval: read.self_approval,
    unknownAuthor: read.unknown_author,
    rejectsRequired: read.rejects_required,
    autoApprove: read.auto_approve,
    comment: read.comment,
    stepUp: read.step_up,
    requestTtlMs: read.request_ttl,
    rememberMs: read.remember,
    superseded: read.superseded,
  } satisfies Saying;
}

/** Settings of which each may be unsaid. */
export type Saying = { readonly [K in keyof PolicySettings]?: PolicySettings[K] | undefined };
