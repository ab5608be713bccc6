import { isJsonList, isJsonObject, type Json } from '../../domain/json.ts';
import type { JsonPath } from '../../domain/json-text.ts';
import { pathText } from '../../domain/strict-json.ts';
import { REMOVED, REMOVED_PASSWORD, type RemovedLeaf } from './fields.ts';
import type { Form } from './form.ts';
import { clip, plainText } from './form-text.ts';
import type { IgnorableVariable } from './ignorable-variables.ts';
import { elements } from './payload.ts';
import type { Scrub } from './scrub.ts';

/** A longer value is cut: the page shows what was left out, it does not archive it. */
const MAX_VALUE_CHARACTERS = 1_024;

const BY_PATH: ReadonlyMap<string, RemovedLeaf> = new Map(REMOVED.map((leaf) => [leaf.path, leaf]));
const LISTS: ReadonlySet<string> = new Set([
  'git_info.refspecs',
  'features.token_mask_prefixes',
  'features.failure_reasons',
]);

/** The row that removes the leaf at a path of the payload, or null. */
export function removedLeaf(path: JsonPath): RemovedLeaf | null {
  const general = pathText(path).replace(/\[\d+\]/g, '[]');
  const exact = BY_PATH.get(general);
  if (exact !== undefined) return exact;
  const list = general.replace(/\[\]$/, '');
  return LISTS.has(list) ? (BY_PATH.get(list) ?? null) : null;
}

/** The table with its paths taken apart. */
const PARTS = REMOVED.map((leaf) => ({ leaf, parts: leaf.path.replaceAll('[]', '.[]').split('.') }));

/** Visits what stands at a path of the table; null and empty lists are as good as absent. */
function each(
  value: Json,
  parts: readonly string[],
  depth: number,
  path: string,
  visit: (path: string, value: Json) => void,
): void {
  const part = parts[depth];
  if (part === undefined) {
    if (value !== null && !(isJsonList(value) && value.length === 0)) visit(path, value);
  } else if (part === '[]') {
    const list = isJsonList(value) ? value : [];
    for (let index = 0; index < list.length; index++) each(list[index]!, parts, depth + 1, `${path}[${index}]`, visit);
  } else if (isJsonObject(value) && value[part] !== undefined) {
    each(value[part], parts, depth + 1, path === '' ? part : `${path}.${part}`, visit);
  }
}

/** Why an ignored variable is not covered. */
export function ignoredReason(row: IgnorableVariable): string {
  switch (row.class) {
    case 'derived':
      return `GitLab’s own, and what it must be: ${row.rule ?? ''}`;
    case 'shaped':
      return 'GitLab’s own, in the shape that GitLab gives it';
    case 'text':
      return 'words that whoever pushes controls on every run; they name no variable and hold no secret';
    default:
      return row.class satisfies never;
  }
}

/** What the digest leaves out of one payload, with this run's values where they are no secret. */
export function notCovered(
  form: Form,
  scrub: Scrub,
): readonly { readonly path: string; readonly value: string | null; readonly reason: string }[] {
  const rows: { path: string; value: string | null; reason: string }[] = [];
  const shown = (text: string) => clip(scrub.text(text), MAX_VALUE_CHARACTERS);
  for (const { leaf, parts } of PARTS) {
    each(form.payload, parts, 0, '', (path, value) => {
      rows.push({ path, value: leaf.hidden === true ? null : shown(plainText(value)), reason: leaf.reason });
    });
  }
  elements(form.payload, 'credentials').forEach((credential, index) => {
    if (isJsonObject(credential) && credential.password === form.fields.token) {
      rows.push({ path: `credentials[${index}].password`, value: null, reason: REMOVED_PASSWORD.reason });
    }
  });
  for (const { group, ignored } of form.variables) {
    if (ignored === null) continue;
    const [variable] = group.entries;
    rows.push({
      path: `variables.${variable.key}`,
      value: variable.public ? shown(variable.value) : null,
      reason: ignoredReason(ignored),
    });
  }
  return rows;
}
