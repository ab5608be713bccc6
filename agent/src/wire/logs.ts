/** Messages of the viewers' websocket `/api/v1/events` about the log of a running job. */
import { z } from 'zod';

const id = z.number().int().positive();

/** What a viewer may say: that they look at a job's log, or no longer. */
export const watchLogSchema = z.strictObject({ type: z.literal('watch'), hold: id, on: z.boolean() });
/** Whether the log is followed from now on; `reason` says why not. */
export const watchingLogSchema = z.strictObject({
  type: z.literal('watching'),
  hold: id,
  on: z.boolean(),
  reason: z.string().nullable(),
});
/** A piece of the log as the runner sent it, base64; `offset` is in bytes of what the runner has written. */
export const logPieceSchema = z.strictObject({
  type: z.literal('log'),
  hold: id,
  job_id: id,
  offset: z.number().int().nonnegative(),
  chunk: z.base64(),
});

export type WatchLog = z.output<typeof watchLogSchema>;
export type WatchingLog = z.output<typeof watchingLogSchema>;
export type LogPieceEvent = z.output<typeof logPieceSchema>;

/** A viewer watches a job live, as the second pair of eyes, or no longer. Said only by a page that is visible. */
export const attendSchema = z.strictObject({ type: z.literal('attend'), hold: id, on: z.boolean() });
/** Whether they count as watching from now on; `reason` says why not, or no longer. */
export const attendingSchema = z.strictObject({
  type: z.literal('attending'),
  hold: id,
  on: z.boolean(),
  reason: z.string().nullable(),
});
/** The hub asks whether somebody still looks; what is not answered soon counts as gone. */
export const beatSchema = z.strictObject({ type: z.literal('beat'), hold: id, nonce: z.string().max(64) });
/** The answer to the last `beat`, from a page that is visible at this moment. */
export const presentSchema = z.strictObject({ type: z.literal('present'), hold: id, nonce: z.string().max(64) });

/** Everything that a viewer may say. */
export const viewerSaysSchema = z.discriminatedUnion('type', [watchLogSchema, attendSchema, presentSchema]);

export type ViewerSays = z.output<typeof viewerSaysSchema>;
export type Attend = z.output<typeof attendSchema>;
export type Attending = z.output<typeof attendingSchema>;
export type Beat = z.output<typeof beatSchema>;
export type Present = z.output<typeof presentSchema>;
