import type { Facts } from './facts.ts';
import type { ValueShape } from './value-shapes.ts';

/** What is known of the run that a Configuration is of, beside the Configuration. */
export interface RunValues {
  /** What GitLab sent and the form leaves out, by the variable's name. */
  readonly sent: ReadonlyMap<string, string>;
  /** Words for hidden values, by the variable's name, as the agent saw them. */
  readonly shapes: ReadonlyMap<string, readonly ValueShape[]>;
  /** HMAC (hex) that the form has for this text under this name; null where it cannot be told. */
  readonly tag: (name: string, text: string) => string | null;
  /** Names of hidden values that may pass although nobody has seen them. */
  readonly opaque: readonly string[];
}

/** A value with anything that a shell, a path or a template treats specially is no part of a template. */
const PLAIN = /^[0-9A-Za-z][0-9A-Za-z._:/@+-]{0,254}$/;

/** What is known of a run beside its Configuration; of one of which nothing is known, nothing hidden is alike. */
export function runValuesOf(
  facts: Pick<Facts, 'notCovered' | 'shapes'> | null,
  opaque: readonly string[],
  tag: RunValues['tag'],
): RunValues {
  const sent = (facts?.notCovered ?? []).flatMap(({ path, value }): [string, string][] =>
    path.startsWith('variables.') && value !== null && PLAIN.test(value)
      ? [[path.slice('variables.'.length), value]]
      : [],
  );
  return {
    sent: new Map(sent),
    shapes: new Map((facts?.shapes ?? []).map(({ name, shapes }) => [name, shapes])),
    tag,
    opaque,
  };
}
