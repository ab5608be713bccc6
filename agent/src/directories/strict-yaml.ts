import { isNode, LineCounter, parseDocument } from 'yaml';
import type { z } from 'zod';
import { HoldpointError } from '../domain/errors.ts';

/** A YAML file read against a schema. Throws `bad_config` with all problems at once, each with its line and path. */
export function readStrictYaml<T extends z.ZodType>(text: string, name: string, schema: T): z.output<T> {
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
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const problems = result.error.issues.map(({ path, message }) => {
    // The nearest node that is there: what is missing has no line of its own.
    for (let length = path.length; length >= 0; length--) {
      const node = document.getIn(path.slice(0, length), true);
      if (isNode(node) && node.range)
        return `${lineAt(node.range[0])}: ${[path.join('.'), message].filter((t) => t !== '').join(': ')}`;
    }
    return `${name}: ${path.join('.')}: ${message}`;
  });
  throw new HoldpointError('bad_config', problems.join('\n'));
}
