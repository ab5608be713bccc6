import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { casesJsonSchema, policyJsonSchema } from '../../agent/src/directories/policy/json-schema.ts';

const FILES = [
  ['policy.schema.json', policyJsonSchema],
  ['policy-tests.schema.json', casesJsonSchema],
] as const;

/** Every object of the schema that has members, by its path. */
function objects(node: unknown, path = '$'): [string, Record<string, unknown>][] {
  if (typeof node !== 'object' || node === null) return [];
  const own = 'properties' in node ? [[path, node] as [string, Record<string, unknown>]] : [];
  return [...own, ...Object.entries(node).flatMap(([key, value]) => objects(value, `${path}.${key}`))];
}

describe.each(FILES)('policy/%s', (name, schema) => {
  const url = new URL(`../../policy/${name}`, import.meta.url);
  const text = `${JSON.stringify(schema(), null, 2)}\n`;

  it('is what "holdpoint policy schema" prints', () => {
    if (process.env.UPDATE_DOCS === '1') writeFileSync(url, text);
    expect(existsSync(url)).toBe(true);
    expect(JSON.parse(readFileSync(url, 'utf8'))).toEqual(JSON.parse(text));
  });

  it('lets no editor accept a key that Holdpoint refuses', () => {
    const open = objects(schema()).filter(([, object]) => object.additionalProperties !== false);
    expect(open.map(([path]) => path)).toEqual([]);
  });
});
