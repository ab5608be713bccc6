import { canonicalJson } from '../../domain/canonical-json.ts';
import { caseFold } from '../../domain/case-fold.ts';
import { emptyObject } from '../../domain/empty-object.ts';
import { isJsonObject, type Json, type JsonObject } from '../../domain/json.ts';

/** One element of the payload's `variables`, absent and null members filled in. */
export interface Variable {
  readonly key: string;
  readonly value: string;
  readonly public: boolean;
  readonly masked: boolean;
  readonly file: boolean;
  readonly raw: boolean;
  /** Members beside the six, or null where there are none. */
  readonly others: JsonObject | null;
}

/** Variables whose keys are equal under simple case folding: environments of some hosts do not tell them apart. */
export interface VariableGroup {
  readonly folded: string;
  /** How often the payload has it. */
  readonly sent: number;
  /** All entries in the payload's order; one where they are all identical. */
  readonly entries: readonly [Variable, ...Variable[]];
}

const SIX: ReadonlySet<string> = new Set(['key', 'value', 'public', 'masked', 'file', 'raw']);

function readVariable(element: JsonObject): Variable {
  const { key, value, file, raw } = element;
  const isPublic = element.public;
  const { masked } = element;
  let six = 0;
  for (const member of [key, value, isPublic, masked, file, raw]) if (member !== undefined) six += 1;
  const names = Object.keys(element);
  let others: Record<string, Json> | null = null;
  for (const name of names.length === six ? [] : names) {
    if (SIX.has(name)) continue;
    others ??= emptyObject();
    others[name] = element[name]!;
  }
  // The strict reader has checked the types; null and absent are Go's zero values.
  return {
    key: (key as string | null | undefined) ?? '',
    value: (value as string | null | undefined) ?? '',
    public: isPublic === true,
    masked: masked === true,
    file: file === true,
    raw: raw === true,
    others,
  };
}

/** Equal for identical entries only. */
function fingerprint(v: Variable): string {
  return canonicalJson([v.key, v.value, v.public, v.masked, v.file, v.raw, v.others]);
}

/** The groups of a payload's `variables` by folded key, in the order of first appearance. */
export function groupVariables(list: Json | undefined): ReadonlyMap<string, VariableGroup> {
  const groups = new Map<string, { folded: string; sent: number; entries: [Variable, ...Variable[]] }>();
  const differing = new Set<string>();
  for (const element of Array.isArray(list) ? (list as readonly Json[]) : []) {
    if (!isJsonObject(element)) continue;
    const variable = readVariable(element);
    const folded = caseFold(variable.key);
    const group = groups.get(folded);
    if (group === undefined) groups.set(folded, { folded, sent: 1, entries: [variable] });
    else {
      group.sent += 1;
      group.entries.push(variable);
      if (!differing.has(folded) && fingerprint(variable) !== fingerprint(group.entries[0])) differing.add(folded);
    }
  }
  // Of 1, 2, 1 the runner takes the last, of 1, 2 another: only a group in which nothing differs counts once.
  for (const group of groups.values()) if (!differing.has(group.folded)) group.entries.length = 1;
  return groups;
}

/** True for one of the members that the runner knows. */
export function isKnownMember(name: string): boolean {
  return SIX.has(name);
}

/** True for a variable whose value never leaves the agent. */
export function isSecret(variable: Variable): boolean {
  return !variable.public || variable.masked;
}

/** True when the text has at least so many code points. */
export function hasCodePoints(text: string, least: number): boolean {
  if (text.length < least) return false;
  if (text.length >= least * 2) return true;
  let count = 0;
  for (const _ of text) count += 1;
  return count >= least;
}
