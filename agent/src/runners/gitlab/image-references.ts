import { isJsonObject, type JsonObject } from '../../domain/json.ts';
import { elements } from './payload.ts';
import { isSecret, type Variable, type VariableGroup } from './variables.ts';

const NAME = /\$(?:\{([A-Za-z_][A-Za-z0-9_]*)\}|([A-Za-z_][A-Za-z0-9_]*))/g;

/** An image of a job, with `$NAME` replaced as gitlab-runner does; null where a hidden value would stand in it. */
export interface NamedImage {
  readonly name: string;
  readonly reference: string | null;
}

/** The last variable of a name counts, values are replaced once, raw ones not at all, and what is not there is empty. */
function expander(groups: ReadonlyMap<string, VariableGroup>): (text: string) => string | null {
  const byKey = new Map<string, Variable>();
  for (const { entries } of groups.values()) for (const variable of entries) byKey.set(variable.key, variable);
  return (text) => {
    let isHidden = false;
    const replaced = (of: string, depth: number): string =>
      of.replace(NAME, (_, braced?: string, bare?: string) => {
        const variable = byKey.get(braced ?? bare ?? '');
        if (variable === undefined) return '';
        // No hidden value stands in the form, and the name of an image does (T32).
        isHidden ||= isSecret(variable);
        return depth > 0 || variable.raw ? variable.value : replaced(variable.value, depth + 1);
      });
    const whole = replaced(text, 0);
    return isHidden ? null : whole;
  };
}

/** Image and services of a payload, in its order. */
export function namedImages(payload: JsonObject, groups: ReadonlyMap<string, VariableGroup>): readonly NamedImage[] {
  const expand = expander(groups);
  const named = [payload.image ?? null, ...elements(payload, 'services')];
  return named.flatMap((image) => {
    if (!isJsonObject(image) || typeof image.name !== 'string' || image.name === '') return [];
    return [{ name: image.name, reference: expand(image.name) }];
  });
}
