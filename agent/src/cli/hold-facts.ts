import { isJsonList, isJsonObject, type JsonObject } from '../domain/json.ts';
import { printable } from '../domain/printable.ts';
import { readable } from '../domain/segments.ts';
import type { HoldDetail } from '../wire/api.ts';

/** A longer value is in the difference, or in the configuration itself. */
const MAX_VALUE_CHARACTERS = 300;
/** GitLab's own limit is 50 needs. */
const MAX_DEPENDENCIES = 50;

/** ` = value` of a variable as the configuration has it; empty where it has none. */
export function shownValue(configuration: JsonObject | null, name: string): string {
  const variables = isJsonList(configuration?.variables) ? configuration.variables : [];
  const values = variables.flatMap((entry) =>
    isJsonObject(entry) && entry.key === name && entry.value !== undefined ? [readable(entry.value)] : [],
  );
  return values.length === 0 ? '' : `: ${values.join(' and ').slice(0, MAX_VALUE_CHARACTERS)}`;
}

/** Who stands in the commit beside its author; null where nobody does. */
export function writersText(commit: HoldDetail['facts']['commit']): string | null {
  if (commit.people === null) return 'nobody could tell';
  const texts = commit.people.map((one) => `${one.name}${one.email === null ? '' : ` <${one.email}>`}`);
  const others = [...new Set(texts)].filter((text) => text !== commit.author);
  return others.length === 0 ? null : others.join(', ');
}

/** What is hidden in a Hold and may have been typed, one line each (T57). */
export function hiddenText(hold: HoldDetail): readonly string[] {
  return hold.hidden.flatMap(({ name, state, behaviour }) => {
    const changes = behaviour ? ', and it changes how the runner or a shell behaves' : '';
    switch (state) {
      case 'blind':
        return [
          `nobody has seen the value of ${name}: whoever started the pipeline may have typed it${changes}; before you approve: holdpoint holds reveal ${hold.id}`,
        ];
      case 'revealed':
        return [`the hidden value of ${name} was revealed to an approver${changes}`];
      case 'opaque':
        return [`nobody has seen the value of ${name}; the policy lets that pass`];
      case 'approved':
        return changes === '' ? [] : [`the hidden value of ${name} is one that was approved before${changes}`];
      default:
        return state satisfies never;
    }
  });
}

/** Whose artifacts are unpacked over the checkout, and what is known of those jobs (T48). */
export function takenInText(hold: HoldDetail): string {
  const { dependencies } = hold.inputs;
  if (dependencies.length === 0) return '';
  const lines = dependencies.slice(0, MAX_DEPENDENCIES).map(({ name, job_id, same_pipeline, admitted }) => {
    const from =
      same_pipeline === null
        ? 'GitLab could not be asked of which pipeline'
        : same_pipeline
          ? 'same pipeline'
          : 'not of the same pipeline';
    const ran = admitted ? 'ran under an approval' : 'not known to have run under an approval';
    return `  ${printable(`${name}${job_id === null ? '' : ` (job ${job_id})`}: ${from}, ${ran}`)}\n`;
  });
  const rest = dependencies.length - lines.length;
  return `\nTakes in artifacts of\n${lines.join('')}${rest > 0 ? `  and ${rest} more\n` : ''}`;
}
