/**
 * The link: websocket `/api/v1/link` between agent and hub, JSON frames, protocol 1.
 *
 * Order: agent `hello` → hub `challenge` → agent `prove` → hub `welcome`; then, in any order,
 *   admit{ref}  → verdict{ref}          asked again with another ref after a drop; idempotent per (agent, job_id); an agent
 *                                       with the feature `sections` may be told what else to cover, and asks again with it
 *   report{ref} → state{ref, holds}     the answer acknowledges it; idempotent per (hold, job_id, event)
 *   sync{ref}   → state{ref, holds}     all that the agent holds, after each welcome
 *   reveal{request} → revealed{request} hub to agent, answered once or not at all
 *   watch → log …                       pieces of a running job's log, from now on, while somebody looks; lost ones are lost
 *   snapshot                            what an agent may let run while its hub is away; after the welcome, whenever it changes,
 *                                       and now and then; not answered, an old one never replaces a newer one
 *   record{ref} → recorded{ref}         part of the recording of a job that runs; sent again until it is answered
 *   health                              what is wrong on the agent's side; not answered
 *   status                              what the agent holds and what its clock says, after each welcome, after each snapshot
 *                                       and now and then; not answered; protocol 2 and later
 *   examine → examined                  what the agent found on its host: asked, each hour, after each welcome; not answered
 *   push{seq}   → ack{seq}              release, reject, expire, revoke, cancel: at least once, ordered, kept in the
 *                                       hub's outbox until acknowledged; sent again after a drop from `cursor`
 * A push is a hint, the store is the truth: both sides act on the state, never on a count of frames.
 * Anything else, a frame over `MAX_FRAME_BYTES`, an unknown type or a wrong order closes the socket with a code below.
 */
import { z } from 'zod';
import { AGENT_PROBLEMS } from '../domain/agent-problem.ts';
import { MAX_FILE_PATTERNS } from '../domain/file-patterns.ts';
import { HOLD_STATES } from '../domain/hold.ts';
import type { JsonObject } from '../domain/json.ts';
import { PIN_MODES } from '../domain/pinned-images.ts';
import { requestIdOf } from '../domain/request-id.ts';
import { type Camel, toCamel, toSnake } from './case.ts';
import { findingSchema, MAX_FINDINGS } from './doctor.ts';
import { factsSchema } from './facts.ts';

/** 1: the first. 2: an agent tells its `status`. */
export const PROTOCOL = 2;
/** The oldest that is still spoken. */
const OLDEST_PROTOCOL = 1;
/** 10 MiB: a canonical form of 6 MiB with its envelope and Facts. */
export const MAX_FRAME_BYTES = 10 * 1024 * 1024;
/** All values of one `revealed` together fit a frame, whatever characters they are made of: JSON writes one with six at most. */
export const MAX_REVEALED_CHARS = 1024 * 1024;
/** One piece of a job's log; a runner sends more at once, and it comes in pieces. */
export const MAX_LOG_PIECE_BYTES = 48 * 1024;
/** Text of one part of a recording; a runner sends 1 MiB at once at most. */
export const MAX_RECORD_CHARS = 1024 * 1024 + 64 * 1024;
/** What each end signs begins with: nothing that is signed for one purpose proves another. */
export const PROVE_CONTEXT = 'holdpoint.link/v1';
export const CHALLENGE_CONTEXT = 'holdpoint.link/v1 hub';
export const ENROL_CONTEXT = 'holdpoint.enrol/v1';
/** Versions of the link that this program speaks. A neighbour that is one version apart speaks one of them as well. */
export const SPEAKS = { oldest: OLDEST_PROTOCOL, newest: PROTOCOL } as const;

/** What an agent signs: for this protocol, this one challenge, its own name, and the one hub that it has enrolled with (T27, T28). */
export function proofText(nonce: string, agent: string, hub: string, protocol: number): string {
  return [PROVE_CONTEXT, nonce, agent, hub, protocol].join('\0');
}

/** What a hub signs before an agent says anything of itself: the agent's own challenge, and its answer to it. */
export function challengeText(agentNonce: string, nonce: string, agent: string, protocol: number): string {
  return [CHALLENGE_CONTEXT, agentNonce, nonce, agent, protocol].join('\0');
}

/** What an agent signs to enrol: whoever has the token alone cannot enrol somebody else's key. */
export function enrolText(token: string, publicKey: string): string {
  return [ENROL_CONTEXT, token, publicKey].join('\0');
}

/** The protocol that two ends speak, the newest that both know; null where there is none. */
export function commonProtocol(theirs: { readonly oldest: number; readonly newest: number }): number | null {
  const newest = Math.min(theirs.newest, SPEAKS.newest);
  return newest >= Math.max(theirs.oldest, SPEAKS.oldest) ? newest : null;
}

