import { isNode, LineCounter, parseDocument } from 'yaml';
import type { z } from 'zod';
import { HoldpointError } from '../domain/errors.ts';

/** Where things stand in a file; members of lists by their index. */
export type YamlPath = readonly (string | number)[];
/** A YAML file read against a schema, and where what it says stands. */
export interface YamlReading<T> {
  readonly value: T;
  /** Line of the nearest thing that is there: what is missing has no line of its own. */
  line(path: YamlPath): number;
  /** True when the file itself says this. */
  has(path: YamlPath): boolean;
}

/** A YAML file read against a schema. Throws `bad_config` with all problems at once, each with its line and path. */
export function readStrictYaml<T extends z.ZodType>(text: string, name: string, schema: T): z.output<T> {
  return readYaml(text, name, schema).value;
}

/** The same, with where everything stands. */
export function readYaml<T extends z.ZodType>(text: string, name: string, schema: T): YamlReading<z.output<T>> {
  const lines = new LineCounter();
  // Never to stderr past the log: what the parser says of a key of several parts quotes the file (T24).
  const reading = { prettyErrors: false, uniqueKeys: true, merge: false, logLevel: 'error' } as const;
  const document = parseDocument(text, { lineCounter: lines, ...reading });
  const lineAt = (offset: number | undefined): string =>
    offset === undefined ? name : `${name}:${lines.linePos(offset).line}`;
  const broken = [...document.errors, ...document.warnings];
  if (broken.length > 0) {
    throw new HoldpointError('bad_config', broken.map((e) => `${lineAt(e.pos[0])}: not YAML: ${e.code}`).join('\n'));
  }
  let value: unknown;
  try {
    // Aliases would let one line stand for a million: there is no use for them here.
    value = document.toJS({ maxAliasCount: 0 });
  } catch {
    throw new HoldpointError('bad_config', `${name}: aliases (*name) are not allowed; write the value out`);
  }
  const nodeAt = (path: YamlPath): unknown => document.getIn(path, true);
  const line = (path: YamlPath): number => {
    for (let length = path.length; length >= 0; length--) {
      const node = nodeAt(path.slice(0, length));
      if (isNode(node) && node.range) return lines.linePos(node.range[0]).line;
    }
    return 1;
  };
  const result = schema.safeParse(value);
  if (result.success) return { value: result.data, line, has: (path) => nodeAt(path) !== undefined };
  const problems = result.error.issues.map(({ path, message }) => {
    const at = path.filter((key) => typeof key !== 'symbol');
    return `${name}:${line(at)}: ${[at.join('.'), message].filter((t) => t !== '').join(': ')}`;
  });
  throw new HoldpointError('bad_config', problems.join('\n'));
}
