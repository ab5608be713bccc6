import { createPublicKey, type KeyObject, verify } from 'node:crypto';
import type { Json } from '../../domain/json.ts';
import { readStrictJson } from '../../domain/strict-json.ts';

/** A real id token is one or two kilobytes. */
const MAX_TOKEN_CHARACTERS = 16_384;
/** RS256 under a shorter key can be forged. */
const MIN_MODULUS_BITS = 2048;
const THREE_PARTS = /^([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)$/;

/** Bytes of a base64url text in its one canonical spelling, else null: a token has one spelling only (T50). */
function decode(text: string): Uint8Array | null {
  const bytes = Buffer.from(text, 'base64url');
  return bytes.toString('base64url') === text ? bytes : null;
}

function readKeys(jwks: unknown): ReadonlyMap<string, KeyObject> {
  const keys = new Map<string, KeyObject>();
  const twice = new Set<string>();
  const list = typeof jwks === 'object' && jwks !== null ? (jwks as { keys?: unknown }).keys : undefined;
  for (const jwk of Array.isArray(list) ? (list as unknown[]) : []) {
    if (typeof jwk !== 'object' || jwk === null) continue;
    const { kid, kty, use, alg, n, e } = jwk as Record<string, unknown>;
    if (typeof kid !== 'string' || kty !== 'RSA' || typeof n !== 'string' || typeof e !== 'string') continue;
    if ((use !== undefined && use !== 'sig') || (alg !== undefined && alg !== 'RS256')) continue;
    // Two keys of one id: which of them signed is not said, so neither counts.
    if (keys.has(kid) || twice.has(kid)) {
      keys.delete(kid);
      twice.add(kid);
      continue;
    }
    try {
      const key = createPublicKey({ key: { kty: 'RSA', n, e }, format: 'jwk' });
      if ((key.asymmetricKeyDetails?.modulusLength ?? 0) >= MIN_MODULUS_BITS) keys.set(kid, key);
    } catch {
      // A key that cannot be read verifies nothing.
    }
  }
  return keys;
}

/**
 * A verifier of id tokens against a JSON Web Key Set (`{"keys": […]}`): the claims of a strict three-part RS256 JWT whose
 * signature verifies against the one key with its `kid`, else null. `exp` is not looked at: jobs park.
 */
export function jwksVerifier(jwks: unknown): (jwt: string) => Record<string, Json> | null {
  const keys = readKeys(jwks);
  return (jwt) => {
    const parts = jwt.length > MAX_TOKEN_CHARACTERS ? null : THREE_PARTS.exec(jwt);
    if (parts === null) return null;
    const [header, payload, signature] = [decode(parts[1]!), decode(parts[2]!), decode(parts[3]!)];
    if (header === null || payload === null || signature === null) return null;
    const head = readStrictJson(header, 'any');
    if (!head.ok || head.value.alg !== 'RS256' || head.value.crit !== undefined) return null;
    if (head.value.typ !== undefined && head.value.typ !== 'JWT') return null;
    const key = typeof head.value.kid === 'string' ? keys.get(head.value.kid) : undefined;
    if (key === undefined) return null;
    if (!verify('sha256', Buffer.from(`${parts[1]}.${parts[2]}`, 'ascii'), key, signature)) return null;
    const claims = readStrictJson(payload, 'any');
    return claims.ok ? claims.value : null;
  };
}
