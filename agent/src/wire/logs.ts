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
