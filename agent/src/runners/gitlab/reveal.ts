import { canonicalJson } from '../../domain/canonical-json.ts';
import { caseFold } from '../../domain/case-fold.ts';
import { emptyObject } from '../../domain/empty-object.ts';
import { HoldpointError } from '../../domain/errors.ts';
import { isJsonObject } from '../../domain/json.ts';
import type { RevealedValue } from '../../ports/agents.ts';
import type { Form } from './form.ts';
import { credentialName } from './known-values.ts';
import { elements } from './payload.ts';
import { PayloadRefusal } from './refusal.ts';
import { createMatcher, type KnownValue, wholeBudget } from './unexpansion.ts';
import { hasCodePoints } from './variables.ts';

/** A shorter secret is a word that stands everywhere. */
const MIN_CODE_POINTS = 4;
/** A shorter one is only taken out as a whole word. */
const UNBOUNDED_CODE_POINTS = 8;

/** What stays hidden within a revealed value: the job's token, what a maintainer masked, passwords. */
function secretsOf(form: Form): readonly KnownValue[] {
  const secrets: KnownValue[] = [];
  const add = (name: string, value: string): void => {
    if (!hasCodePoints(value, MIN_CODE_POINTS)) return;
    const bounded = !hasCodePoints(value, UNBOUNDED_CODE_POINTS);
    secrets.push({ name, value, bounded, segment: () => emptyObject() });
  };
  add('CI_JOB_TOKEN', form.fields.token);
  for (const group of form.groups.values()) {
    for (const variable of group.entries) if (variable.masked) add(variable.key, variable.value);
  }
  for (const credential of elements(form.payload, 'credentials')) {
    if (isJsonObject(credential) && typeof credential.password === 'string') {
      add(credentialName(credential.url), credential.password);
    }
  }
  return secrets;
}

/** Texts that stand under a name in the form as a tag alone, and are not masked. */
function hiddenTexts(form: Form): ReadonlyMap<string, readonly string[]> {
  const texts = new Map<string, readonly string[]>();
  for (const { group, ignored } of form.variables) {
    const shown = group.entries.filter((variable) => !variable.masked);
    const hidden = ignored === null && (group.entries.length > 1 || shown.some((variable) => !variable.public));
    if (hidden) {
      texts.set(
        caseFold(group.entries[0].key),
        shown.map((variable) => variable.value),
      );
    }
  }
  for (const input of elements(form.payload, 'inputs')) {
    if (!isJsonObject(input) || !isJsonObject(input.value) || input.value.sensitive !== true) continue;
    const name = `inputs.${String(input.key ?? '')}`;
    const content = input.value.content ?? null;
    const text = typeof content === 'string' ? content : canonicalJson(content);
    texts.set(name, [...(texts.get(name) ?? []), text]);
  }
  return texts;
}

/**
 * Hidden values by name, for the eyes of an approver (T57); a name that was sent several times has several. Secrets of
 * others within them stay hidden. Names that hide nothing are left out. Throws `cannot_reveal` for a value too long to search.
 */
export function revealFrom(form: Form, names: readonly string[]): readonly RevealedValue[] {
  const texts = hiddenTexts(form);
  const matcher = createMatcher(secretsOf(form), wholeBudget());
  return names.flatMap((name) =>
    (texts.get(name) ?? texts.get(caseFold(name)) ?? []).map((text): RevealedValue => {
      try {
        const found = matcher(text);
        if (found === null) return { name, value: text, hidden: [] };
        const hidden = found.values.map((known) => known.name);
        let next = 0;
        const parts = found.segments.map((piece) => (typeof piece === 'string' ? piece : `[hidden:${hidden[next++]}]`));
        return { name, value: parts.join(''), hidden: [...new Set(hidden)] };
      } catch (error) {
        if (!(error instanceof PayloadRefusal)) throw error;
        throw new HoldpointError('cannot_reveal', `the value of ${name} is too long to be searched for secrets`);
      }
    }),
  );
}
