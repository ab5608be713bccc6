/** Bodies about agents: tokens with which they enrol, and the enrolment itself. */
import { z } from 'zod';
import { AGENT_NAME } from './link.ts';

const time = z.iso.datetime();
const name = z.string().regex(AGENT_NAME, 'wanted up to 100 letters, digits, ".", "_" or "-"');
/** 32 bytes. */
const key = z.string().regex(/^[A-Za-z0-9_-]{43}$/, 'wanted 32 bytes in base64url');

/** Which agent to invite. */
export const inviteBody = z.strictObject({ name });
/** The text of a one-time token; in this answer only. */
export const invitationSchema = z.strictObject({ name, token: z.string(), expires_at: time });
/** Path of one agent. */
export const agentParam = z.object({ name });
/** Why an agent is revoked. */
export const revokeAgentBody = z.strictObject({ reason: z.string().max(4_000).nullish() }).nullish();
/** Nothing is told with the wish that an agent looks at its host. */
export const examineBody = z.strictObject({});
/** What a host shows to become an agent; `signature` over `enrolText`, base64url. */
export const enrolBody = z.strictObject({
  token: z.string().min(1).max(200),
  public_key: key,
  signature: z.string().max(200),
});
/** What it is called, and the public key of the hub that it talks to from here on. */
export const enrolledSchema = z.strictObject({ agent: name, hub_key: key });
