import { describe, expect, it } from 'vitest';
import { caseFold, isFoldable } from '../../agent/src/domain/case-fold.ts';

describe('simple case folding', () => {
  it('T53 folds the Kelvin sign and the long s, which Go takes for k and s', () => {
    expect(caseFold('\u212aey')).toBe('key');
    expect(caseFold('\u017fteps')).toBe('steps');
    expect(caseFold('STEPS')).toBe('steps');
  });

  it('folds one code point to one: no full folding', () => {
    expect(caseFold('\u00df')).toBe('\u00df');
    expect(caseFold('\u1e9e')).toBe('\u00df');
    expect(caseFold('\u0130')).toBe('\u0130');
    expect(caseFold('\ufb01')).toBe('\ufb01');
  });

  it('folds what CaseFolding.txt folds in an unusual direction', () => {
    expect(caseFold('\u03c2')).toBe('\u03c3');
    expect(caseFold('\uab70')).toBe('\u13a0');
    expect(caseFold('\u{10400}')).toBe('\u{10428}');
    expect(caseFold('\u01c5')).toBe('\u01c6');
    expect(caseFold('\u1fd3')).toBe('\u0390');
    expect(caseFold('\ufb05')).toBe('\ufb06');
  });

  it('is idempotent and agrees with the engine for every code point that both know', () => {
    const unequal: string[] = [];
    for (let codePoint = 0; codePoint <= 0x10ffff; codePoint++) {
      if (codePoint >= 0xd800 && codePoint <= 0xdfff) continue;
      const character = String.fromCodePoint(codePoint);
      const folded = caseFold(character);
      if (folded === character) continue;
      if (caseFold(folded) !== folded) unequal.push(`${codePoint.toString(16)} is folded twice`);
      // An older engine does not know a newer letter at all: then it is unassigned there.
      if (/\p{Cn}/u.test(character) || /\p{Cn}/u.test(folded)) continue;
      const same = new RegExp(`^\\u{${codePoint.toString(16)}}$`, 'iu').test(folded);
      if (!same) unequal.push(codePoint.toString(16));
    }
    expect(unequal).toEqual([]);
  });

  it('misses none that the engine takes for another case', () => {
    const missed: string[] = [];
    for (let codePoint = 0; codePoint <= 0x10ffff; codePoint++) {
      if (codePoint >= 0xd800 && codePoint <= 0xdfff) continue;
      const character = String.fromCodePoint(codePoint);
      for (const other of [character.toLowerCase(), character.toUpperCase()]) {
        if (other === character || [...other].length !== 1) continue;
        if (!new RegExp(`^\\u{${codePoint.toString(16)}}$`, 'iu').test(other)) continue;
        // Letters younger than the table are no names of fields, and hold the job when they come.
        if (caseFold(character) !== caseFold(other)) missed.push(codePoint.toString(16));
      }
    }
    expect(missed).toEqual([]);
  });

  it('tells quickly that plain names fold to themselves', () => {
    expect(isFoldable('allow_git_fetch')).toBe(false);
    expect(isFoldable('Steps')).toBe(true);
    expect(isFoldable('\u212a')).toBe(true);
  });
});
