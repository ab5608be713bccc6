import { emptyObject } from '../../domain/empty-object.ts';
import { isJsonList, type Json, type JsonObject } from '../../domain/json.ts';
import type { PayloadFields } from './payload.ts';
import { segment } from './unexpansion.ts';

/** What looks like a JWT: three parts of base64url, the first of them an object. */
export const JWT_SHAPE = /^eyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$/;

const BASE64URL = /^[A-Za-z0-9_-]+$/;

/** True when a JWT stands anywhere in the text. By hand: a pattern that may begin anywhere takes quadratic time (T30). */
export function holdsToken(text: string): boolean {
  const parts = text.split('.');
  for (let part = 0; part + 2 < parts.length; part++) {
    const head = parts[part]!;
    let start = head.length;
    while (start > 0 && BASE64URL.test(head[start - 1]!)) start -= 1;
    if (head.indexOf('eyJ', start) === -1) continue;
    if (BASE64URL.test(parts[part + 1]!) && BASE64URL.test(parts[part + 2]!.slice(0, 1))) return true;
  }
  return false;
}

/** A claim that names a number, as GitLab writes it: in digits, or as a number. */
function isNumber(claim: Json | undefined, wanted: number): boolean {
  return (typeof claim === 'string' || typeof claim === 'number') && String(claim) === String(wanted);
}

/**
 * `[{"jwt": {iss, aud, sub}}]` for a token of this very job, else null. Another project's real token, or another job's, is an
 * ordinary value (T50). `aud` is a set; `name` writes the three texts the way the form may show them.
 */
export function reduceToken(
  text: string,
  fields: PayloadFields,
  verifyIdToken: (jwt: string) => Record<string, Json> | null,
  name: (text: string) => Json,
): readonly JsonObject[] | null {
  if (!JWT_SHAPE.test(text)) return null;
  const claims = verifyIdToken(text);
  if (claims === null || !isNumber(claims.job_id, fields.id) || !isNumber(claims.project_id, fields.projectId))
    return null;
  const { iss, sub, aud } = claims;
  const audiences = isJsonList(aud) ? aud : [aud ?? null];
  if (typeof iss !== 'string' || typeof sub !== 'string') return null;
  if (!audiences.every((audience): audience is string => typeof audience === 'string')) return null;
  const reduced = emptyObject();
  reduced.iss = name(iss);
  reduced.aud = [...new Set(audiences)].sort().map(name);
  reduced.sub = name(sub);
  return [segment('jwt', reduced)];
}
