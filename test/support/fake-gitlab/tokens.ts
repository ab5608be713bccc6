import { createPublicKey, generateKeyPairSync, type KeyObject, randomBytes, sign, verify } from 'node:crypto';

/** The fake's own RS256 key: job tokens and id tokens are really signed, and really verified. */
export interface Signer {
  readonly kid: string;
  jwks(): object;
  sign(claims: object): string;
  /** Claims if the signature is ours, else null; looks at no time. */
  read(jwt: string): Record<string, unknown> | null;
}

/** Makes a fresh 2048-bit key: GitLab's size, so that whatever checks key sizes meets the real thing. */
export function createSigner(): Signer {
  const pair = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const kid = `fake-${randomBytes(6).toString('hex')}`;
  return signerOf(pair.privateKey, kid);
}

function signerOf(key: KeyObject, kid: string): Signer {
  const publicKey = createPublicKey(key);
  const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
  return {
    kid,
    jwks: () => ({ keys: [{ ...publicKey.export({ format: 'jwk' }), kid, use: 'sig', alg: 'RS256' }] }),
    sign(claims) {
      const signed = `${encode({ kid, typ: 'JWT', alg: 'RS256' })}.${encode(claims)}`;
      return `${signed}.${sign('RSA-SHA256', Buffer.from(signed), key).toString('base64url')}`;
    },
    read(jwt) {
      const [head, body, signature, ...more] = jwt.split('.');
      if (head === undefined || body === undefined || signature === undefined || more.length > 0) return null;
      const good = verify('RSA-SHA256', Buffer.from(`${head}.${body}`), publicKey, Buffer.from(signature, 'base64url'));
      if (!good) return null;
      return JSON.parse(Buffer.from(body, 'base64url').toString('utf8')) as Record<string, unknown>;
    },
  };
}

/** GitLab lets a job token live this long after the job's timeout. */
const TOKEN_LEEWAY_S = 300;

/** The token of a job and when it dies (epoch milliseconds): rendering time + max(60 s, timeout) + 5 min. */
export function jobToken(
  signer: Signer,
  format: 'jwt' | 'opaque',
  job: { id: number; projectId: number; userId: number; timeoutS: number },
  now: number,
): { token: string; expiresAt: number } {
  const issued = Math.floor(now / 1000);
  const expires = issued + Math.max(60, job.timeoutS) + TOKEN_LEEWAY_S;
  if (format === 'opaque') return { token: `glcbt-64_${randomBytes(10).toString('hex')}`, expiresAt: expires * 1000 };
  const jwt = signer.sign({
    version: '0.1.0',
    o: '1',
    u: base36(job.userId),
    p: base36(job.projectId),
    g: base36(job.projectId),
    jti: randomBytes(16).toString('hex'),
    aud: 'gitlab-authz-token',
    sub: `gid://gitlab/Ci::Build/${job.id}`,
    iss: 'https://gitlab.example.com',
    iat: issued,
    nbf: issued - 5,
    exp: expires,
  });
  return { token: `glcbt-${jwt}`, expiresAt: expires * 1000 };
}

function base36(id: number): string {
  return id.toString(36);
}

/** An id token of a fixture once more: same claims but for those of the run, times of now, our signature. */
export function resignIdToken(
  signer: Signer,
  jwt: string,
  run: Readonly<Record<string, string>>,
  now: number,
): string | null {
  const parts = jwt.split('.');
  if (parts.length !== 3) return null;
  let claims: unknown;
  try {
    const head: unknown = JSON.parse(Buffer.from(parts[0]!, 'base64url').toString('utf8'));
    if (typeof head !== 'object' || head === null || (head as { alg?: unknown }).alg !== 'RS256') return null;
    claims = JSON.parse(Buffer.from(parts[1]!, 'base64url').toString('utf8'));
  } catch {
    return null; // not a token: GitLab would have no reason to make another one
  }
  if (typeof claims !== 'object' || claims === null || !('job_id' in claims)) return null;
  const renewed: Record<string, unknown> = { ...claims };
  for (const [name, value] of Object.entries(run)) if (name in renewed) renewed[name] = value;
  const issued = Math.floor(now / 1000);
  return signer.sign({
    ...renewed,
    jti: randomBytes(16).toString('hex'),
    iat: issued,
    nbf: issued - 5,
    exp: issued + 3600,
  });
}
