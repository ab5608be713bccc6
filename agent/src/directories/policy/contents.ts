import { z } from 'zod';
import { filePatternProblem, MAX_FILE_PATTERNS } from '../../domain/file-patterns.ts';
import type { Saying } from './approving.ts';

const filePattern = z
  .string()
  .max(255)
  .superRefine((text, context) => {
    const problem = filePatternProblem(text);
    if (problem !== null) context.addIssue(problem);
  });
/** What beside the payload is part of what is approved. */
export const contentsShape = {
  covered_files: z
    .array(filePattern)
    .max(MAX_FILE_PATTERNS)
    .optional()
    .describe(
      'Files of the repository whose content is part of what is approved: paths from its root, * within a folder, ** over folders.',
    ),
};
type Read = z.output<z.ZodObject<typeof contentsShape>>;

/** The settings that this part of the file says. */
export function contentsOf({ covered_files }: Read) {
  return { coveredFiles: covered_files } satisfies Saying;
}
