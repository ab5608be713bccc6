import { z } from 'zod';
import type { PolicyMatch } from '../../domain/policy-match.ts';
import { glob, globs } from './scalars.ts';

/** For which jobs something holds; all that is said must fit. */
export const match = z
  .strictObject({
    projects: z
      .array(z.union([z.number().int().positive(), glob]))
      .min(1)
      .max(10_000)
      .optional()
      .describe('Ids, or patterns over full paths such as acme/payments/*.'),
    jobs: globs.optional().describe('Patterns over names of jobs. Whoever pushes chooses the name of a job.'),
    refs: globs.optional().describe('protected, unprotected, or patterns over full refs such as refs/heads/release/*.'),
    environments: globs.optional().describe('Patterns over names of environments; a job without one fits none.'),
  })
  .transform(
    (read): PolicyMatch => Object.fromEntries(Object.entries(read).filter(([, value]) => value !== undefined)),
  );
