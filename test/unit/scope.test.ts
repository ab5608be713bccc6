import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  defaultScope,
  globMatches,
  INPUTS,
  inputsOf,
  narrowestScope,
  parseRefScope,
  parseScopeWish,
  requireCovers,
  requireScope,
  type Scope,
  type ScopePolicy,
  scopeCovers,
  scopeText,
  scopeWords,
} from '../../agent/src/domain/scope.ts';

const main = { ref: 'refs/heads/main', refProtected: true, environment: null };
const feature = { ref: 'refs/heads/feature/x', refProtected: false, environment: null };
const exact: Scope = { ref: { kind: 'exact' }, inputs: 'same_pipeline', runners: null };
const policy = (refs: ScopePolicy['refs'], max: ScopePolicy['inputs']['max'] = 'any'): ScopePolicy => ({
  inputs: { default: 'same_pipeline', environments: 'admitted', max },
  refs,
});
const origin = (place: typeof main, inputs: Scope['inputs'] = 'admitted', runner = 'prod') => ({
  place,
  inputs,
  runner,
});

describe('what a scope covers', () => {
  it('T48 is only jobs whose every dependency is of its class', () => {
    const of = (jobId: number | null, samePipeline: boolean) => ({ jobId, samePipeline });
    expect(inputsOf([], new Set())).toBe('admitted');
    expect(inputsOf([of(1, true), of(2, true)], new Set([1, 2]))).toBe('admitted');
    expect(inputsOf([of(1, true), of(2, true)], new Set([1]))).toBe('same_pipeline');
    expect(inputsOf([of(1, true), of(2, false)], new Set([1, 2]))).toBe('any');
    expect(inputsOf([of(null, false)], new Set())).toBe('any');
    for (const [has, asked] of INPUTS.flatMap((a, i) =>
      INPUTS.map(
        (b, j) =>
          [
            [a, i],
            [b, j],
          ] as const,
      ),
    )) {
      const covers = scopeCovers({ ...exact, inputs: has[0] }, main, origin(main, asked[0]));
      expect([has[0], asked[0], covers]).toEqual([has[0], asked[0], asked[1] <= has[1]]);
    }
  });

  it.each([
    ['exact', main, main, true],
    ['exact', main, { ...main, ref: 'refs/heads/main2' }, false],
    ['exact', main, { ...main, refProtected: false }, false],
    ['protected', main, { ...main, ref: 'refs/tags/v1' }, true],
    ['protected', main, feature, false],
    ['any', main, feature, true],
    ['refs/heads/release/*', main, { ...main, ref: 'refs/heads/release/2' }, true],
    ['refs/heads/release/*', main, { ...main, ref: 'refs/heads/release/2', refProtected: false }, false],
    ['refs/heads/release/*', main, { ...main, ref: 'refs/tags/release/2' }, false],
    ['refs/heads/release/*', main, { ...main, ref: 'x/refs/heads/release/2' }, false],
  ])('T10 T11 with ref=%s approved at %o reaches %o: %s', (text, own, asked, expected) => {
    expect(scopeCovers({ ...exact, ref: parseRefScope(text) }, own, origin(asked))).toBe(expected);
  });

  it('T10 is never another environment, whatever the ref, and never another runner than those named', () => {
    const any: Scope = { ...exact, ref: { kind: 'any' }, inputs: 'any' };
    expect(scopeCovers(any, main, origin({ ...main, environment: 'production' } as never))).toBe(false);
    expect(scopeCovers({ ...any, runners: ['a'] }, main, origin(main, 'any', 'b'))).toBe(false);
    expect(scopeCovers({ ...any, runners: ['a'] }, main, origin(main, 'any', 'a'))).toBe(true);
  });
});

