import { emptyObject } from '../../domain/empty-object.ts';
import { isJsonList, type Json, type JsonObject } from '../../domain/json.ts';
import type { PayloadFields } from './payload.ts';
import { segment } from './unexpansion.ts';

/** What looks like a JWT: three parts of base64url, the first of them an object. */
export const JWT_SHAPE = /^eyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$/;

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
