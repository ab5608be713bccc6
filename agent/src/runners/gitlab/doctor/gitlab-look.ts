import type { GitlabLook, TlsFault } from '../../../domain/doctor/observation.ts';
import { headerIn } from '../headers.ts';
import { createUpstream } from '../upstream.ts';

/** Somebody waits for all of it. */
const ASK_MS = 10_000;
const MAX_BYTES = 256 * 1024;

/** What Node and OpenSSL call a certificate that is not good, by what people do about it. */
const TLS_FAULTS: Readonly<Record<string, TlsFault>> = {
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'unknown_ca',
  SELF_SIGNED_CERT_IN_CHAIN: 'unknown_ca',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'unknown_ca',
  UNABLE_TO_GET_ISSUER_CERT: 'unknown_ca',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'unknown_ca',
  CERT_UNTRUSTED: 'unknown_ca',
  ERR_TLS_CERT_ALTNAME_INVALID: 'name',
  HOSTNAME_MISMATCH: 'name',
  CERT_HAS_EXPIRED: 'expired',
  CERT_NOT_YET_VALID: 'not_yet',
};

function failure(error: unknown): GitlabLook {
  const codes: string[] = [];
  for (let at: unknown = error; at instanceof Error && codes.length < 5; at = at.cause)
    if ('code' in at && typeof at.code === 'string') codes.push(at.code);
  const code = codes.at(-1) ?? 'no answer';
  const fault = TLS_FAULTS[code];
  if (fault !== undefined) return { outcome: 'tls', fault, detail: code };
  // Not of a certificate: a plain HTTP server on that port, or no cipher or version in common.
  if (code === 'EPROTO' || code.startsWith('ERR_SSL') || code.startsWith('ERR_TLS'))
    return { outcome: 'tls', fault: 'other', detail: code };
  return { outcome: 'away', code };
}

/** Server's clock minus ours; its Date header has whole seconds, so half a second is the best guess. */
function skewOf(date: string | null | undefined, from: number, to: number): number | null {
  const theirs = Date.parse(date ?? '');
  return Number.isNaN(theirs) ? null : theirs + 500 - (from + to) / 2;
}

/** Asks GitLab for its version: with a token it tells, without one its 401 says that it is there. */
export async function lookAtGitlab(options: {
  readonly url: string;
  readonly ca?: string | undefined;
  readonly token: string | null;
  readonly now: () => number;
}): Promise<GitlabLook> {
  const { token, now } = options;
  const upstream = createUpstream(options);
  try {
    const from = now();
    const auth = token === null ? [] : ['Authorization', `Bearer ${token}`];
    const answer = await upstream.call({
      method: 'GET',
      path: '/api/v4/version',
      headers: ['User-Agent', 'holdpoint', 'Accept', 'application/json', ...auth],
      timeoutMs: ASK_MS,
      totalMs: ASK_MS,
      maxBytes: MAX_BYTES,
    });
    const location = headerIn(answer.headers, 'location') ?? null;
    const isElsewhere = answer.status >= 300 && answer.status < 400 && location !== null;
    const body = bodyOf(answer.body);
    return {
      outcome: 'answered',
      status: answer.status,
      version: answer.status === 200 && typeof body?.version === 'string' ? body.version.slice(0, 50) : null,
      token: token === null ? 'none' : answer.status === 401 || answer.status === 403 ? 'refused' : 'taken',
      skewMs: skewOf(headerIn(answer.headers, 'date'), from, now()),
      redirect: isElsewhere ? originOf(location, options.url) : null,
      isApi:
        body !== null &&
        (typeof body.version === 'string' || typeof body.message === 'string' || typeof body.error === 'string'),
    };
  } catch (error) {
    return failure(error);
  } finally {
    await upstream.close();
  }
}

function bodyOf(bytes: Buffer): { version?: unknown; message?: unknown; error?: unknown } | null {
  try {
    const value: unknown = JSON.parse(bytes.toString('utf8'));
    return typeof value === 'object' && value !== null ? value : null;
  } catch {
    return null;
  }
}

/** Where a redirect leads, without path and query: those may carry what was asked. */
function originOf(location: string, base: string): string {
  try {
    return new URL(location, base).origin;
  } catch {
    return 'an address that is none';
  }
}
