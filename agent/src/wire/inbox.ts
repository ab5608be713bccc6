/** Bodies of what the page asks beside the lists: `/api/v1/inbox` and `/api/v1/holds/:id/background`. */
import { z } from 'zod';
import { digestSchema } from './digest.ts';
import { factsSchema } from './facts.ts';
import { mayVoteSchema, personSchema } from './standing.ts';

const id = z.number().int().positive();
const time = z.iso.datetime();
const text = z.string().max(65_536);

/** One open Review, as it stands in somebody's inbox. */
export const inboxItemSchema = z.strictObject({
  review: id,
  /** `me`: it waits for the caller; `opened`: the caller triggered it and others decide; `others`: neither. */
  lane: z.enum(['me', 'others', 'opened']),
  digest: digestSchema,
  project_id: z.number().int(),
  project_path: text.nullable(),
  job: text,
  ref: text,
  ref_protected: z.boolean(),
  environment: text.nullable(),
  opened_at: time,
  /** When the last Hold that waits for it expires. */
  expires_at: time.nullable(),
  /** How many Holds wait for it, and the newest of them. */
  holds: z.number().int(),
  hold: id.nullable(),
  trigger: factsSchema.shape.trigger,
  rules: z.array(z.strictObject({ name: text, need: z.number().int(), have: z.number().int() })),
  may_vote: mayVoteSchema,
  /** What the caller has said already. */
  voted: z.enum(['approve', 'reject']).nullable(),
  /** The difference to the nearest approved configuration, in a sentence. */
  summary: text,
});

/** What a Hold can be compared with, and how far an approve may reach. */
export const backgroundSchema = z.strictObject({
  /** Approved configurations of the same job, newest first, one entry each. */
  approved: z.array(
    z.strictObject({
      approval: id,
      digest: digestSchema,
      ref: text,
      environment: text.nullable(),
      created_at: time,
      /** Whose votes it rests on. */
      by: z.array(personSchema),
    }),
  ),
  /** The last Hold of the same job that ran before this one. */
  last_run: z.strictObject({ hold: id, digest: digestSchema, at: time }).nullable(),
  lifetime: z.strictObject({
    /** What an approve without a lifetime gets: `standing`, `until:TIME`, `run`. */
    usual: text,
    /** The longest that the policy allows: `standing`, `days:N`, `run`. */
    max: text,
  }),
  /** Whether somebody who wrote it has had no job run in this project before; null: not known. */
  first_time_author: z.boolean().nullable(),
});

export type InboxItemView = z.output<typeof inboxItemSchema>;
export type BackgroundView = z.output<typeof backgroundSchema>;
