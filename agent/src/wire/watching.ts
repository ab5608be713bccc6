/** What the API says of watching a job while it runs, and of what was recorded. */
import { z } from 'zod';
import { FOUR_EYES_LIVE, RECORDINGS, STOP_CAUSES } from '../domain/watching.ts';

const id = z.number().int().positive();
const time = z.iso.datetime();
const text = z.string().max(65_536);

/** Whether somebody may, and if not, why. */
const may = z.strictObject({ allowed: z.boolean(), reason: text.nullable() });

export const recordingSchema = z.strictObject({
  job_id: id,
  /** `open` while the job runs; `removed` when its time was over: its hash stays. */
  state: z.enum(['open', 'ended', 'removed']),
  required: z.boolean(),
  started_at: time,
  ended_at: time.nullable(),
  seconds: z.number().nonnegative(),
  /** Of the file. */
  bytes: z.number().int().nonnegative(),
  /** SHA-256 of the file, hex, as the audit has it. */
  sha256: z
    .string()
    .regex(/^[0-9a-f]{64}$/)
    .nullable(),
  /** Why it is not whole; null for one that is. */
  problem: text.nullable(),
  keep_until: time.nullable(),
});

export const watchingSchema = z.strictObject({
  recording: z.enum(RECORDINGS),
  four_eyes_live: z.enum(FOUR_EYES_LIVE),
  /** So many people have to watch, where the policy asks for it. */
  needed: z.number().int().positive(),
  /** Who watches now. */
  watching: z.array(z.strictObject({ id, username: text, name: text.nullable() })),
  /** Who could, while somebody has to. */
  could_watch: z.array(z.strictObject({ id, username: text, name: text.nullable() })),
  may_watch: may,
  may_stop: may,
  /** Who had the newest job stopped; `by` is null where the hub did. */
  stopped: z
    .strictObject({ by: text.nullable(), cause: z.enum(STOP_CAUSES), reason: text, at: time, job_id: id })
    .nullable(),
  recordings: z.array(recordingSchema),
});

/** Why a job is stopped: its log tells it. */
export const stopBody = z.strictObject({
  comment: z.string().min(1).max(4_000),
  /** The caller's own GitLab credential: GitLab is asked to cancel the job as well. */
  gitlab_token: z.string().min(1).max(4_096).optional(),
});
export const stoppedSchema = z.strictObject({
  id,
  job_id: id,
  /** Null where the hub itself had it stopped. */
  by: text.nullable(),
  reason: text,
  at: time,
  /** Who has the job, and whether it is linked to any hub: until it is, the job runs on. */
  agent: text,
  agent_connected: z.boolean(),
});

export type Stopped = z.output<typeof stoppedSchema>;
export type WatchingView = z.output<typeof watchingSchema>;
export type RecordingView = z.output<typeof recordingSchema>;
