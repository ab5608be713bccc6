import { isAlias, isMap, isScalar, isSeq, LineCounter, type Node, parseDocument } from 'yaml';
import { redactTokens } from '../domain/redact.ts';
import type { ConfigProblem } from './problems.ts';

/** A YAML file as plain data, with the place of every key and value. */
export interface YamlFile {
  /** Null prototype objects, lists and scalars; null when the file is empty or broken. */
  readonly tree: unknown;
  /** `file:line:column` of the value at a path; of its nearest parent where there is none. */
  valueAt(path: readonly PropertyKey[]): string;
  /** The same for the key itself. */
  keyAt(path: readonly PropertyKey[]): string;
  readonly problems: readonly ConfigProblem[];
}

/** A configuration is a page or two; more than 1 MiB is some other file. */
export const MAX_CONFIG_BYTES = 1024 * 1024;
/** Deeper than any key of ours: keeps a hostile file from exhausting the stack. */
const MAX_DEPTH = 20;

/** What the parser's codes mean; its own messages are not used, since they can quote the file (T24). */
const SYNTAX: Readonly<Record<string, string>> = {
  BAD_INDENT: 'the indentation does not fit, or a bracket is not closed',
  BLOCK_AS_IMPLICIT_KEY: 'a second ": " stands in one line; quote the value, or put it on a line of its own',
  MULTILINE_IMPLICIT_KEY: 'a key must stand on one line',
  MISSING_CHAR: 'something is missing here: a closing quote, a colon or a space',
  TAB_AS_INDENT: 'a tab stands in the indentation; use spaces',
  MULTIPLE_DOCS: 'a second document begins here; one file has one document',
  TAG_RESOLVE_FAILED: 'tags (!…) are not allowed',
  BAD_DIRECTIVE: 'directives (%…) are not allowed',
  BAD_DQ_ESCAPE: 'an escape in double quotes is not known; use single quotes',
  UNEXPECTED_TOKEN: 'this does not belong here',
};

/** `a.b[2].c`: a path as it is written in messages, without anything that looks like a token. */
export function pathText(path: readonly PropertyKey[]): string {
  const text = path.map((part) => (typeof part === 'number' ? `[${part}]` : `.${String(part)}`)).join('');
  return redactTokens(text.replace(/^\./, ''));
}

/** Reads YAML 1.2 (core schema) strictly: anchors, aliases, merge keys, tags and duplicate keys are problems (T2). */
export function readYaml(text: string, name: string): YamlFile {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, uniqueKeys: false, merge: false });
  const problems: ConfigProblem[] = [];
  const places = new Map<string, { key: string; value: string }>();

  const at = (offset: number | undefined): string => {
    if (offset === undefined) return name;
    const { line, col } = lines.linePos(offset);
    return `${name}:${line}:${col}`;
  };
  const problem = (where: string, path: readonly PropertyKey[], message: string): null => {
    problems.push({ where, path: pathText(path), message });
    return null;
  };

  function read(node: Node | null, path: readonly PropertyKey[], key: string): unknown {
    const where = node?.range ? at(node.range[0]) : key;
    places.set(JSON.stringify(path), { key, value: where });
    if (node === null) return null;
    if (path.length > MAX_DEPTH) return problem(where, [], `nested deeper than ${MAX_DEPTH} levels`);
    if (isAlias(node)) return problem(where, path, 'aliases (*name) are not allowed; write the value out');
    if (node.anchor !== undefined) return problem(where, path, 'anchors (&name) are not allowed; write the value out');
    if (node.tag !== undefined) return problem(where, path, 'tags (!…) are not allowed');
    if (isScalar(node)) return node.value;
    if (isSeq(node)) return node.items.map((item, i) => read(item as Node, [...path, i], where));
    if (!isMap(node)) return problem(where, path, 'not understood');
    const out: Record<string, unknown> = Object.create(null);
    for (const pair of node.items) {
      const spot = at((pair.key as Node).range?.[0]);
      if (!isScalar(pair.key) || (pair.key as Node).anchor !== undefined || (pair.key as Node).tag !== undefined) {
        problem(spot, path, 'a key must be a plain word');
        continue;
      }
      // As it is written: `on` and `1` are names here, not values.
      const word = typeof pair.key.value === 'string' ? pair.key.value : String(pair.key.source);
      const inner = [...path, word];
      if (word === '<<') problem(spot, path, 'merge keys (<<) are not allowed; write the keys out');
      else if (word in out) problem(spot, inner, `stands twice, first at ${places.get(JSON.stringify(inner))?.key}`);
      else out[word] = read(pair.value as Node | null, inner, spot);
    }
    return out;
  }

  for (const error of [...document.errors, ...document.warnings]) {
    problem(at(error.pos[0]), [], `not YAML: ${SYNTAX[error.code] ?? `the text is not understood (${error.code})`}`);
  }
  // A broken file is not read further: what stands below the break would be blamed for it.
  const tree = document.errors.length > 0 ? null : read(document.contents as Node | null, [], at(0));

  const place = (path: readonly PropertyKey[], end: 'key' | 'value'): string => {
    for (let length = path.length; length > 0; length--) {
      const found = places.get(JSON.stringify(path.slice(0, length)));
      if (found) return length === path.length ? found[end] : found.value;
    }
    return name;
  };
  return { tree, problems, valueAt: (path) => place(path, 'value'), keyAt: (path) => place(path, 'key') };
}
