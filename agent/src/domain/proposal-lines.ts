import { changesBehaviour } from './behaviour.ts';
import type { Change } from './configuration-diff.ts';
import { isJsonList, isJsonObject, type JsonObject } from './json.ts';
import type { RunValues } from './run-values.ts';
import { fieldProblem, type Tolerance } from './tolerate.ts';
import { templateHolds } from './tolerated-template.ts';
import { shapesOf, VALUE_SHAPES } from './value-shapes.ts';

/** One line of a `tolerate` section. */
export type ToleranceLine =
  | { readonly kind: 'fields' | 'ambient' | 'dependencies' | 'images'; readonly value: string }
  | { readonly kind: 'masked' | 'cache_index' }
  | { readonly kind: 'shapes' | 'templates'; readonly name: string; readonly value: string };

/** A configuration of one job, with what is known of its run. */
export interface Variant {
  readonly digest: string;
  readonly configuration: JsonObject;
  readonly run: RunValues;
}

/** The tolerance with one line more. */
export function withLine(tolerance: Tolerance, line: ToleranceLine): Tolerance {
  const { variables } = tolerance;
  const inVariables = (more: Partial<Tolerance['variables']>): Tolerance => ({
    ...tolerance,
    variables: { ...variables, ...more },
  });
  switch (line.kind) {
    case 'fields':
    case 'dependencies':
    case 'images':
      return { ...tolerance, [line.kind]: [...tolerance[line.kind], line.value] };
    case 'ambient':
      return inVariables({ ambient: [...variables.ambient, line.value] });
    case 'masked':
      return inVariables({ masked: true });
    case 'cache_index':
      return { ...tolerance, cacheIndex: true };
    case 'shapes':
    case 'templates':
      return inVariables({ [line.kind]: { ...variables[line.kind], [line.name]: line.value } });
    default:
      return line satisfies never;
  }
}

/** The entry of a name that stands once; null where it stands twice or not at all. */
function entryOf(configuration: JsonObject, name: string): JsonObject | null {
  const { variables } = configuration;
  const own = (isJsonList(variables) ? variables : []).filter((entry) => isJsonObject(entry) && entry.key === name);
  const [only] = own;
  return own.length === 1 && isJsonObject(only) ? only : null;
}

/** Names of this run's values that are no mere digit or two: a short one would be found anywhere. */
const MIN_SENT_CHARACTERS = 2;

/** Templates that a value may be of: what GitLab sent in this run, found in it, each by itself. */
function templatesOf(value: string, run: RunValues): readonly string[] {
  const found: string[] = [];
  for (const [name, sent] of run.sent) {
    if (sent.length < MIN_SENT_CHARACTERS || value.includes('$')) continue;
    for (let at = value.indexOf(sent); at !== -1; at = value.indexOf(sent, at + 1))
      found.push(`${value.slice(0, at)}\${${name}}${value.slice(at + sent.length)}`);
  }
  return found;
}

/**
 * Lines for a variable whose value differs: the strictest first. A text that anybody writes into the YAML is proposed for
 * nothing: that is a change, and changes are approved. What may have been typed is proposed by its shape or template alone (T57).
 */
function linesOfValue(name: string, variants: readonly Variant[]): readonly ToleranceLine[] {
  if (changesBehaviour(name)) return [];
  const entries = variants.map(({ configuration, run }) => ({ entry: entryOf(configuration, name), run }));
  if (entries.some(({ entry }) => entry === null)) return [];
  const [first] = entries;
  if (entries.every(({ entry }) => entry!.masked === true && entry!.public !== true)) return [{ kind: 'masked' }];
  const value = first!.entry!.value;
  const candidates = typeof value === 'string' ? templatesOf(value, first!.run) : [];
  const template = candidates.find((text) =>
    entries.every(({ entry, run }) => templateHolds(text, name, entry!.value!, run)),
  );
  if (template !== undefined) return [{ kind: 'templates', name, value: template }];
  const shape = VALUE_SHAPES.find((word) =>
    entries.every(({ entry, run }) =>
      (typeof entry!.value === 'string' ? shapesOf(entry!.value) : (run.shapes.get(name) ?? [])).includes(word),
    ),
  );
  return shape === undefined ? [] : [{ kind: 'shapes', name, value: shape }];
}

/** An image as far as its tag: the same repository, whatever the tag; null for one without, or with something to fill in. */
function anyTag(image: string): string | null {
  const [, repository] = /^([^\s$@]+):[\w][\w.-]*$/.exec(image) ?? [];
  return repository === undefined ? null : `${repository}:*`;
}

/** Lines that might make two configurations alike in what this change says; none for what is to be approved by people. */
export function linesFor(change: Change, variants: readonly Variant[]): readonly ToleranceLine[] {
  const [, variable, member] = /^variables\.([A-Za-z_][\w-]*)(?:\.(\w+))?$/.exec(change.path) ?? [];
  if (variable !== undefined) {
    if (change.kind === 'changed' && member === 'value') return linesOfValue(variable, variants);
    return change.kind === 'changed' || changesBehaviour(variable) ? [] : [{ kind: 'ambient', value: variable }];
  }
  if (change.path === 'image.name' || /^services\[\d+\]\.name$/.test(change.path)) {
    const [before, after] = [anyTag(change.before ?? ''), anyTag(change.after ?? '')];
    return before !== null && before === after ? [{ kind: 'images', value: before }] : [];
  }
  if (change.path.startsWith('dependencies')) {
    const names = variants.flatMap(({ configuration: { dependencies } }) =>
      isJsonList(dependencies)
        ? dependencies.flatMap((one) => (isJsonObject(one) && typeof one.name === 'string' ? [one.name] : []))
        : [],
    );
    const everywhere = (name: string) => names.filter((each) => each === name).length >= variants.length;
    return [...new Set(names)]
      .filter((name) => !everywhere(name) && !name.includes('*'))
      .map((value) => ({ kind: 'dependencies', value }));
  }
  if (/^cache\[\d+\]\.key$/.test(change.path)) return [{ kind: 'cache_index' }];
  const path = change.path.replace(/\[\d+\]/g, '[]');
  return fieldProblem(path) === null ? [{ kind: 'fields', value: path }] : [];
}
