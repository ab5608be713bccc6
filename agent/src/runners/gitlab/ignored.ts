import { caseFold } from '../../domain/case-fold.ts';
import { emptyObject } from '../../domain/empty-object.ts';
import { IGNORABLE_VARIABLES, type IgnorableVariable, TOKEN_VARIABLES, type When } from './ignorable-variables.ts';
import type { PayloadFields } from './payload.ts';
import { type Budget, createMatcher, type KnownValue } from './unexpansion.ts';
import { hasCodePoints, type Variable, type VariableGroup } from './variables.ts';

const ROWS: ReadonlyMap<string, IgnorableVariable> = new Map(IGNORABLE_VARIABLES.map((row) => [row.name, row]));
const PATTERNS: ReadonlyMap<string, RegExp> = new Map(
  IGNORABLE_VARIABLES.flatMap((row) =>
    row.pattern === undefined ? [] : [[row.name, new RegExp(`^(?:${row.pattern})$`)]],
  ),
);
/** A longer value is no version, time or list of features; it is covered rather than matched. */
const MAX_SHAPED_CHARACTERS = 65_536;
/** `$N`, `${N}`, `%N%`, and PowerShell's `$env:N`, which is `$env` to others; the closing sign of one may open the next. */
const REFERENCE = /\$\{?(\w+)(?::(\w+))?|%(\w+)(?=%)/g;
/** What the runner takes for a name between braces, whatever its signs. */
const BRACED = /\$\{([^{}]+)\}/g;

/** GitLab's slug of a ref or a time: lower case, other than [a-z0-9] becomes `-`, first 63, no `-` at the ends. */
export function slug(text: string): string {
  return text
    .toLowerCase()
    .replace(/[^a-z0-9]/gu, '-')
    .slice(0, 63)
    .replace(/^-+|-+$/g, '');
}

/** Which variables of one payload may be ignored. */
export interface Ignorable {
  /** The row of the table when the variable of this name may be ignored, else null. */
  row(name: string): IgnorableVariable | null;
  /** Its value when it may be ignored, else null. */
  value(name: string): string | null;
  /** Why a variable that the table lists may not be ignored; null for one that may or that it does not list. */
  reason(group: VariableGroup): string | null;
}

function flagsAsListed(variable: Variable): boolean {
  const token = TOKEN_VARIABLES.has(variable.key);
  const isPublic = !token && variable.key !== 'CI_REPOSITORY_URL';
  return (
    variable.public === isPublic &&
    variable.masked === token &&
    !variable.file &&
    !variable.raw &&
    variable.others === null
  );
}

/** Values that no text may hold: the token, masked ones of 8 and other non-public ones of 16 code points. */
function untextual(fields: PayloadFields, groups: ReadonlyMap<string, VariableGroup>): KnownValue[] {
  const found: KnownValue[] = [];
  const add = (name: string, value: string) =>
    found.push({ name, value, bounded: false, segment: () => emptyObject() });
  add('CI_JOB_TOKEN', fields.token);
  for (const group of groups.values()) {
    for (const variable of group.entries) {
      if (variable.masked ? hasCodePoints(variable.value, 8) : !variable.public && hasCodePoints(variable.value, 16)) {
        add(variable.key, variable.value);
      }
    }
  }
  return found;
}

/** Decides by the table alone (T37): name, single entry, flags, no other member, kind of pipeline, value. */
export function createIgnorable(
  fields: PayloadFields,
  groups: ReadonlyMap<string, VariableGroup>,
  budget: Budget,
): Ignorable {
  const decided = new Map<string, string | null>();
  const holdsSecret = createMatcher(untextual(fields, groups), budget);

  /** The value of a variable that is sent once, public and unmasked, whether it may be ignored or not. */
  const plain = (name: string): string | null => {
    const group = groups.get(caseFold(name));
    if (group === undefined || group.sent !== 1) return null;
    const [variable] = group.entries;
    return variable.key === name && variable.public && !variable.masked && !variable.file ? variable.value : null;
  };
  const source = () => value('CI_PIPELINE_SOURCE');
  const isMr = () => source() === 'merge_request_event' || fields.mergeRequestRef;
  const isSent = (when: When): boolean => {
    switch (when) {
      case 'any':
        return true;
      case 'branch':
        return fields.refType === 'branch' && source() !== 'merge_request_event' && !fields.mergeRequestRef;
      case 'tag':
        return fields.refType === 'tag';
      case 'mr':
        return isMr();
      case 'schedule':
        return source() === 'schedule';
      case 'trigger':
        return source() === 'trigger' || source() === 'pipeline';
      case 'not_tag':
        return fields.refType !== 'tag';
      default:
        return when satisfies never;
    }
  };

  const isText = (text: string): string | null => {
    const references = /[$%]/.test(text) ? [...text.matchAll(REFERENCE), ...text.matchAll(BRACED)] : [];
    for (const [, ...names] of references) {
      if (names.some((name) => name !== undefined && groups.has(caseFold(name))))
        return 'it names a variable of this payload, which GitLab may expand';
    }
    return holdsSecret(text) === null ? null : 'it holds a secret of this payload';
  };
  const below = (path: string, id: number | null): string | null => {
    const project = plain('CI_PROJECT_URL');
    return project === null || id === null ? null : `${project}/-/${path}/${id}`;
  };
  const configRefs = (): readonly (string | null)[] => {
    const [fqdn, project, config] = [plain('CI_SERVER_FQDN'), plain('CI_PROJECT_PATH'), plain('CI_CONFIG_PATH')];
    if (fqdn === null || project === null || config === null) return [];
    const base = `${fqdn}/${project}//${config}@`;
    const branch = value('CI_COMMIT_REF_NAME');
    return [
      branch === null || fields.refType === 'tag' ? null : `${base}refs/heads/${branch}`,
      fields.refType === 'tag' ? `${base}refs/tags/${fields.ref}` : null,
      fields.mergeRequestRef ? `${base}${fields.ref}` : null,
    ];
  };
  const version = (part: number): string | null => {
    const parts = value('CI_SERVER_VERSION')?.split('.') ?? [];
    return /^\d+/.exec(parts[part] ?? '')?.[0] ?? null;
  };
  const slugOf = (name: string): string | null => {
    const base = value(name);
    return base === null ? null : slug(base);
  };

  const isDerived = (name: string, text: string): boolean => {
    switch (name) {
      case 'CI_COMMIT_BEFORE_SHA':
        return text === fields.beforeSha;
      case 'CI_COMMIT_BRANCH':
      case 'CI_COMMIT_TAG':
        return text === fields.ref;
      case 'CI_COMMIT_REF_NAME':
        return text === fields.ref || (isMr() && isText(text) === null);
      case 'CI_COMMIT_REF_PROTECTED':
        return text === String(fields.protected);
      case 'CI_COMMIT_REF_SLUG':
        return text === slugOf('CI_COMMIT_REF_NAME');
      case 'CI_COMMIT_SHA':
        return text === fields.sha;
      case 'CI_COMMIT_SHORT_SHA':
        return text === fields.sha.slice(0, 8);
      case 'CI_CONFIG_REF_URI':
        return configRefs().includes(text);
      case 'CI_DEPENDENCY_PROXY_PASSWORD':
      case 'CI_JOB_TOKEN':
      case 'CI_REGISTRY_PASSWORD':
        return text === fields.token;
      case 'CI_JOB_ID':
        return text === String(fields.id);
      case 'CI_JOB_STARTED_AT_SLUG':
        return text === slugOf('CI_JOB_STARTED_AT');
      case 'CI_JOB_URL':
        return text === below('jobs', fields.id);
      case 'CI_PIPELINE_ID':
        return fields.pipelineId !== null && text === String(fields.pipelineId);
      case 'CI_PIPELINE_URL':
        return text === below('pipelines', fields.pipelineId);
      case 'CI_REPOSITORY_URL':
        return text === fields.repoUrl;
      case 'CI_SERVER_VERSION_MAJOR':
        return text === version(0);
      case 'CI_SERVER_VERSION_MINOR':
        return text === version(1);
      case 'CI_SERVER_VERSION_PATCH':
        return text === version(2);
      case 'GITLAB_USER_ID':
        return fields.userId === null ? /^[0-9]+$/.test(text) : text === String(fields.userId);
      default:
        // A row without a rule here is never ignored.
        return false;
    }
  };

  const decide = (row: IgnorableVariable): string | null => {
    const group = groups.get(caseFold(row.name));
    if (group === undefined) return 'it is not sent';
    const [variable] = group.entries;
    if (group.sent !== 1) return 'it is sent more than once';
    if (variable.key !== row.name) return 'its name is spelt in another case';
    if (!flagsAsListed(variable)) return 'its flags are not those that GitLab sends it with';
    if (!isSent(row.when)) return 'GitLab does not send it in this kind of pipeline';
    switch (row.class) {
      case 'text':
        return isText(variable.value);
      case 'shaped': {
        const matches = variable.value.length <= MAX_SHAPED_CHARACTERS && PATTERNS.get(row.name)!.test(variable.value);
        return matches ? null : 'its value does not have the shape that GitLab gives it';
      }
      case 'derived':
        return isDerived(row.name, variable.value) ? null : 'its value is not what the payload says elsewhere';
      default:
        return row.class satisfies never;
    }
  };
  const why = (name: string): string | null => {
    const row = ROWS.get(name);
    if (row === undefined) return null;
    let reason = decided.get(name);
    if (reason === undefined) {
      reason = decide(row);
      decided.set(name, reason);
    }
    return reason;
  };
  const row = (name: string): IgnorableVariable | null => (why(name) === null ? (ROWS.get(name) ?? null) : null);
  const value = (name: string): string | null =>
    row(name) === null ? null : (groups.get(caseFold(name))?.entries[0].value ?? null);
  return {
    row,
    value,
    reason: (group) => {
      const listed = group.entries.find((variable) => ROWS.has(variable.key)) ?? null;
      return listed === null
        ? ROWS.has(group.folded.toUpperCase())
          ? why(group.folded.toUpperCase())
          : null
        : why(listed.key);
    },
  };
}
