import { describe, expect, it } from 'vitest';
import { durationMs, durationText, readKind } from '../../agent/src/config/kinds.ts';
import { OPTIONS } from '../../agent/src/config/options.ts';

describe('the table of options', () => {
  it('has each key, flag and variable once, and a default that its own kind reads', () => {
    for (const part of ['key', 'flag', 'env'] as const) {
      const values = OPTIONS.map((option) => option[part]);
      expect(new Set(values).size).toBe(values.length);
    }
    expect(OPTIONS.filter((option) => option.secret)).toEqual([]);
    for (const option of OPTIONS) {
      if (option.default === null || option.default.includes('{')) continue;
      const value = option.kind === 'integer' ? Number(option.default) : option.default;
      expect([option.key, readKind(option, value, true).ok]).toEqual([option.key, true]);
    }
  });

  it('writes a time as it reads it', () => {
    for (const text of ['0s', '250ms', '90s', '10m', '1h', '30d']) expect(durationText(durationMs(text)!)).toBe(text);
    for (const text of ['', '1', 's', '1.5h', '-1s', '1 h', '1h30m', '1H']) expect(durationMs(text)).toBeNull();
  });
});
