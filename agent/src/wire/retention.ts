import { z } from 'zod';
import { RETAINED_CLASSES } from '../domain/retention.ts';

/** What is asked of `POST /api/v1/retention/apply`. */
export const retentionBody = z.strictObject({
  dry_run: z.boolean().default(false).describe('Only count what would go.'),
  cursor: z.string().max(100).optional().describe('`next` of the answer before.'),
});

const counts = z.partialRecord(z.enum(RETAINED_CLASSES), z.number().int().nonnegative());

/** How many of what went, or would go, since the cursor; `next` null: that was all. */
export const retentionSchema = z.object({ removed: counts, next: z.string().nullable() });
