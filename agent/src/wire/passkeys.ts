/** Bodies of `/api/v1/passkeys` and of challenges: what a browser's WebAuthn takes and gives, and what people see of keys. */
import { z } from 'zod';
import { STEP_UPS } from '../domain/step-up.ts';

const time = z.iso.datetime();
const id = z.number().int().positive();

/** What `navigator.credentials.create` or `.get` gave, as JSON of WebAuthn level 3. */
export const signedSchema = z.record(z.string(), z.unknown());

export const addPasskeyBody = z.strictObject({
  /** The `challenge` of the options that the key was made with. */
  challenge: z.string().max(200),
  response: signedSchema,
  /** What its owner calls it, to tell keys apart. */
  name: z.string().trim().min(1).max(100),
});
/** The body that the approve is to have, its comment included; that one is not signed. */
export const deploymentChallengeBody = z.strictObject({
  comment: z.string().max(4_000).optional(),
  represented_as: z.string().min(1).max(255).optional(),
});
export const confirmPasskeyBody = z.strictObject({ code: z.string().min(1).max(50) });

export const passkeySchema = z.strictObject({
  id,
  owner: z.string(),
  owner_id: z.number().int(),
  mine: z.boolean(),
  name: z.string(),
  created_at: time,
  confirmed_at: time.nullable(),
  confirmed_by: z.string().nullable(),
  last_used_at: time.nullable(),
  /** What its owner tells whoever confirms it; null for everybody else. */
  code: z.string().nullable(),
});
export const passkeysSchema = z.strictObject({ items: z.array(passkeySchema) });

/** What `PublicKeyCredential.parseCreationOptionsFromJSON` or `parseRequestOptionsFromJSON` takes. */
export const optionsSchema = z.looseObject({ challenge: z.string() });

/** What an approve is still asked for. */
export const stepUpSchema = z.strictObject({
  needed: z.enum(STEP_UPS),
  /** The session as it is will do. */
  met: z.boolean(),
  /** For `navigator.credentials.get`; its answer goes into the approve as `assertion`. */
  options: optionsSchema.nullable(),
  problem: z.string().nullable(),
});

export type PasskeyView = z.output<typeof passkeySchema>;
export type StepUpView = z.output<typeof stepUpSchema>;