export const CLOSE = {
  going_away: 1001,
  too_big: 1009,
  bad_frame: 4400,
  unauthenticated: 4401,
  revoked: 4403,
  timeout: 4408,
  wrong_order: 4409,
  unknown_protocol: 4426,
} as const;

/** An agent as people name it. */
export const AGENT_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/;
const agentName = z.string().regex(AGENT_NAME);
const id = z.number().int().positive();
const seq = z.number().int().nonnegative();
const ref = z.string().min(1).max(100);
const text = z.string().max(65_536);
const digest = z.string().regex(/^sha256:[0-9a-f]{64}$/);
/** Covered fields in canonical order or not: the receiver canonicalizes and hashes again, and refuses what does not fit. */
const configuration = z.custom<JsonObject>((v) => typeof v === 'object' && v !== null && !Array.isArray(v));

/** What an agent tells of a Hold it has (or had). `refused` has no hold: a payload that was never a Configuration. */
export const REPORT_EVENTS = [
  'parked', // sealed on disk, heartbeats run; detail: {parked_until}
  'detached', // the GitLab job has ended while the Hold waits; detail: {reason}
  'handed_out', // first byte written to the runner → running
  'confirmed', // first PUT or PATCH of the job seen
  'undelivered', // the bytes provably did not reach the runner → pending
  'unconfirmed', // no sign of the runner within handover_confirm; failed upstream → failed
  'canceled', // GitLab says canceled or canceling
  'ended', // as GitLab reports it; detail: {status: success|failed|canceled}
  'refused', // hold null; detail: {reason, path}
  'receipt_refused', // hold null or the one it was handed out under; detail: {reason, refusal}
] as const;

const agentFrames = [
  /** Members that are not known are left out: the first frame has to be understood by a hub that is older. */
  z.object({
    type: z.literal('hello'),
    /** The newest that the agent speaks, and the oldest; absent: only that one. */
    protocol: z.number().int(),
    oldest: z.number().int().optional(),
    agent: agentName,
    version: z.string().max(100),
    runners: z.array(z.strictObject({ name: text, protected: z.boolean() })).max(1_000),
    /** Number of the newest snapshot that the agent has, 0 for none: the next one is above it. */
    snapshot: seq.default(0),
    /** The agent's own challenge to the hub. */
    nonce: z.string().min(16).max(200),
    /** The highest seq the agent has acted on, 0 for none. */
    cursor: seq,
    /** What else the agent can do; an older hub leaves it unread. `sections`: cover files and images that the policy names. */
    features: z.array(z.string().max(100)).max(100).optional(),
  }),
  /** Ed25519 over `proofText`, base64url. */
  z.strictObject({ type: z.literal('prove'), signature: z.string().max(200) }),
  z.strictObject({
    type: z.literal('admit'),
    ref,
    digest,
    configuration,
    facts: factsSchema,
    policy: text.nullable(),
    /** The job runs already (`mode: monitor`): what would have become of it is recorded, nobody is asked. */
    monitor: z.boolean().optional(),
    /** The job was let through while the hub was away: it is recorded, and nothing is decided. */
    offline: z
      .strictObject({
        kind: z.enum(['approved', 'tolerated', 'break_glass']),
        approval: id.nullable(),
        snapshot: seq,
        reason: text.nullable(),
        at: z.iso.datetime(),
      })
      .optional(),
    /** Unprotected runners of this agent that may be given the job instead of parking it. */
    divert: z.array(text).max(1_000).optional(),
    /** The runner's request that the job came with, for logs alone. */
    request: z
      .string()
      .max(64)
      .refine((sent) => requestIdOf(sent) !== null, 'no id of a request')
      .optional(),
    /** W3C traceparent of the question. */
    trace: z
      .string()
      .regex(/^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/)
      .optional(),
  }),
  z.strictObject({
    type: z.literal('report'),
    ref,
    hold: id.nullable(),
    /** 0 where not even that can be told, as of a receipt that is asked for with what is no job. */
    job_id: z.number().int().nonnegative(),
    event: z.enum(REPORT_EVENTS),
    /** When it happened, RFC 3339. */
    at: z.iso.datetime(),
    detail: z.strictObject({
      parked_until: z.iso.datetime().optional(),
      status: z.enum(['success', 'failed', 'canceled']).optional(),
      reason: text.optional(),
      path: text.optional(),
      refusal: z.string().max(40).optional(),
      facts: factsSchema.optional(),
    }),
  }),
  z.strictObject({
    type: z.literal('sync'),
    ref,
    holds: z
      .array(
        z.strictObject({
          hold: id,
          job_id: id,
          digest,
          state: z.enum(['parked', 'released', 'handed_out', 'confirmed', 'ended']),
          parked_until: z.iso.datetime().nullable(),
        }),
      )
      .max(100_000),
  }),
  z.strictObject({ type: z.literal('ack'), seq }),
  /** What people must look at on the agent's side, whole, after each welcome and whenever it changes; not answered. */
  z.strictObject({
    type: z.literal('health'),
    problems: z.array(z.strictObject({ code: z.enum(AGENT_PROBLEMS), blocks: z.boolean(), message: text })).max(1_100),
  }),
  /** What the agent goes by; not answered. A hub that speaks protocol 1 closes the link on it. */
  z.strictObject({
    type: z.literal('status'),
    /** The agent's clock, for how far it is off. */
    at: z.iso.datetime(),
    /** The newest snapshot that it has, null for none: its number, the version of the policy in it, and its age by the agent's own time. */
    snapshot: z
      .strictObject({ seq: id, policy: z.string().max(200), age_ms: z.number().int().nonnegative() })
      .nullable(),
  }),
  /** The newest look at the agent's host, whole; not answered. */
  z.strictObject({
    type: z.literal('examined'),
    at: z.iso.datetime(),
    findings: z.array(findingSchema).max(MAX_FINDINGS),
  }),
  /** Answers `reveal`; `values` null: the agent cannot, `reason` says why. Neither end keeps or logs it. */
  z.strictObject({
    type: z.literal('revealed'),
    request: ref,
    values: z
      .array(
        z.strictObject({
          name: z.string().max(8_192),
          value: z.string().max(MAX_REVEALED_CHARS),
          hidden: z.array(text).max(10_000),
        }),
      )
      .max(200)
      .nullable(),
    reason: text.nullable(),
  }),
  /** A piece of the log of a job that is watched, as it passes the gateway; `offset` is in the runner's own bytes. Not kept. */
  z.strictObject({
    type: z.literal('log'),
    hold: id,
    job_id: id,
    offset: z.number().int().nonnegative(),
    /** Base64. */
    chunk: z.base64().max(Math.ceil(MAX_LOG_PIECE_BYTES / 3) * 4),
  }),
  /** A part of the recording of a job, masked; answered by `recorded`, and sent again until it is. */
  z.strictObject({
    type: z.literal('record'),
    ref,
    hold: id,
    job_id: id,
    offset: z.number().int().nonnegative(),
    size: z.number().int().nonnegative(),
    /** Epoch ms. */
    at: z.number().int().nonnegative(),
    text: z.string().max(MAX_RECORD_CHARS),
    /** Why the recording is not whole from here on. */
    problem: z.string().max(1_000).nullable(),
  }),
] as const;

