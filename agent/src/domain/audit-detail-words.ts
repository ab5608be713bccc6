import { list, object, words } from './bundle-html.ts';
import { isJsonList, type Json, type JsonObject } from './json.ts';
import { accessWord } from './principal.ts';
import { policyShort } from './who-let-run.ts';

/** What stands in the detail of a row of the audit, in words; what there are no words for is shown as it is. */

const MEMBERS: Readonly<Record<string, string>> = {
  project_id: 'project',
  job_id: 'job',
  sha: 'commit',
  kind: 'run',
  rules: 'asked for',
  deploy_access: 'may deploy',
  excluded: 'may not approve',
  voters: 'voted',
  protected_by: 'protected by',
  self_approval: 'their own approval',
  rejects_required: 'rejects that end it',
  by_trigger: 'started by who triggered the job',
};
const SELF_APPROVAL: Readonly<Record<string, string>> = {
  forbid: 'counts neither of who triggered it nor of who wrote it',
  forbid_author: 'does not count of who wrote it',
  allow_trigger: 'counts of who triggered it, not of who wrote it',
  allow: 'counts',
};
/** Whether somebody's own approval counts, in words; null where nothing is said of it. */
export function selfApprovalText(value: Json | undefined): string | null {
  if (value === undefined || value === null) return null;
  return SELF_APPROVAL[String(value)] ?? words(value);
}
const PEOPLE: ReadonlySet<string> = new Set([
  'person',
  'owner',
  'user',
  'trigger',
  'voters',
  'people',
  'excluded',
  'marked_by',
]);

/** Whom a rule asks for, as a row has written it; a row of another version may have anything there. */
function whoText(value: Json | undefined): string {
  const { kind, level, name, id } = object(value);
  if (kind === 'access_level' && typeof level === 'number')
    return level === 60 ? 'administrator' : `${accessWord(level)} or higher`;
  if (kind === 'user') return typeof name === 'string' ? name : `user ${words(id)}`;
  if (kind === 'group') return `members of ${typeof name === 'string' ? name : `group ${words(id)}`}`;
  return words(value);
}
function ruleText(value: Json): string {
  const { name, who, count } = object(value);
  return who === undefined ? words(value) : `${words(count)} × ${words(name)} (${whoText(who)})`;
}

function memberText(name: string, value: Json, nameOf: (id: Json | undefined) => string): string {
  if (PEOPLE.has(name)) {
    const ids = isJsonList(value) ? value : [value];
    if (ids.every((id) => typeof id === 'number')) return ids.map(nameOf).join(', ') || 'nobody';
  }
  if (name === 'self_approval') return selfApprovalText(value) ?? words(value);
  if (name === 'rules' && isJsonList(value)) return value.map(ruleText).join(' and ') || 'nobody';
  if (name === 'who') return whoText(value);
  if (/(^|_)policy$/.test(name) && typeof value === 'string') return policyShort(value);
  if (name === 'deploy_access' && isJsonList(value))
    return value.map((each) => list(each).map(whoText).join(' or ') || 'nobody').join(', and besides ') || 'nobody';
  return name === 'state' ? words(value).replaceAll('_', ' ') : words(value);
}

/** The detail of a row; `nameOf` tells how the person of a number is called. */
export function detailText(detail: JsonObject, nameOf: (id: Json | undefined) => string): string {
  return Object.keys(detail)
    .filter((name) => detail[name] !== null)
    .map((name) => `${MEMBERS[name] ?? name.replaceAll('_', ' ')}: ${memberText(name, detail[name]!, nameOf)}`)
    .join('; ');
}
