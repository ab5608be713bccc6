import { redactTokens } from './redact.ts';

/** Ids as GitLab's programs make them: 26 or 32 letters and digits; a little of everything else that names a request. */
const REQUEST_ID = /^[A-Za-z0-9][A-Za-z0-9._-]{7,63}$/;

/**
 * The id that a request brings, as it may stand in logs, frames and traces; null for anything that is not one word of 8 to 64
 * plain characters, or looks like a token: whoever sends it chooses it (T32, T33).
 */
export function requestIdOf(sent: unknown): string | null {
  return typeof sent === 'string' && REQUEST_ID.test(sent) && redactTokens(sent) === sent ? sent : null;
}
