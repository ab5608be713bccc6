import type { Json } from '../../domain/json.ts';
import type { Ignorable } from './ignored.ts';
import type { PayloadFields } from './payload.ts';
import { type KnownValue, segment } from './unexpansion.ts';
import type { Variable, VariableGroup } from './variables.ts';

/** How the variables of a dynamic environment (`review/$CI_COMMIT_REF_SLUG`) stand in the form. */
export interface DynamicEnvironment {
  /** Text of CI_ENVIRONMENT_NAME before the segment, its `/` included. */
  readonly prefix: string;
  readonly variable: string;
  readonly segmentValue: string;
  /** CI_ENVIRONMENT_SLUG when it has GitLab's shape for that name. */
  readonly slug: string | null;
  readonly id: string | null;
  /** Looked for in CI_ENVIRONMENT_URL beside the values of every variable. */
  readonly known: readonly KnownValue[];
}

/** The one public entry of a group; null where several differ or one is not plain. */
function single(groups: ReadonlyMap<string, VariableGroup>, name: string): Variable | null {
  const group = groups.get(name.toLowerCase());
  if (group === undefined || group.entries.length !== 1) return null;
  const [variable] = group.entries;
  const isPlain = variable.public && !variable.masked && !variable.file && !variable.raw && variable.others === null;
  return isPlain && variable.key === name ? variable : null;
}

/** GitLab's slug of an environment before it is shortened. */
function environmentSlug(name: string): string {
  const plain = name.toLowerCase().replace(/[^a-z0-9]/gu, '-');
  return (/^[a-z]/.test(plain) ? plain : `env-${plain}`).replace(/-+/g, '-');
}

/** True for a slug that GitLab could have given an environment of this name. */
export function isSlugOf(slug: string, name: string): boolean {
  const whole = environmentSlug(name);
  if (slug === whole || slug === whole.replace(/-$/, '')) return true;
  const short = whole.slice(0, 17);
  const start = short.endsWith('-') ? short : `${short}-`;
  return slug.startsWith(start) && /^[0-9a-z]{1,6}$/.test(slug.slice(start.length));
}

/**
 * Recognises an environment that is named after the ref or the merge request: its last segment is the ref slug, else the ref
 * name, else the merge request's iid, each only where the variable of that name may be ignored.
 */
export function dynamicEnvironment(
  groups: ReadonlyMap<string, VariableGroup>,
  ignorable: Ignorable,
): DynamicEnvironment | null {
  const name = single(groups, 'CI_ENVIRONMENT_NAME')?.value ?? '';
  for (const variable of ['CI_COMMIT_REF_SLUG', 'CI_COMMIT_REF_NAME', 'CI_MERGE_REQUEST_IID']) {
    const value = ignorable.value(variable);
    if (value === null || value === '' || !name.endsWith(`/${value}`)) continue;
    const slug = single(groups, 'CI_ENVIRONMENT_SLUG')?.value ?? '';
    const id = single(groups, 'CI_ENVIRONMENT_ID')?.value ?? '';
    const known: KnownValue[] = [{ name: variable, value, bounded: true, segment: () => segment('var', variable) }];
    const fits = isSlugOf(slug, name);
    if (fits) {
      known.push({
        name: 'CI_ENVIRONMENT_SLUG',
        value: slug,
        bounded: true,
        segment: () => segment('var', 'CI_ENVIRONMENT_SLUG'),
      });
    }
    return {
      prefix: name.slice(0, name.length - value.length),
      variable,
      segmentValue: value,
      slug: fits ? slug : null,
      id: /^[1-9][0-9]*$/.test(id) ? id : null,
      known,
    };
  }
  return null;
}

/** `[prefix…, {"var": NAME}]`: the name of a dynamic environment. */
export function environmentName(environment: DynamicEnvironment, prefix: Json): Json {
  const last = segment('var', environment.variable);
  return typeof prefix === 'string' ? (prefix === '' ? [last] : [prefix, last]) : [...(prefix as Json[]), last];
}

/** The full ref of a run, from `git_info` alone: no variable can lie about it. */
export function fullRef(fields: PayloadFields): { full: string; type: 'branch' | 'tag' | 'merge_request' } {
  if (fields.refType === 'tag') return { full: `refs/tags/${fields.ref}`, type: 'tag' };
  if (fields.mergeRequestRef) return { full: fields.ref, type: 'merge_request' };
  return { full: `refs/heads/${fields.ref}`, type: 'branch' };
}
