import { isJsonObject, type Json } from '../../domain/json.ts';
import type { JsonPath } from '../../domain/json-text.ts';
import { pathText } from '../../domain/strict-json.ts';
import { REMOVED_PASSWORD } from './fields.ts';
import type { Form } from './form.ts';
import { clip, eachLeaf, plainText } from './form-text.ts';
import { ignoredReason, removedLeaf } from './not-covered.ts';
import type { Scrub } from './scrub.ts';
import { isKnownMember } from './variables.ts';

/** What became of one leaf (or one variable) of the payload; no secret stands in it. */
export interface ExplainRow {
  /** Path in the payload, e.g. `steps[0].script[1]`, `variables.IMAGE`. */
  readonly path: string;
  readonly outcome: 'covered' | 'removed' | 'ignored' | 'rewritten';
  /** The leaf as it stands in the form or in the payload, secrets taken out; null where it must not be shown. */
  readonly value: string | null;
  /** Why it was removed or ignored, or what was replaced by what; empty for a leaf covered as it is. */
  readonly reason: string;
}

const MAX_VALUE_CHARACTERS = 4_096;

function rewriteReason(path: JsonPath, names: readonly string[]): string {
  if (names.length > 0) return `un-expanded: the value of ${[...new Set(names)].join(', ')} is written as its name`;
  switch (path[0]) {
    case 'git_info':
      return 'without user info';
    case 'cache':
      return 'without the server’s index, and with what `key: files` computes as a segment';
    case 'credentials':
    case 'inputs':
      return 'never leaves the agent: an HMAC';
    default:
      return 'an HMAC, a reduced id token, or the name of a dynamic environment';
  }
}

/** True for what says nothing: null and empty as members; elements of lists and what is inside `run` and `inputs` never. */
function folds(path: JsonPath, leaf: Json): boolean {
  if (typeof leaf !== 'object' || typeof path.at(-1) === 'number') return false;
  return path[0] === 'run' ? path.length === 1 && leaf === null : path[0] !== 'inputs' || path.length === 1;
}

/** What became of every leaf and every variable of a payload, in the payload's order. */
export function explainForm(form: Form, scrub: Scrub): readonly ExplainRow[] {
  const rows: ExplainRow[] = [];
  const show = (value: Json): string => clip(plainText(value), MAX_VALUE_CHARACTERS);
  // By the whole path: two long names that are shown alike are still two places.
  const keyOf = (path: JsonPath): string => JSON.stringify(path);
  const rewrites = new Map(form.cover.rewrites.map((rewrite) => [keyOf(rewrite.path), rewrite]));

  for (const top of Object.keys(form.payload)) {
    if (top === 'variables') continue;
    eachLeaf(
      form.payload[top]!,
      (path, leaf) => {
        const at = pathText(path);
        const removed = removedLeaf(path);
        const password =
          path[0] === 'credentials' && path.length === 3 && path[2] === 'password' && leaf === form.fields.token
            ? REMOVED_PASSWORD
            : null;
        const why = removed ?? password;
        const rewrite = rewrites.get(keyOf(path));
        if (why !== null) {
          const value =
            why.hidden === true || leaf === null ? null : clip(scrub.text(plainText(leaf)), MAX_VALUE_CHARACTERS);
          rows.push({ path: at, outcome: 'removed', value, reason: why.reason });
        } else if (rewrite !== undefined) {
          const names = rewrite.found?.values.map((known) => known.name) ?? [];
          rows.push({ path: at, outcome: 'rewritten', value: show(rewrite.after), reason: rewriteReason(path, names) });
        } else if (isHiddenInput(form, path)) {
          rows.push({ path: at, outcome: 'rewritten', value: null, reason: rewriteReason(path, []) });
        } else if (folds(path, leaf)) {
          rows.push({ path: at, outcome: 'removed', value: null, reason: 'null and empty are as good as absent' });
        } else rows.push({ path: at, outcome: 'covered', value: show(leaf), reason: '' });
      },
      [top],
    );
  }
  for (const { group, ignored, entries } of [...form.variables]) {
    if (ignored !== null) {
      const [variable] = group.entries;
      const value = variable.public ? clip(scrub.text(variable.value), MAX_VALUE_CHARACTERS) : null;
      rows.push({ path: `variables.${variable.key}`, outcome: 'ignored', value, reason: ignoredReason(ignored) });
      continue;
    }
    const covered = form.ignorable.reason(group);
    for (const entry of entries) {
      const isPlain = typeof entry.value === 'string';
      const rewrite = rewrites.get(keyOf(['variables', String(entry.key)]));
      const names = rewrite?.found?.values.map((known) => known.name) ?? [];
      const reasons = [
        isPlain ? '' : rewriteReason(['variables'], names),
        covered === null ? '' : `not ignored: ${covered}`,
      ];
      const path = `variables.${String(entry.key)}`;
      rows.push({
        path,
        outcome: isPlain ? 'covered' : 'rewritten',
        value: show(entry.value ?? null),
        reason: reasons.filter((reason) => reason !== '').join('; '),
      });
      for (const name of Object.keys(entry)) {
        if (!isKnownMember(name))
          rows.push({ path: `${path}.${name}`, outcome: 'covered', value: show(entry[name]!), reason: '' });
      }
    }
  }
  return rows;
}

function isHiddenInput(form: Form, path: JsonPath): boolean {
  const list = form.payload.inputs as readonly Json[];
  if (path[0] !== 'inputs' || typeof path[1] !== 'number' || path[3] !== 'content') return false;
  const input = list[path[1]];
  return isJsonObject(input) && isJsonObject(input.value) && input.value.sensitive === true;
}