const push = { seq, hold: id, job_id: id, digest, reason: text.nullable(), note: text.nullable() };

const hubFrames = [
  /** `hub` is the id of its key, and `signature` that key's over `challengeText`, base64url. */
  z.strictObject({
    type: z.literal('challenge'),
    /** What is spoken from here on: the newest that both ends know. */
    protocol: z.number().int(),
    nonce: z.string().min(16).max(200),
    hub: z.string().regex(/^[0-9a-f]{64}$/),
    signature: z.string().max(200),
  }),
  z.strictObject({
    type: z.literal('welcome'),
    protocol: z.number().int(),
    heartbeat_ms: z.number().int().positive(),
    time: z.iso.datetime(),
    /** 32 bytes, base64url: the key of the HMACs in the canonical form. */
    variable_key: z.string().regex(/^[A-Za-z0-9_-]{43}$/),
    policy: text,
  }),
  z.strictObject({
    type: z.literal('verdict'),
    ref,
    outcome: z.enum(['pass', 'hold', 'refuse', 'divert', 'sections']),
    /** With `sections`, to an agent that said it can: nothing is decided, ask again with these in the configuration. */
    sections: z
      .strictObject({
        files: z.array(z.string().max(255)).max(MAX_FILE_PATTERNS),
        images: z.enum(PIN_MODES),
        registries: z.array(z.string().max(255)).max(100),
      })
      .optional(),
    /** With `divert`: the runner that gets the job, one of those offered. */
    runner: text.nullable().optional(),
    /** The Hold the job hangs on; every job that reached a gate has one. Null only when refused, diverted or monitored. */
    hold: id.nullable(),
    approval: id.nullable(),
    /** Request TTL of the Hold; null unless outcome is hold. */
    expires: z.iso.datetime().nullable(),
    reason: text.nullable(),
    /** Plain lines for the job log: why, what changed, who may approve, link, how to reproduce. */
    note: text.nullable(),
    /** Link to the Hold on the hub. */
    url: text.nullable(),
    /** With `hold`: how long the job is kept alive at most while it waits; 0 ends it at once. */
    live_ms: z.number().int().nonnegative().nullable().optional(),
    /** With `pass`: the job has to be recorded; only an agent with the feature `watching` is told so. */
    recording: z.enum(['record', 'required']).optional(),
  }),
  z.strictObject({
    type: z.literal('state'),
    ref,
    holds: z
      .array(
        z.strictObject({
          hold: id,
          job_id: id,
          /** `unknown`: no such Hold of this agent; ask `admit` again. */
          state: z.enum([...HOLD_STATES, 'unknown']),
          /**
           * False when another GitLab job has taken this one's place in the Hold (hand nothing out, fail it upstream), and in
           * answer to a hand-out that came after its revocation (take it back).
           */
          current: z.boolean(),
          /** In answer to a hand-out: the job has to be recorded; only an agent with the feature `watching` is told so. */
          recording: z.enum(['record', 'required']).optional(),
        }),
      )
      .max(100_000),
  }),
  z.strictObject({ type: z.literal('release'), ...push }),
  z.strictObject({ type: z.literal('reject'), ...push }),
  z.strictObject({ type: z.literal('expire'), ...push }),
  z.strictObject({ type: z.literal('revoke'), ...push }),
  /** `stop`: a job that runs is ended too; only an agent with the feature `watching` is told so. */
  z.strictObject({ type: z.literal('cancel'), ...push, stop: z.boolean().optional() }),
  /** `head` and `body` are texts of JSON, `body` null where the agent has it already; Ed25519 over the head, base64url. */
  z.strictObject({
    type: z.literal('snapshot'),
    head: z.string().max(2_000),
    body: z.string().max(MAX_FRAME_BYTES).nullable(),
    signature: z.string().max(200),
  }),
  /** Values of a job that the agent has parked, for one answer to one person; not kept in the outbox, never sent again. */
  z.strictObject({
    type: z.literal('reveal'),
    request: ref,
    hold: id,
    job_id: id,
    digest,
    names: z.array(z.string().max(8_192)).max(200),
  }),
  /** Answers `record`: up to where the recording is, in bytes of the runner's log, and why it takes no more. */
  z.strictObject({
    type: z.literal('recorded'),
    ref,
    next: z.number().int().nonnegative(),
    problem: text.nullable(),
  }),
  /** Somebody wants the agent's host looked at now. */
  z.strictObject({ type: z.literal('examine') }),
  /** Whether somebody looks at a job's log; forgotten when the connection ends. */
  z.strictObject({ type: z.literal('watch'), hold: id, on: z.boolean() }),
  z.strictObject({ type: z.literal('error'), ref: ref.nullable(), code: text, message: text }),
] as const;

