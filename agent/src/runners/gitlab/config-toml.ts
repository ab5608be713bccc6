import { isDeepStrictEqual } from 'node:util';
import { type AST, getStaticTOMLValue, ParseError, parseTOML } from 'toml-eslint-parser';
import { HoldpointError } from '../../domain/errors.ts';

/** One `[[runners]]` of gitlab-runner's config.toml. */
export interface RunnerTable {
  readonly index: number;
  readonly value: Readonly<Record<string, unknown>>;
}

/** Larger than any configuration of gitlab-runner. */
export const MAX_TOML_CHARS = 4 * 1024 * 1024;

function bad(name: string, message: string): HoldpointError {
  return new HoldpointError('bad_input', `${name}: ${message}`);
}

/** The document, read; throws `bad_input` with the line. The parser's own message can quote the file, so it is not used (T24). */
function parse(text: string, name: string): AST.TOMLProgram {
  try {
    return parseTOML(text, { filePath: name });
  } catch (error) {
    const line = error instanceof ParseError ? ` at line ${error.lineNumber}` : '';
    throw bad(name, `not TOML${line}; gitlab-runner does not read it either`);
  }
}

function runnersOf(program: AST.TOMLProgram): readonly RunnerTable[] {
  const { runners } = getStaticTOMLValue(program) as { runners?: unknown };
  if (!Array.isArray(runners)) return [];
  return runners.flatMap((value: unknown, index) =>
    typeof value === 'object' && value !== null ? [{ index, value: value as Record<string, unknown> }] : [],
  );
}

/** Every `[[runners]]` of a config.toml; throws `bad_input` when it is no TOML. */
export function readRunners(text: string, name: string): readonly RunnerTable[] {
  return runnersOf(parse(text, name));
}

type Pair = AST.TOMLKeyValue;

function keyOf({ key }: Pair): string | null {
  const [only, ...more] = key.keys;
  if (only === undefined || more.length > 0) return null;
  return only.type === 'TOMLBare' ? only.name : only.value;
}

/** A string as TOML and this program alike write it; throws for what would need an escape that they write differently. */
function quoted(value: string): string {
  if (!/^[\x20-\x7e]*$/.test(value))
    throw new HoldpointError('bad_input', 'a value for config.toml has characters beyond ASCII');
  return JSON.stringify(value);
}

/**
 * The text with string values of some `[[runners]]` set, everything else byte for byte as it was: comments, order and blanks are people's.
 * What comes of it is read again and must be what was wanted and nothing else; throws `bad_input` otherwise.
 */
export function editRunners(
  text: string,
  name: string,
  changes: ReadonlyMap<number, Readonly<Record<string, string>>>,
): string {
  const program = parse(text, name);
  const eol = text.includes('\r\n') ? '\r\n' : '\n';
  const edits: { from: number; to: number; text: string }[] = [];
  for (const [index, values] of changes) {
    const table = program.body[0].body.find(
      (node): node is AST.TOMLTable =>
        node.type === 'TOMLTable' && node.kind === 'array' && isDeepStrictEqual(node.resolvedKey, ['runners', index]),
    );
    if (table === undefined) throw bad(name, `runners[${index}] is not written as [[runners]]; change it by hand`);
    const pairs = table.body;
    const anchor = pairs.find((pair) => keyOf(pair) === 'url') ?? pairs.at(-1);
    const end = (at: number): number => {
      const found = text.indexOf('\n', at);
      return found < 0 ? text.length : found + 1;
    };
    const added: string[] = [];
    for (const [key, value] of Object.entries(values)) {
      const pair = pairs.find((each) => keyOf(each) === key);
      if (pair !== undefined) edits.push({ from: pair.value.range[0], to: pair.value.range[1], text: quoted(value) });
      else added.push(`${' '.repeat(anchor?.loc.start.column ?? 2)}${key} = ${quoted(value)}${eol}`);
    }
    if (added.length > 0) {
      const at = end(anchor?.range[1] ?? table.key.range[1]);
      const open = at === text.length && !text.endsWith('\n') ? eol : '';
      edits.push({ from: at, to: at, text: open + added.join('') });
    }
  }
  let out = text;
  for (const edit of edits.sort((a, b) => b.from - a.from))
    out = out.slice(0, edit.from) + edit.text + out.slice(edit.to);

  const wanted = runnersOf(program).map(({ index, value }) => ({ ...value, ...changes.get(index) }));
  const before = getStaticTOMLValue(program);
  const after = getStaticTOMLValue(parse(out, name));
  if (!isDeepStrictEqual(after, { ...before, runners: wanted }))
    throw bad(name, 'it is written in a way that this program does not change safely; change it by hand');
  return out;
}
