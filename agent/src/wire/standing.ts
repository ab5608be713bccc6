/** Who is asked, who has voted, and how far the rules are met, as the API says it. */
import { z } from 'zod';

const time = z.iso.datetime();
const text = z.string().max(65_536);

/** A person as they are shown. */
export const personSchema = z.strictObject({
  id: z.number().int().nullable(),
  username: text.nullable(),
  name: text.nullable(),
});

export const voteSchema = z.strictObject({
  person: personSchema,
  decision: z.enum(['approve', 'reject']),
  comment: text.nullable(),
  lifetime: text.nullable(),
  /** As `ref=exact inputs=same_pipeline`; null for a reject. */
  scope: text.nullable(),
  /** The one rule that it counts for, by name; null: whichever it is needed for. */
  represented_as: text.nullable().default(null),
  /** False for an approve that no rule counts as things are: whoever cast it has left, or the rules have changed. */
  counts: z.boolean().default(true),
  at: time,
});
export const ruleSchema = z.strictObject({
  name: text,
  need: z.number().int(),
  have: z.number().int(),
  /** Who could still satisfy it, capped at 20, and how many there are. */
  eligible: z.array(personSchema),
  eligible_count: z.number().int().default(0),
  /** Whom it asks for, in words: `maintainer or higher`, `members of acme/qa`. */
  who: text.default(''),
  /** Whose votes count for it. */
  voted: z.array(personSchema).default([]),
  /** True when an approve of the caller would count for it. */
  mine: z.boolean().default(false),
  /** It stood when the review was opened (`opened`), the policy asks for it since (`now`), or both: all must be met by the same votes. */
  asked: z.enum(['both', 'opened', 'now']).default('both'),
});
export const mayVoteSchema = z.strictObject({ allowed: z.boolean(), reason: text.nullable() });
/** The same with what the caller's vote is and would be. */
export const ownVoteSchema = mayVoteSchema.extend({
  /** The rule that an approve of the caller would count for, by name; null: none needs it. */
  rule: text.nullable().default(null),
  /** Names of the rules that it could count for: what `represented_as` may be. */
  rules: z.array(text).default([]),
  /** True when a reject of the caller would count; else why not. */
  reject: z.boolean().default(false),
  reject_reason: text.nullable().default(null),
  /** What the caller has said. */
  voted: z.enum(['approve', 'reject']).nullable().default(null),
  /** Whom to ask instead: people whose approves would help to complete it, capped at 20, and how many there are. */
  ask: z.array(personSchema).default([]),
  ask_count: z.number().int().default(0),
});
/** Whether all rules together can still be met. */
export const quorumSchema = z.strictObject({
  possible: z.boolean(),
  /** In words: who would complete it, or why nobody can and who can change that. */
  words: text,
  /** People whose approves would complete it: one such set. */
  wanted: z.array(personSchema),
  /** Rejects of entitled people, and how many of them end it. */
  rejects: z.strictObject({ need: z.number().int(), have: z.number().int() }),
  /** Who can make it possible again by changing who belongs to what. */
  keepers: z.array(personSchema),
});
