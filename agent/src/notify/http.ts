import { Agent, request } from 'undici';
import { NotSent } from '../ports/notifier.ts';

/** A receiver that is slower keeps nothing but its own queue waiting; it is tried again. */
const CALL_MS = 10_000;
/** Nothing of an answer is used but its status; so much is read so that the connection can be used again. */
const MAX_ANSWER_BYTES = 64 * 1024;
/** Statuses that may be another the next time. */
const PASSING = new Set([408, 425, 429]);

/** Posts to addresses that the operator has set, and to no other: no redirect is followed. */
export interface Poster {
  post(url: URL, headers: Readonly<Record<string, string>>, body: string): Promise<void>;
  close(): Promise<void>;
}

function afterOf(header: string | string[] | undefined): number | null {
  const text = Array.isArray(header) ? header[0] : header;
  return text !== undefined && /^\d{1,6}$/.test(text) ? Number(text) * 1_000 : null;
}

/** Opens connections for one channel. */
export function openPoster(ca: string | null, callMs = CALL_MS): Poster {
  const dispatcher = new Agent({ connect: { timeout: callMs, ...(ca === null ? {} : { ca }) } });
  return {
    async post(url, headers, body) {
      const signal = AbortSignal.timeout(callMs);
      let status: number;
      let after: number | null;
      try {
        const answer = await request(url, {
          method: 'POST',
          dispatcher,
          headers: { 'user-agent': 'holdpoint', ...headers },
          body,
          signal,
          headersTimeout: callMs,
          bodyTimeout: callMs,
        });
        status = answer.statusCode;
        after = afterOf(answer.headers['retry-after']);
        // Whoever answers without an end has answered: the status is all that counts.
        await answer.body.dump({ limit: MAX_ANSWER_BYTES, signal }).catch(() => {});
      } catch (error) {
        // The code alone: a message of the client may quote the address, and that of a chat is a secret.
        const code = error instanceof Error && 'code' in error ? String(error.code) : 'no answer';
        throw new NotSent(signal.aborted ? `no answer within ${callMs / 1_000} s` : `no answer (${code})`, {
          again: true,
        });
      }
      if (status >= 200 && status < 300) return;
      if (status >= 300 && status < 400)
        throw new NotSent(`it answered ${status}: redirects are not followed, set the address it points to`, {
          again: false,
        });
      throw new NotSent(`it answered ${status}`, { again: status >= 500 || PASSING.has(status), afterMs: after });
    },
    close: () => dispatcher.destroy(),
  };
}
