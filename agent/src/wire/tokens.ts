/** Bodies of `/api/v1/tokens`, and of GitLab credentials that people lend. */
import { z } from 'zod';
import { GITLAB_PURPOSES, GITLAB_TOKEN_STATES } from '../domain/gitlab-token.ts';
import { TOKEN_SCOPES, TOKEN_STATES } from '../domain/token.ts';
import { TOKEN_FLAGS } from '../domain/token-use.ts';
import { personSchema } from './standing.ts';

const id = z.number().int().positive();
const time = z.iso.datetime();
const text = z.string().max(65_536);

export const createTokenBody = z.strictObject({
  /** User name of whom it is for; default: the caller. Only `admin` may name somebody else. */
  user: z.string().max(255).optional(),
  scopes: z.array(z.enum(TOKEN_SCOPES)).min(1).optional(),
  /** Seconds it lives; default 28,800 (8 h), at most 2,592,000 (30 d). */
  expires_in_s: z.number().int().positive().optional(),
  name: z.string().max(100).optional(),
});
export const rotateTokenBody = z.strictObject({
  /** Seconds that the old text goes on working; default 0, at most 3,600. */
  overlap_s: z.number().int().min(0).max(3_600).optional(),
  /** Seconds that the new one lives; default: as long as the old one would have. Only `admin` gives more. */
  expires_in_s: z.number().int().positive().optional(),
});
/** A GitLab credential is one word; it is never stored, logged or answered. */
export const credential = z.string().regex(/^[\x21-\x7e]{1,4096}$/, 'a credential is one word without blanks');
export const lendBody = z.strictObject({
  token: credential,
  /** Seconds; default 28,800 (8 h), at most 43,200. */
  expires_in_s: z.number().int().positive().optional(),
});
/** Whether the caller has lent a credential, and until when. */
export const lentSchema = z.strictObject({ lent: z.boolean(), expires_at: time.nullable() });
export const tokenSchema = z.strictObject({
  id,
  name: text.nullable(),
  owner: text,
  /** GitLab's number; null for the bootstrap token. */
  owner_id: z.number().int().nullable(),
  scopes: z.array(text),
  /** Ids of other people who may have held it when it was made. */
  made_by: z.array(z.number().int()),
  created_at: time,
  expires_at: time,
  /** When it ends because nobody uses it; null for the bootstrap token. */
  idle_ends_at: time.nullable(),
  last_used_at: time.nullable(),
  last_used_address: text.nullable(),
  /** What the client calls itself. */
  last_used_client: text.nullable(),
  revoked_at: time.nullable(),
  /** Who ended it, as the audit names them. */
  revoked_by: text.nullable(),
  revoked_reason: text.nullable(),
  /** The token that took its place. */
  replaced_by: id.nullable(),
  valid: z.boolean(),
  /** `valid`, or why it is not. */
  state: z.enum(TOKEN_STATES),
  /** Uses that look like a job's, newest last: `agent_host`, `in_job`, `ci_client`. */
  flags: z.array(
    z.strictObject({ kind: z.enum(TOKEN_FLAGS), at: time, address: text.nullable(), client: text.nullable() }),
  ),
  /** First characters, to tell tokens apart. */
  prefix: text,
});
/** A token of GitLab's that the operator gave; its text is in no answer. */
export const gitlabTokenSchema = z.strictObject({
  purpose: z.enum(GITLAB_PURPOSES),
  /** Where it is set: the key in agent.yml. */
  setting: text,
  /** What it is used for, in words. */
  does: text,
  /** `valid`, or what is wrong with it. */
  state: z.enum(GITLAB_TOKEN_STATES),
  valid: z.boolean(),
  name: text.nullable(),
  /** Whose name stands in GitLab when it is used. */
  owner: personSchema.extend({ bot: z.boolean() }).nullable(),
  scopes: z.array(text),
  /** The least scopes that do. */
  least_scopes: z.array(text),
  created_at: time.nullable(),
  /** A day; the token ends as it begins. */
  expires_at: text.nullable(),
  last_used_at: time.nullable(),
  /** What to look at, in words; empty where all is well. */
  problems: z.array(text),
});
export const gitlabTokensSchema = z.strictObject({ items: z.array(gitlabTokenSchema) });
export type GitlabTokenView = z.output<typeof gitlabTokenSchema>;
/** The only answer that ever carries a token's text. */
export const createdTokenSchema = tokenSchema.extend({ token: text });
export type TokenView = z.output<typeof tokenSchema>;
export type CreatedToken = z.output<typeof createdTokenSchema>;
