import { caseFold } from '../../domain/case-fold.ts';
import { isJsonList, isJsonObject, type Json, type JsonObject } from '../../domain/json.ts';
import { elements, member } from './payload.ts';

/** Three parts of base64url, the first beginning as an object does: an id token, whoever it is for. */
const TOKEN = /(?<![A-Za-z0-9_-])ey[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}/;

/** Nothing, as GitLab writes nothing. */
function isEmpty(value: Json | undefined): boolean {
  if (value === undefined || value === null) return true;
  if (isJsonList(value)) return value.length === 0;
  return isJsonObject(value) && Object.keys(value).length === 0;
}

function someText(value: Json, test: (text: string) => boolean): boolean {
  if (typeof value === 'string') return test(value);
  if (isJsonList(value)) return value.some((each) => someText(each, test));
  return isJsonObject(value) && Object.keys(value).some((key) => test(key) || someText(value[key]!, test));
}

/**
 * Whether a payload may go to an unprotected runner (T55): its ref is known to be unprotected, and it has no environment,
 * no secrets, no id token and no suspend options, since those were made for the runner that GitLab gave it to. The job's
 * own token is every job's. Unknown is no.
 */
export function isDivertible(payload: JsonObject, jobToken: string): boolean {
  if (member(payload, 'git_info', 'protected') !== false) return false;
  if (!isEmpty(payload.secrets) || !isEmpty(payload.suspend_options)) return false;
  for (const variable of elements(payload, 'variables')) {
    const key = isJsonObject(variable) ? variable.key : null;
    if (typeof key !== 'string' || caseFold(key).startsWith(caseFold('CI_ENVIRONMENT_'))) return false;
  }
  const isOwn = jobToken.length > 0;
  return !someText(payload, (text) => TOKEN.test(isOwn ? text.replaceAll(jobToken, ' ') : text));
}
