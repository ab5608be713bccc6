import { emptyObject } from '../../domain/empty-object.ts';
import { isJsonObject, type Json } from '../../domain/json.ts';
import type { Form } from './form.ts';
import { credentialName } from './known-values.ts';
import { elements } from './payload.ts';
import { JWT_SHAPE } from './reduced-token.ts';
import { PayloadRefusal } from './refusal.ts';
import { type Budget, createMatcher, type KnownValue, type Matcher, wholeBudget } from './unexpansion.ts';
import { hasCodePoints } from './variables.ts';

/** Takes the secrets of one payload out of texts. */
export interface Scrub {
  /** Out of names that approvals are scoped by: job token, masked values and passwords only, each under its own name. */
  readonly name: (text: string) => string;
  /** Out of everything that is only read: also every other non-public value. */
  readonly text: (text: string) => string;
}

/** A shorter secret is a word that stands everywhere. */
const MIN_CODE_POINTS = 4;
/** A shorter one is only taken out as a whole word. */
const UNBOUNDED_CODE_POINTS = 8;
/** The same for values that were not masked: those may be words like `production`. */
const MIN_UNMASKED_CODE_POINTS = 8;
const UNBOUNDED_UNMASKED_CODE_POINTS = 16;
/** A text that takes more is hidden whole: it is only there to be read. */
const MAX_COMPARED_CHARACTERS_OF_A_TEXT = 20_000_000;

function leaves(value: Json, each: (text: string) => void): void {
  if (typeof value === 'string') each(value);
  else if (typeof value === 'object' && value !== null)
    for (const inner of Object.values(value)) leaves(inner as Json, each);
}

/** Collects the secrets of a payload that was read. */
export function createScrub(form: Form): Scrub {
  const scopes: KnownValue[] = [];
  const all: KnownValue[] = [];
  const add = (list: KnownValue[], name: string, value: string, least: number, unbounded: number) => {
    if (!hasCodePoints(value, least)) return;
    list.push({ name, value, bounded: !hasCodePoints(value, unbounded), segment: () => emptyObject() });
  };
  const secret = (name: string, value: string) => add(all, name, value, MIN_CODE_POINTS, UNBOUNDED_CODE_POINTS);

  secret('CI_JOB_TOKEN', form.fields.token);
  add(scopes, 'CI_JOB_TOKEN', form.fields.token, UNBOUNDED_CODE_POINTS, UNBOUNDED_CODE_POINTS);
  for (const group of form.groups.values()) {
    for (const variable of group.entries) {
      if (variable.masked) {
        secret(variable.key, variable.value);
        add(scopes, variable.key, variable.value, UNBOUNDED_CODE_POINTS, UNBOUNDED_CODE_POINTS);
      } else if (!variable.public) {
        add(all, variable.key, variable.value, MIN_UNMASKED_CODE_POINTS, UNBOUNDED_UNMASKED_CODE_POINTS);
      }
    }
  }
  for (const credential of elements(form.payload, 'credentials')) {
    if (isJsonObject(credential) && typeof credential.password === 'string') {
      secret(credentialName(credential.url), credential.password);
      add(scopes, credentialName(credential.url), credential.password, UNBOUNDED_CODE_POINTS, UNBOUNDED_CODE_POINTS);
    }
  }
  for (const input of elements(form.payload, 'inputs')) {
    if (!isJsonObject(input) || !isJsonObject(input.value) || input.value.sensitive !== true) continue;
    leaves(input.value.content ?? null, (text) => secret(`inputs.${String(input.key ?? '')}`, text));
  }
  leaves(form.payload.secrets ?? null, (text) => {
    if (JWT_SHAPE.test(text)) secret('secrets', text);
  });

  const fill = (matcher: Matcher, text: string): string => {
    const found = matcher(text);
    if (found === null) return text;
    let next = 0;
    return found.segments
      .map((piece) => (typeof piece === 'string' ? piece : `[hidden:${found.values[next++]!.name}]`))
      .join('');
  };
  const names = new Map<string, string>();
  const ofNames = createMatcher(scopes, form.budget);
  const budget: Budget = { left: 0, room: 0 };
  const total = wholeBudget();
  const ofTexts = createMatcher(all, budget);
  return {
    name: (text) => {
      const known = names.get(text) ?? fill(ofNames, text);
      names.set(text, known);
      return known;
    },
    text: (text) => {
      const [left, room] = [Math.min(total.left, MAX_COMPARED_CHARACTERS_OF_A_TEXT), total.room];
      Object.assign(budget, { left, room });
      try {
        return fill(ofTexts, text);
      } catch (error) {
        if (!(error instanceof PayloadRefusal)) throw error;
        return '[hidden: too long to be searched for secrets]';
      } finally {
        total.left -= left - budget.left;
        total.room -= room - budget.room;
      }
    },
  };
}