describe('a pattern over refs', () => {
  it.each([
    ['refs/heads/*', 'refs/heads/', true],
    ['refs/heads/*', 'refs/heads/a/b', true],
    ['refs/heads/*-stable', 'refs/heads/1-stable', true],
    ['refs/heads/*-stable', 'refs/heads/1-stable-not', false],
    ['refs/heads/a*a', 'refs/heads/a', false],
    ['refs/heads/a*a', 'refs/heads/aa', true],
    ['refs/heads/a.b', 'refs/heads/axb', false],
    ['refs/heads/a*b*c', 'refs/heads/acbxc', true],
    ['refs/heads/a*b*c', 'refs/heads/acb', false],
  ])('%s on %s: %s', (pattern, text, expected) => {
    expect(globMatches(pattern, text)).toBe(expected);
  });

  it('matches as its regular expression does', () => {
    const texts = fc.stringMatching(/^[ab/*]{0,12}$/);
    fc.assert(
      fc.property(texts, texts, (pattern, text) => {
        const source = pattern.split('*').map((piece) => piece.replace(/[/]/g, '\\/'));
        expect(globMatches(pattern, text)).toBe(new RegExp(`^${source.join('[^]*')}$`).test(text));
      }),
    );
  });

  it('T30 does not look at the same places again and again', () => {
    const pattern = `refs/heads/${'a*'.repeat(120)}b`;
    expect(globMatches(pattern, `refs/heads/${'a'.repeat(100_000)}`)).toBe(false);
  });
});

describe('how far a scope may go', () => {
  it.each([
    ['ref=exact', 'exact', main, true],
    ['ref=protected', 'exact', main, false],
    ['ref=protected', 'protected', main, true],
    ['ref=any', 'protected', main, false],
    ['ref=any', 'any', main, true],
    ['ref=refs/heads/*', 'protected', main, true],
    ['ref=refs/heads/*', 'protected', feature, false],
    ['ref=refs/heads/*', 'exact', main, false],
  ] as const)('T51 %s under %s: allowed at %o: %s', (text, limit, place, allowed) => {
    const scope = { ...exact, ...parseScopeWish([text]) } as Scope;
    const check = () => requireScope(scope, policy(limit), place);
    if (allowed) expect(check).not.toThrow();
    else expect(check).toThrow(expect.objectContaining({ code: 'scope_not_allowed' }));
  });

  it('T48 is never a wider class of inputs than the policy has', () => {
    const wide = { ...exact, inputs: 'any' } as const;
    expect(() => requireScope(wide, policy('exact', 'same_pipeline'), main)).toThrow(/use inputs=same_pipeline/);
    expect(defaultScope(policy('exact', 'admitted'), origin(main), false).inputs).toBe('admitted');
  });

  it('T48 is by default of admitted jobs where a deployment takes from gated ones only', () => {
    const production = { ...main, environment: 'production' } as never;
    expect(defaultScope(policy('exact'), origin(production), false).inputs).toBe('admitted');
    expect(defaultScope(policy('exact'), origin(production, 'same_pipeline'), false).inputs).toBe('same_pipeline');
    expect(defaultScope(policy('exact'), origin(main), false).inputs).toBe('same_pipeline');
    // Where GitLab cannot be asked: anywhere, but no further than the policy, and never what GitLab says is elsewhere.
    expect(defaultScope(policy('exact'), origin(main, 'any'), true).inputs).toBe('any');
    expect(defaultScope(policy('exact', 'same_pipeline'), origin(main, 'any'), true).inputs).toBe('same_pipeline');
    expect(defaultScope(policy('exact'), origin(main, 'any'), false).inputs).toBe('same_pipeline');
  });

  it('is refused where it would not even cover the job that the vote is about', () => {
    expect(() => requireCovers(7, exact, origin(main, 'any'))).toThrow(/hold 7 .*--scope inputs=any/);
    expect(() => requireCovers(7, { ...exact, inputs: 'admitted' }, origin(main, 'same_pipeline'))).toThrow(
      /did not run under an approval/,
    );
    expect(() => requireCovers(7, { ...exact, runners: ['a'] }, origin(main))).toThrow(/runner prod/);
    expect(() => requireCovers(7, exact, origin(main))).not.toThrow();
  });

  it('is the narrowest of all votes, and never wider than any of them', () => {
    const glob = (pattern: string): Scope => ({ ...exact, ref: { kind: 'glob', pattern }, inputs: 'any' });
    expect(narrowestScope([{ ...exact, ref: { kind: 'any' }, inputs: 'any' }, exact])).toEqual(exact);
    expect(narrowestScope([glob('refs/heads/a*'), glob('refs/heads/b*')]).ref).toEqual({ kind: 'exact' });
    expect(narrowestScope([glob('refs/heads/a*'), glob('refs/heads/a*')]).ref.kind).toBe('glob');
    expect(
      narrowestScope([
        { ...exact, runners: ['a', 'b'] },
        { ...exact, runners: ['b', 'c'] },
      ]).runners,
    ).toEqual(['b']);
    expect(narrowestScope([exact, { ...exact, runners: ['b'] }]).runners).toEqual(['b']);
  });
});

describe('a scope as text', () => {
  it('is read as it is written', () => {
    const scope: Scope = { ref: { kind: 'glob', pattern: 'refs/heads/r/*' }, inputs: 'any', runners: ['a', 'b'] };
    expect(scopeText(scope)).toBe('ref=refs/heads/r/* inputs=any runners=a,b');
    expect(parseScopeWish([scopeText(scope)])).toEqual(scope);
    expect(parseScopeWish(['ref'])).toEqual({ ref: { kind: 'exact' } });
    expect(parseScopeWish([])).toEqual({});
  });

  it.each(['any', 'inputs=all', 'ref=main', 'ref=refs/heads/main', 'ref=*', 'runners=', 'ref=refs/heads/a\u0007*'])(
    'refuses %j',
    (text) => expect(() => parseScopeWish([text])).toThrow(expect.objectContaining({ code: 'bad_input' })),
  );

  it('says in words who decides what is in a ref', () => {
    expect(scopeWords(exact, main)[0]).toBe('refs/heads/main only (protected)');
    expect(scopeWords(exact, feature)[0]).toContain('any pusher');
    expect(scopeWords({ ...exact, ref: { kind: 'any' } }, main)[0]).toContain('any pusher');
    expect(scopeWords({ ...exact, inputs: 'any' }, main)[2]).toContain('can change what runs');
  });
});
