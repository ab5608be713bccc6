/** Bodies of `/api/v1/tokens/revoke`. */
import { z } from 'zod';

/** Whose tokens end. */
export const revokeTokensBody = z.strictObject({
  /** User name of whose tokens end; `everybody` for all; default: the caller's own. Others' only with `admin`. */
  user: z.string().max(255).optional(),
  everybody: z.literal(true).optional(),
  /** True: the token that asks ends too. */
  this_too: z.boolean().optional(),
  reason: z.string().max(1_000).optional(),
});
/** How many ended. */
export const revokedTokensSchema = z.strictObject({ revoked: z.number().int() });
