import { describe, expect, it } from 'vitest';
import { fuzz } from './fuzz.ts';
import { frames, payload, strictReader, trace, yaml } from './readers.ts';

/** Minutes for each target; without it a second, so that the suite stays quick and the same each time. */
const MINUTES = Number(process.env.HOLDPOINT_FUZZ_MINUTES ?? 0);
const FOR_MS = MINUTES > 0 ? MINUTES * 60_000 : 800;
const SEED = MINUTES > 0 ? Date.now() : 1;

describe('whatever is read', () => {
  it.each([
    ['T2 T3 T53 T45 a document', strictReader],
    ['T1 T3 T13 T32 T53 a payload', payload],
    ['T42 a range of a log', trace],
    ['T27 T29 a frame of the link', frames],
    ['T16 T20 T24 a file of the operator', yaml],
  ])(
    '%s: is taken for what it says or refused in words, and nothing else happens',
    { timeout: FOR_MS + 60_000 },
    async (_, target) => {
      const warnings: string[] = [];
      const keep = (warning: Error): void => void warnings.push(warning.message);
      process.on('warning', keep);
      const report = await fuzz(target, FOR_MS, SEED);
      process.off('warning', keep);
      expect(warnings).toEqual([]);
      if (MINUTES > 0)
        console.log(`${target.name}: ${report.executions} executions, ${report.ways} ways, seed ${SEED}`);
      expect(report.executions).toBeGreaterThan(target.seeds.length);
      expect(report.ways).toBeGreaterThan(1);
    },
  );
});
