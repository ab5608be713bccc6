import { z } from 'zod';

/** A variable of a payload, as far as it can stand in the name of an image. */
export const payloadVariable = z.looseObject({
  key: z.string(),
  value: z.string(),
  public: z.boolean().nullish(),
  file: z.boolean().nullish(),
  masked: z.boolean().nullish(),
  raw: z.boolean().nullish(),
});
export type PayloadVariable = z.output<typeof payloadVariable>;

const REFERENCE = /\$(?:\{([A-Za-z_][A-Za-z0-9_]*)\}|([A-Za-z_][A-Za-z0-9_]*)|\$)/g;

function replaced(text: string, textOf: (name: string) => string): string {
  return text.replace(REFERENCE, (whole, braced?: string, bare?: string) => {
    const name = braced ?? bare;
    return name === undefined ? whole : textOf(name);
  });
}

/**
 * How gitlab-runner replaces `$NAME` and `${NAME}` in names of images: the last variable of a name counts, values are
 * expanded once, raw ones not at all, and what is not there is empty. Variables that the runner itself adds
 * (config.toml `environment`, CI_PROJECT_DIR) are not in the payload and thus empty: nobody has approved them.
 */
export function expander(variables: readonly PayloadVariable[]): (text: string) => string {
  const plain = new Map(variables.map((variable) => [variable.key, variable]));
  const textOf = (name: string): string => {
    const variable = plain.get(name);
    if (variable === undefined) return '';
    if (variable.raw === true) return variable.value;
    return replaced(variable.value, (inner) => plain.get(inner)?.value ?? '');
  };
  return (text) => replaced(text, textOf);
}
