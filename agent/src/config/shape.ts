import { z } from 'zod';
import { suggest } from '../domain/suggest.ts';
import { type FileKind, HUB_FILE } from './file-kinds.ts';
import { readKind } from './kinds.ts';
import { notifySchema } from './notify.ts';
import { type ConfigOption, ELSEWHERE, LATER_KEYS, OPTIONS } from './options.ts';
import type { ConfigProblem } from './problems.ts';
import { pathText, type YamlFile } from './yaml-file.ts';

/** More runners than one host serves; a list longer than this is a mistake of whoever generates it. */
const MAX_RUNNERS = 1_000;

/** `monitor` records what would have been parked, and parks nothing. */
const RUNNER_MODES = ['enforce', 'monitor'] as const;

const runner = z.strictObject({
  name: z
    .string({
      error: (issue) =>
        issue.input === undefined ? 'missing: every runner has a name' : 'wanted text; put it in quotes',
    })
    .regex(/^[A-Za-z0-9][A-Za-z0-9 ._-]{0,99}$/, 'wanted up to 100 letters, digits, blanks, ".", "_" or "-"'),
  token: z
    .string({ error: 'wanted text; put it in quotes' })
    .regex(/^[\x21-\x7e]{1,255}$/, 'wanted one word of printable ASCII')
    .optional(),
  token_file: z.string({ error: 'wanted the path of a file' }).min(1, 'wanted the path of a file').optional(),
  gateway_token: z
    .string({ error: 'wanted text; put it in quotes' })
    .regex(/^[\x21-\x7e]{1,255}$/, 'wanted one word of printable ASCII')
    .optional(),
  gateway_token_file: z.string({ error: 'wanted the path of a file' }).min(1, 'wanted the path of a file').optional(),
  mode: z.enum(RUNNER_MODES, { error: `wanted ${RUNNER_MODES.join(' or ')}` }).optional(),
  protected: z.boolean({ error: 'wanted true or false' }).default(true),
});

function leaf(option: ConfigOption): z.ZodType {
  const scalar = z.union([z.string(), z.number(), z.boolean()], { error: 'wanted a single value' });
  return scalar.superRefine((value, context) => {
    const reading = readKind(option, value, true);
    if (!reading.ok) context.addIssue({ code: 'custom', message: reading.message });
  });
}

/** Members of a section (`''`: the whole file), its own sections included. */
function sectionShape(kind: FileKind, section: string): Record<string, z.ZodType> {
  const members: Record<string, z.ZodType> = {};
  for (const option of kind.options) {
    for (const path of option.also === null ? [option.written] : [option.written, option.also]) {
      if (!path.startsWith(section)) continue;
      const [name = '', ...rest] = path.slice(section.length).split('.');
      if (rest.length === 0) members[name] = leaf(option).optional();
      else members[name] ??= z.strictObject(sectionShape(kind, `${section}${name}.`)).optional();
    }
  }
  // A list stands in the file only.
  if (!kind.ownTable && section === (kind.name === 'agent.yml' ? 'hub.' : '')) members.notify = notifySchema.optional();
  return members;
}

/** The shape of a file, made from the table of options and the lists that stand in the file only. */
function fileSchema(kind: FileKind): z.ZodType {
  const top = sectionShape(kind, '');
  if (kind.runners) top.runners = z.array(runner).max(MAX_RUNNERS, `more than ${MAX_RUNNERS} runners`).optional();
  return z.strictObject(top);
}

/** One `runners[]` entry as it stands in the file. */
export type RunnerEntry = z.output<typeof runner>;

/** Known keys that could have been meant at a place: its siblings first, then any key with that last word. */
function meant(kind: FileKind, parent: string, word: string): string {
  const siblings = [
    ...kind.options.map((option) => option.written),
    ...(kind.runners ? ['runners', ...Object.keys(runner.shape).map((name) => `runners.${name}`)] : []),
  ]
    .filter((key) => (parent === '' ? true : key.startsWith(`${parent}.`)))
    .map((key) => (parent === '' ? key : key.slice(parent.length + 1)).split('.')[0]!);
  const near = suggest(word, siblings);
  if (near !== null) return `; did you mean "${near}"?`;
  const elsewhere = kind.options.find(({ written }) => written === word || written.endsWith(`.${word}`));
  return elsewhere ? `; did you mean "${elsewhere.written}"?` : '';
}

/** A key of agent.yml that has no business in hub.yml, or stands there under another name. */
function ofTheAgent(key: string): string | null {
  const moved = HUB_FILE.options.find((option) => option.key === key);
  if (moved !== undefined) return `stands as "${moved.written}" in hub.yml`;
  const section = (option: ConfigOption) => option.key === key || option.key.startsWith(`${key}.`);
  if (key === 'hub') return 'what stands under "hub:" in agent.yml stands in hub.yml without it';
  return key === 'runners' || OPTIONS.some(section) ? "is the agent's: it stands in agent.yml" : null;
}

function unknownKey(kind: FileKind, path: readonly PropertyKey[]): string {
  const words = path.filter((part) => typeof part === 'string');
  const key = words.join('.');
  const elsewhere = kind === HUB_FILE ? ofTheAgent(key) : null;
  if (elsewhere !== null) return elsewhere;
  if (LATER_KEYS.includes(key)) return 'not supported in this version; take it out';
  if (Object.hasOwn(ELSEWHERE, key)) return ELSEWHERE[key]!;
  return `unknown key${meant(kind, words.slice(0, -1).join('.'), words.at(-1) ?? '')}`;
}

/** Every problem of a file's shape: unknown keys, wrong types, values that are not understood. */
export function shapeProblems(file: YamlFile, kind: FileKind): ConfigProblem[] {
  const result = fileSchema(kind).safeParse(file.tree);
  if (result.success) return [];
  return result.error.issues.flatMap((issue): ConfigProblem[] => {
    if (issue.code === 'unrecognized_keys') {
      return issue.keys.map((key) => {
        const path = [...issue.path, key];
        return { where: file.keyAt(path), path: pathText(path), message: unknownKey(kind, path) };
      });
    }
    const wanted = issue.code === 'invalid_type' && issue.expected === 'object' ? 'wanted keys below it' : null;
    const list = issue.code === 'invalid_type' && issue.expected === 'array' ? 'wanted a list ("- name: …")' : null;
    const message = wanted ?? list ?? issue.message;
    return [{ where: file.valueAt(issue.path), path: pathText(issue.path), message }];
  });
}

/** The scalar at a key of a file whose shape is good. */
export function scalarAt(tree: unknown, key: string): string | number | boolean | undefined {
  let value: unknown = tree;
  for (const part of key.split('.')) {
    if (typeof value !== 'object' || value === null) return undefined;
    value = (value as Record<string, unknown>)[part];
  }
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean' ? value : undefined;
}

/** The runners of a file, those whose shape is good. */
export function runnerEntries(tree: unknown): readonly { index: number; entry: RunnerEntry }[] {
  const list = (tree as { runners?: unknown } | null)?.runners;
  if (!Array.isArray(list)) return [];
  return list.flatMap((item, index) => {
    const result = runner.safeParse(item);
    return result.success ? [{ index, entry: result.data }] : [];
  });
}