export const agentFrameSchema = z.discriminatedUnion('type', agentFrames);
export const hubFrameSchema = z.discriminatedUnion('type', hubFrames);

export type AgentFrame = Camel<z.output<typeof agentFrameSchema>>;
export type HubFrame = Camel<z.output<typeof hubFrameSchema>>;
export type ReportEvent = (typeof REPORT_EVENTS)[number];
export const PUSHES = ['release', 'reject', 'expire', 'revoke', 'cancel'] as const;
export type Push = Extract<HubFrame, { type: (typeof PUSHES)[number] }>;
export type Verdict = Extract<HubFrame, { type: 'verdict' }>;

export type Parsed<T> = { readonly ok: true; readonly frame: T } | { readonly ok: false; readonly message: string };

function parse<T>(schema: z.ZodType, data: string): Parsed<T> {
  let value: unknown;
  try {
    value = JSON.parse(data);
  } catch {
    return { ok: false, message: 'frame is not JSON' };
  }
  const result = schema.safeParse(value);
  if (result.success) return { ok: true, frame: toCamel(result.data) as T };
  const issue = result.error.issues[0];
  return { ok: false, message: `frame: ${issue?.path.join('.') || 'type'}: ${issue?.message ?? 'not understood'}` };
}

/** Reads one frame that an agent sent. */
export function parseAgentFrame(data: string): Parsed<AgentFrame> {
  return parse(agentFrameSchema, data);
}

/** Reads one frame that a hub sent. */
export function parseHubFrame(data: string): Parsed<HubFrame> {
  return parse(hubFrameSchema, data);
}

/** The text of a frame, keys in snake_case. */
export function frameText(frame: AgentFrame | HubFrame): string {
  return JSON.stringify(toSnake(frame));
}
