import { isJsonObject, type JsonObject } from '../../domain/json.ts';
import { elements } from './payload.ts';
import { type Expansion, expansionOf } from './runner-expansion.ts';
import { isSecret, type VariableGroup } from './variables.ts';

/** Why the name of an image cannot be told. */
export const WHY_UNTOLD = {
  hidden: 'a hidden value stands in its name',
  host: 'a value that the host of the runner sets stands in its name',
  input: 'a job input stands in its name whose value is not known',
  long: 'it is longer than any name, with the values that stand in it',
} as const;

/** An image of a job, as gitlab-runner would pull it; else why that cannot be told. */
export interface NamedImage {
  readonly name: string;
  readonly reference: string | null;
  readonly unresolved?: string;
}

/** The reference that is pulled for a name: what an approval pins and what an executor runs, worked out alike (T39). */
export function referenceOf(
  name: string,
  expansion: Expansion,
): { readonly reference: string } | { readonly why: keyof typeof WHY_UNTOLD } {
  const filled = expansion.filled(name);
  return 'text' in filled ? { reference: filled.text.trim() } : filled;
}

/** Image and services of a payload, in its order. No hidden value stands in the form, and the name of an image does (T32). */
export function namedImages(payload: JsonObject, groups: ReadonlyMap<string, VariableGroup>): readonly NamedImage[] {
  const hidden = new Set<string>();
  for (const { entries } of groups.values())
    for (const variable of entries) if (isSecret(variable)) hidden.add(variable.key);
  const expansion = expansionOf(payload, (name) => hidden.has(name));
  const named = [payload.image ?? null, ...elements(payload, 'services')];
  return named.flatMap((image) => {
    if (!isJsonObject(image) || typeof image.name !== 'string' || image.name === '') return [];
    const { name } = image;
    const told = referenceOf(name, expansion);
    return ['reference' in told ? { name, ...told } : { name, reference: null, unresolved: WHY_UNTOLD[told.why] }];
  });
}
