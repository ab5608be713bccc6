/**
 * What hubs on one store say to each other beyond a hint, signed with the key that all of them have. Anybody who may connect to the
 * database can read it and write it: nothing of a job stands in it in clear, and what is not signed, old or said twice is not taken.
 *   beat                 where agents are linked, who lent a credential, and which logs are looked at: now and then, whole
 *   linked, examined     the same of one agent at the moment when it changes
 *   watch                somebody begins or ends to look at a log
 *   ask → answer         hidden values of a job, for one person at the hub that asks
 *   piece                of a log that the other hub looks at
 *   examine, take_back   somebody wants an agent to look at its host; somebody takes back what they lent
 */
import { z } from 'zod';
import { AGENT_PROBLEMS } from '../domain/agent-problem.ts';
import { type Camel, toCamel, toSnake } from './case.ts';
import { findingSchema, MAX_FINDINGS } from './doctor.ts';
import { AGENT_NAME, MAX_FRAME_BYTES } from './link.ts';

/** What a signature is over begins with this type. */
export const LETTER_PAYLOAD = 'application/vnd.holdpoint.between-hubs+json';

const id = z.number().int().positive();
const time = z.number().int().nonnegative();
const agent = z.string().regex(AGENT_NAME);
const hub = z.string().regex(/^[A-Za-z0-9_-]{16}$/);
const text = z.string().max(2_000);
/** A public key of X25519, 32 bytes. */
const key = z.string().regex(/^[A-Za-z0-9_-]{43}$/);
const sealed = z.base64url().max(MAX_FRAME_BYTES);

/** Problems of one agent that other hubs are told; more than that nobody reads. */
export const MAX_TOLD_PROBLEMS = 20;

/** Agents of one hub that it tells others of: more than it takes connections of anybody. */
const MAX_TOLD_AGENTS = 20_000;

const linked = z.object({
  name: agent,
  since: time,
  address: z.string().max(100).nullable(),
  problems: z
    .array(z.object({ code: z.enum(AGENT_PROBLEMS), blocks: z.boolean(), message: text }))
    .max(MAX_TOLD_PROBLEMS),
  status: z
    .strictObject({
      skew_ms: z.number(),
      snapshot: z.object({ seq: id, policy: z.string().max(200), heard_at: z.number() }).nullable(),
    })
    .nullable(),
});
const watched = z.object({ agent, hold: id });

const bodySchema = z.discriminatedUnion('type', [
  z.object({
    type: z.literal('beat'),
    agents: z.array(linked).max(MAX_TOLD_AGENTS),
    lent: z.array(z.object({ person: id, until: time })).max(2_000),
    watched: z.array(watched).max(2_000),
    /** What pieces of logs are sealed to. */
    key,
  }),
  z.object({ type: z.literal('linked'), agent, now: linked.nullable() }),
  z.object({
    type: z.literal('examined'),
    agent,
    at: z.iso.datetime(),
    findings: z.array(findingSchema).max(MAX_FINDINGS),
  }),
  z.object({ type: z.literal('watch'), ...watched.shape, on: z.boolean(), key }),
  z.object({
    type: z.literal('ask'),
    to: hub,
    request: z.string().regex(/^[A-Za-z0-9_-]{24}$/),
    agent,
    hold: id,
    job_id: id,
    digest: z.string().regex(/^sha256:[0-9a-f]{64}$/),
    names: z.array(z.string().max(8_192)).max(200),
    /** Made for this one answer. */
    key,
  }),
  z.object({ type: z.literal('answer'), to: hub, request: z.string().max(24), sealed }),
  z.object({ type: z.literal('piece'), to: hub, sealed }),
  z.object({ type: z.literal('examine'), agent }),
  z.object({ type: z.literal('take_back'), person: id }),
]);
/** Members that are not known are left out: hubs of two versions understand each other as far as they can. */
const letterSchema = z.object({
  from: hub,
  /** By the clock of the hub that says it. */
  at: time,
  /** Grows with each letter of a hub. */
  number: id,
  body: bodySchema,
});

/** What `answer` has sealed. */
const revealedSchema = z.object({
  values: z.array(z.object({ name: z.string(), value: z.string(), hidden: z.array(z.string()) })).nullable(),
  reason: z.string().nullable(),
});
/** What `piece` has sealed. */
const pieceSchema = z.object({ agent, hold: id, job_id: id, offset: time, chunk: z.base64() });

export type LetterBody = Camel<z.output<typeof bodySchema>>;
export type Letter = Camel<z.output<typeof letterSchema>>;
export type LinkedAgent = Camel<z.output<typeof linked>>;
export type FarAnswer = Camel<z.output<typeof revealedSchema>>;
export type FarPiece = Camel<z.output<typeof pieceSchema>>;

function read<T>(schema: z.ZodType, bytes: Uint8Array): T | null {
  try {
    const result = schema.safeParse(JSON.parse(Buffer.from(bytes).toString('utf8')));
    return result.success ? (toCamel(result.data) as T) : null;
  } catch {
    return null;
  }
}
/** A letter, null for anything else: one of a later version too. */
export const readLetter = (bytes: Uint8Array): Letter | null => read(letterSchema, bytes);
/** What was sealed in an answer. */
export const readFarAnswer = (bytes: Uint8Array): FarAnswer | null => read(revealedSchema, bytes);
/** What was sealed in a piece. */
export const readFarPiece = (bytes: Uint8Array): FarPiece | null => read(pieceSchema, bytes);
/** The bytes of any of these. */
export const betweenBytes = (value: Letter | FarAnswer | FarPiece): Uint8Array =>
  Buffer.from(JSON.stringify(toSnake(value)));
