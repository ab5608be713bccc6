import { z } from 'zod';
import { filePatternProblem, MAX_FILE_PATTERNS } from '../../domain/file-patterns.ts';
import { PIN_MODES } from '../../domain/pinned-images.ts';
import type { Saying } from './approving.ts';

const filePattern = z
  .string()
  .max(255)
  .superRefine((text, context) => {
    const problem = filePatternProblem(text);
    if (problem !== null) context.addIssue(problem);
  });
/** As in a reference: `registry.example.com`, `127.0.0.1:5000`. */
const registry = z
  .string()
  .max(255)
  .regex(/^[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?(?::[1-9][0-9]{0,4})?$/, 'a registry is a host, with a port or without');

/** What beside the payload is part of what is approved. */
export const contentsShape = {
  covered_files: z
    .array(filePattern)
    .max(MAX_FILE_PATTERNS)
    .optional()
    .describe(
      'Files of the repository whose content is part of what is approved: paths from its root, * within a folder, ** over folders.',
    ),
  pin_images: z
    .enum(PIN_MODES)
    .optional()
    .describe(
      'Whether names of images are resolved to digests: off, record (noted), enforce (part of what is approved).',
    ),
  registries: z
    .array(registry)
    .max(100)
    .optional()
    .describe('Registries that may be asked what an image stands for; absent: none.'),
};
type Read = z.output<z.ZodObject<typeof contentsShape>>;

/** The settings that this part of the file says. */
export function contentsOf({ covered_files, pin_images, registries }: Read) {
  return { coveredFiles: covered_files, pinImages: pin_images, registries } satisfies Saying;
}
