import { describe, expect, it } from 'vitest';
import { diffConfigurations } from '../../agent/src/domain/configuration-diff.ts';
import { addVariable, fixture, read, readOk, type TestPayload } from './form/payload.ts';

const TYPED = { public: false, masked: false };

/** Two payloads that run something else: two digests, and a diff that says so. */
function differ(before: TestPayload, after: TestPayload): void {
  const [was, is] = [readOk(before), readOk(after)];
  expect(is.digest).not.toBe(was.digest);
  expect(diffConfigurations(was.configuration, is.configuration)).not.toEqual([]);
}

describe('what an attacker makes of a variable that is sent more than once', () => {
  for (const flags of [{}, TYPED]) {
    it(`T37 of one, two, one the runner takes the last: it is not one, two (${JSON.stringify(flags)})`, () => {
      const [before, after] = [fixture(), fixture()];
      for (const p of [before, after]) for (const value of ['one', 'two']) addVariable(p, 'TARGET', value, flags);
      addVariable(after, 'TARGET', 'one', flags);
      differ(before, after);
    });
  }
});
