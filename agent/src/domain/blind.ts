import { canonicalJson } from './canonical-json.ts';
import { caseFold } from './case-fold.ts';
import { isJsonList, isJsonObject, type Json, type JsonObject } from './json.ts';

/** A value of a Configuration that its form does not show, and that a person may have typed. */
export interface HiddenValue {
  /** Name of the variable, or `inputs.` and the key of a job input. */
  readonly name: string;
  /** Equal for equal values under the same name: the tags of all entries that have it. */
  readonly tag: string;
}

const isTag = (value: Json | undefined): boolean =>
  isJsonList(value) && value.length === 1 && isJsonObject(value[0]) && typeof value[0].hmac === 'string';

/**
 * Values that stand in the form as a tag alone and are not masked: settings without the mask, what earlier jobs wrote,
 * what was typed at the start of a pipeline, sensitive inputs (T57). Masked ones are set by maintainers only.
 * Of a name that was sent more than once all entries count together.
 */
export function hiddenValues(configuration: JsonObject): readonly HiddenValue[] {
  const found = new Map<string, { name: string; entries: JsonObject[]; hidden: boolean }>();
  for (const entry of isJsonList(configuration.variables) ? configuration.variables : []) {
    if (!isJsonObject(entry) || typeof entry.key !== 'string') continue;
    const folded = caseFold(entry.key);
    const group = found.get(folded) ?? { name: entry.key, entries: [], hidden: false };
    group.entries.push(entry);
    found.set(folded, group);
  }
  for (const group of found.values()) {
    // A public entry is a tag where a secret twin made it one, or where it is some masked value and nothing else.
    const typed = (entry: JsonObject) => entry.public !== true || group.entries.length > 1;
    group.hidden = group.entries.some((entry) => entry.masked !== true && isTag(entry.value) && typed(entry));
  }
  for (const input of isJsonList(configuration.inputs) ? configuration.inputs : []) {
    if (!isJsonObject(input) || !isJsonObject(input.value) || !isTag(input.value.content)) continue;
    const name = `inputs.${String(input.key ?? '')}`;
    const group = found.get(name) ?? { name, entries: [], hidden: true };
    group.entries.push(input);
    found.set(name, group);
  }
  return [...found.values()]
    .filter((group) => group.hidden)
    .map(({ name, entries }) => ({ name, tag: canonicalJson(entries) }));
}

/** Why a hidden value need not be shown any more, or `blind` while nobody has seen it. */
export type Sightedness = 'blind' | 'revealed' | 'approved' | 'opaque';

/** What is known of the hidden values of one Subject. */
export interface Seen {
  /** Names that the policy lets pass unseen. */
  readonly opaque: readonly string[];
  /** Names that an approver has revealed for this very Digest. */
  readonly revealed: readonly string[];
  /** Hidden values of Configurations with a standing Approval of the Subject. */
  readonly approved: readonly HiddenValue[];
}

/**
 * How each hidden value stands. A name that changes how a runner or a shell behaves is never opaque (T7): its value is
 * seen by an approver before it runs, whatever the policy says.
 */
export function sightOfValues(
  hidden: readonly HiddenValue[],
  behaviour: readonly string[],
  seen: Seen,
): readonly { readonly name: string; readonly state: Sightedness; readonly behaviour: boolean }[] {
  const known = new Set(seen.approved.map(({ name, tag }) => `${name}\u0000${tag}`));
  const folded = (names: readonly string[]) => new Set(names.map(caseFold));
  const [opaque, behaving] = [folded(seen.opaque), folded(behaviour)];
  return hidden.map(({ name, tag }) => {
    const changes = behaving.has(caseFold(name));
    const state: Sightedness = seen.revealed.includes(name)
      ? 'revealed'
      : known.has(`${name}\u0000${tag}`)
        ? 'approved'
        : !changes && opaque.has(caseFold(name))
          ? 'opaque'
          : 'blind';
    return { name, state, behaviour: changes };
  });
}
