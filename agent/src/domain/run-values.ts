import type { Facts } from './facts.ts';
import type { RunValues } from './tolerate.ts';

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
