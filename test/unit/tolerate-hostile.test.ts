import { describe, expect, it } from 'vitest';
import { runValuesOf } from '../../agent/src/domain/run-values.ts';
import { NO_TOLERANCE, relax, SHIPPED_TOLERANCE, type Tolerance } from '../../agent/src/domain/tolerate.ts';
import { variableTag } from '../../agent/src/domain/variable-tag.ts';
import { HOSTILE_PAIRS } from './form/hostile-pairs.ts';
import { fixture, read, readOk, VARIABLE_KEY } from './form/payload.ts';

/** About as much as a policy may say without naming what the pair changes. */
const GENEROUS: Tolerance = {
  fields: ['features.fresh', 'steps[].hint'],
  variables: { masked: true, values: ['ROTATED'], ambient: ['TEAM_*'], shapes: { BUILD: 'digits' }, templates: {} },
  dependencies: ['report:*'],
  images: ['registry.example.com/base/*'],
  cacheIndex: true,
};
/** What tolerance is for: a masked secret that is rotated, and the number that GitLab raises when somebody clears the caches. */
const BY_DESIGN = new Set(['a masked value changed', 'T48 a lone cache key keeps its number']);

function text(reading: ReturnType<typeof readOk>, tolerance: Tolerance): string {
  const tag = (name: string, value: string) => variableTag(VARIABLE_KEY, reading.facts.project.id, name, value);
  return relax(reading.configuration, tolerance, runValuesOf(reading.facts, [], tag)).text;
}

describe.each([
  ['as shipped', SHIPPED_TOLERANCE],
  ['generous', GENEROUS],
])('T56 nothing that somebody makes of an approved configuration passes by tolerance, %s', (_, tolerance) => {
  for (const { name, base, edit, file } of HOSTILE_PAIRS) {
    it(name, () => {
      const [before, after] = [fixture(file), fixture(file)];
      base?.(before);
      base?.(after);
      edit(after);
      const made = read(after);
      if (!made.ok) return expect(made.code).toBe('payload_refused');
      expect(text(readOk(before), tolerance) === text(made, tolerance)).toBe(BY_DESIGN.has(name));
    });
  }
});

describe('tolerance of nothing', () => {
  it('is the digest itself', () => {
    const reading = readOk(fixture());
    expect(text(reading, NO_TOLERANCE)).toBe(reading.canonical);
  });
});
