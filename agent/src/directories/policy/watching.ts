import { z } from 'zod';
import { FOUR_EYES_LIVE, RECORDINGS } from '../../domain/watching.ts';
import type { Saying } from './approving.ts';

/** Whether jobs are recorded and watched while they run. */
export const watchingShape = {
  recording: z
    .enum(RECORDINGS)
    .optional()
    .describe('Whether the terminal of the job is recorded; required: a job that cannot be recorded is ended.'),
  four_eyes_live: z
    .enum(FOUR_EYES_LIVE)
    .optional()
    .describe(
      'required: the job starts only while somebody else who may approve it watches, and ends when nobody does.',
    ),
};
type Read = z.output<z.ZodObject<typeof watchingShape>>;

/** The settings that this part of the file says. */
export function watchingOf({ recording, four_eyes_live: fourEyesLive }: Read) {
  return { recording, fourEyesLive } satisfies Saying;
}
