import { canonicalJson } from '../../domain/canonical-json.ts';
import { emptyObject } from '../../domain/empty-object.ts';
import type { Json, JsonObject } from '../../domain/json.ts';
import type { Cover } from './cover.ts';
import { type DynamicEnvironment, environmentName } from './environment.ts';
import type { IgnorableVariable } from './ignorable-variables.ts';
import type { Ignorable } from './ignored.ts';
import type { KnownValues } from './known-values.ts';
import type { PayloadFields } from './payload.ts';
import { reduceToken } from './reduced-token.ts';
import { asForm, segment } from './unexpansion.ts';
import { isSecret, type Variable, type VariableGroup } from './variables.ts';

/** What became of one group of variables. */
export interface VariableOutcome {
  readonly group: VariableGroup;
  /** The row that lets it be ignored; null where it is covered. */
  readonly ignored: IgnorableVariable | null;
  /** Its entries in the form. */
  readonly entries: readonly JsonObject[];
}

/** Everything that decides how variables stand in the form. */
export interface VariableContext {
  readonly fields: PayloadFields;
  readonly groups: ReadonlyMap<string, VariableGroup>;
  readonly ignorable: Ignorable;
  readonly known: KnownValues;
  readonly environment: DynamicEnvironment | null;
  readonly cover: Cover;
  readonly verifyIdToken: (jwt: string) => Record<string, Json> | null;
}

/** Names of variables that stand as whole words in texts: what the runner itself would expand. */
export class Mentions {
  private readonly names = new Set<string>();

  /** Collects the names in a text; in any case, since not every shell tells cases apart. */
  add(text: string): void {
    if (!/CI_|GITLAB_USER/i.test(text)) return;
    for (const [word] of text.matchAll(/\w+/g)) this.names.add(word.toUpperCase());
  }

  has(name: string): boolean {
    return this.names.has(name);
  }
}

/**
 * The rows of the ignored groups: those that the table lets through, without the ones whose value a person chooses and whose
 * name stands where the runner would expand it (T49). Covering one may mention another: repeated until nothing is added.
 */
export function ignoredGroups(
  groups: ReadonlyMap<string, VariableGroup>,
  ignorable: Ignorable,
  mentions: Mentions,
): ReadonlyMap<string, IgnorableVariable> {
  const ignored = new Map<string, IgnorableVariable>();
  for (const group of groups.values()) {
    const row = ignorable.row(group.entries[0].key);
    if (row !== null) ignored.set(group.folded, row);
    else {
      for (const variable of group.entries) {
        mentions.add(variable.value);
        if (variable.others !== null) mentions.add(canonicalJson(variable.others));
      }
    }
  }
  for (let added = true; added; ) {
    added = false;
    for (const [folded, row] of ignored) {
      if (row.chosen !== true || !mentions.has(row.name)) continue;
      ignored.delete(folded);
      mentions.add(groups.get(folded)!.entries[0].value);
      added = true;
    }
  }
  return ignored;
}

function publicValue(variable: Variable, group: VariableGroup, context: VariableContext): Json {
  const { environment, known, cover } = context;
  if (environment !== null && group.entries.length === 1) {
    switch (variable.key) {
      case 'CI_ENVIRONMENT_NAME':
        return cover.rewrite(environmentName(environment, asForm(environment.prefix, known.everything)), null);
      case 'CI_ENVIRONMENT_SLUG':
        if (environment.slug !== null) return cover.rewrite([segment('var', variable.key)], null);
        break;
      case 'CI_ENVIRONMENT_ID':
        if (environment.id !== null) return cover.rewrite([segment('var', variable.key)], null);
        break;
      case 'CI_ENVIRONMENT_URL':
        return cover.template(variable.value, known.with(environment.known));
      default:
    }
  }
  return cover.template(variable.value, known.everything);
}

function entryOf(variable: Variable, group: VariableGroup, hashed: boolean, context: VariableContext): JsonObject {
  const { cover, known, fields } = context;
  cover.enter(variable.key);
  let value: Json;
  if (!hashed) value = publicValue(variable, group, context);
  else {
    const reduced =
      group.sent === 1 && !variable.public
        ? reduceToken(variable.value, fields, context.verifyIdToken, (text) => asForm(text, known.claims))
        : null;
    value = cover.rewrite(reduced ?? [known.tag(variable.key, variable.value)], null);
  }
  cover.leave();
  const entry: Record<string, Json> = {
    file: variable.file,
    key: cover.name(variable.key),
    masked: variable.masked,
    public: variable.public,
    raw: variable.raw,
    value,
  };
  Object.setPrototypeOf(entry, null);
  if (variable.others === null) return entry;
  for (const name of Object.keys(variable.others)) {
    const other = cover.at(variable.key, () => cover.at(name, () => cover.folded(variable.others![name]!, undefined)));
    if (other !== undefined) entry[cover.name(name)] = other;
  }
  return entry;
}

/** How every group stands in the form, sorted by folded key. */
export function variableOutcomes(
  ignored: ReadonlyMap<string, IgnorableVariable>,
  context: VariableContext,
): readonly VariableOutcome[] {
  // Without a comparison function: by UTF-16 units.
  const sorted = [...context.groups.keys()].sort();
  return sorted.map((folded): VariableOutcome => {
    const group = context.groups.get(folded)!;
    const row = ignored.get(group.folded) ?? null;
    if (row !== null) {
      const present = emptyObject();
      present.key = row.name;
      return { group, ignored: row, entries: row.presence === true ? [present] : [] };
    }
    // All of a group or none: a public twin would show what the secret one says.
    const hashed = group.entries.some(isSecret);
    return { group, ignored: null, entries: group.entries.map((v) => entryOf(v, group, hashed, context)) };
  });
}

/** True when the value of an entry of the form is nothing but an HMAC. */
export function isHashed(entry: JsonObject): boolean {
  return canonicalJson(entry.value ?? null).startsWith('[{"hmac":');
}
