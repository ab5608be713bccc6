import { z } from 'zod';

/** Digest of a configuration, in full. */
export const digestSchema = z
  .string()
  .regex(/^sha256:[0-9a-f]{64}$/, 'a digest is "sha256:" and 64 lower-case hex digits');
