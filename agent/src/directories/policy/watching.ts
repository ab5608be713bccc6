import { z } from 'zod';
import { FOUR_EYES_LIVE, RECORDINGS } from '../../domain/watching.ts';
import type { Saying } from './approving.ts';
import { duration } from './scalars.ts';

/** Whether jobs are recorded and watched while they run. */
export const watchingShape = {
  recording: z
    .enum(RECORDINGS)
    .optional()
    .describe('Whether the terminal of the job is recorded; required: a job that cannot be recorded is ended.'),
  keep_recordings: duration.optional().describe('How long a recording is kept after the end of its job.'),
  four_eyes_live: z
    .enum(FOUR_EYES_LIVE)
    .optional()
    .describe(
      'required: the job starts only while somebody else who may approve it watches, and ends when nobody does.',
    ),
};
type Read = z.output<z.ZodObject<typeof watchingShape>>;

/** The settings that this part of the file says. */
export function watchingOf({ recording, keep_recordings: keepRecordingsMs, four_eyes_live: fourEyesLive }: Read) {
  return { recording, keepRecordingsMs, fourEyesLive } satisfies Saying;
}
