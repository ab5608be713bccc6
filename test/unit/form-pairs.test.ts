import { describe, expect, it } from 'vitest';
import { diffConfigurations } from '../../agent/src/domain/configuration-diff.ts';
import { HOSTILE_PAIRS } from './form/hostile-pairs.ts';
import { fixture, read, readOk } from './form/payload.ts';
import { QUIET_PAIRS } from './form/quiet-pairs.ts';

describe('what an administrator calls one configuration has one digest', () => {
  it('and there are at least 40 such pairs', () => {
    expect(new Set(QUIET_PAIRS.map((pair) => pair.name)).size).toBeGreaterThanOrEqual(40);
  });

  for (const { name, payloads } of QUIET_PAIRS) {
    it(name, () => {
      const [before, after] = payloads();
      expect(JSON.stringify(before)).not.toBe(JSON.stringify(after));
      const [was, is] = [readOk(before), readOk(after)];
      expect(diffConfigurations(was.configuration, is.configuration)).toEqual([]);
      expect(is.digest).toBe(was.digest);
    });
  }
});

describe('what somebody makes of an approved configuration has another digest, or none', () => {
  it('and there are at least 40 such pairs', () => {
    expect(new Set(HOSTILE_PAIRS.map((pair) => pair.name)).size).toBeGreaterThanOrEqual(40);
  });

  for (const { name, base, edit, file } of HOSTILE_PAIRS) {
    it(name, () => {
      const [before, after] = [fixture(file), fixture(file)];
      base?.(before);
      base?.(after);
      const approved = readOk(before);
      edit(after);
      const made = read(after);
      if (!made.ok) {
        expect(made.code).toBe('payload_refused');
        return;
      }
      expect(made.digest).not.toBe(approved.digest);
      expect(diffConfigurations(approved.configuration, made.configuration)).not.toEqual([]);
    });
  }
});
