import { headerIn } from './headers.ts';
import type { KnownRunner } from './runner-tokens.ts';
import type { Answer } from './upstream.ts';

/** A token that a runner's call carries beside its own has no business there, and could be one that answers with more. */
export const OTHER_TOKENS: readonly string[] = [
  'private-token',
  'authorization',
  'job-token',
  'deploy-token',
  'cookie',
];

/** Every string of a JSON value with the token exchanged, names of members included. */
function exchanged(value: unknown, exchange: (text: string) => string): unknown {
  if (typeof value === 'string') return exchange(value);
  if (Array.isArray(value)) return value.map((each) => exchanged(each, exchange));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [exchange(name), exchanged(each, exchange)]));
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** An answer that cannot be looked through is not passed on. */
const UNREADABLE: Answer = {
  status: 502,
  headers: ['Content-Type', 'application/json'],
  body: Buffer.from('{"message":"502 Bad Gateway: the answer of GitLab was not understood"}'),
  whole: true,
};

/**
 * An answer of GitLab for a runner that must not learn its real token: wherever the real one stands, in headers, in the
 * body, however JSON escapes it, stands the runner's own (T54). A compressed body could hide it and becomes 502.
 */
export function forRunner(answer: Answer, runner: KnownRunner): Answer {
  const own = runner.entry.gatewayToken;
  if (own === undefined) return answer;
  if ((headerIn(answer.headers, 'content-encoding')?.toLowerCase() ?? 'identity') !== 'identity') return UNREADABLE;
  const exchange = (text: string): string => [...runner.reals].reduce((out, real) => out.replaceAll(real, own), text);
  // Byte for byte where it is no JSON: a token is ASCII.
  const text = answer.body.toString('latin1');
  const json = parsed(answer.body.toString());
  const body =
    json === undefined || typeof json === 'number'
      ? Buffer.from(exchange(text), 'latin1')
      : Buffer.from(JSON.stringify(exchanged(json, exchange)));
  return { ...answer, headers: answer.headers.map(exchange), body };
}

/** What a reset was answered: the new token with its end, `refused` where GitLab did nothing, `lost` where nobody can tell. */
export function readReset(answer: Answer): { token: string; expiresAt: string | null } | 'refused' | 'lost' {
  if (answer.status >= 400 && answer.status < 500) return 'refused';
  if (answer.status !== 200 && answer.status !== 201) return 'lost';
  const json = answer.whole ? parsed(answer.body.toString()) : undefined;
  if (typeof json !== 'object' || json === null) return 'lost';
  const { token, token_expires_at: expires } = json as { token?: unknown; token_expires_at?: unknown };
  if (typeof token !== 'string' || !/^[\x21-\x7e]{1,255}$/.test(token)) return 'lost';
  return { token, expiresAt: typeof expires === 'string' ? expires : null };
}
