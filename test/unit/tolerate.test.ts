import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readPolicy } from '../../agent/src/directories/policy-file.ts';
import type { Json, JsonObject } from '../../agent/src/domain/json.ts';
import { KNOWN_FIELDS } from '../../agent/src/domain/known-fields.ts';
import type { RunValues } from '../../agent/src/domain/run-values.ts';
import type { Shape } from '../../agent/src/domain/strict-json.ts';
import {
  fieldProblem,
  NO_TOLERANCE,
  relax,
  SHIPPED_TOLERANCE,
  type Tolerance,
  toleratedBetween,
} from '../../agent/src/domain/tolerate.ts';
import { shapesOf } from '../../agent/src/domain/value-shapes.ts';
import { variableTag } from '../../agent/src/domain/variable-tag.ts';
import { PAYLOAD } from '../../agent/src/runners/gitlab/fields.ts';
import { VARIABLE_KEY } from '../support/hub-world.ts';

const run = (more: Partial<RunValues> = {}): RunValues => ({
  sent: new Map(),
  shapes: new Map(),
  tag: (name, text) => variableTag(VARIABLE_KEY, 7, name, text),
  opaque: [],
  ...more,
});
const tag = (name: string, value: string): Json => [
  { hmac: variableTag(VARIABLE_KEY, 7, name, JSON.stringify(value)) },
];
const variable = (key: string, value: Json, flags: { public?: boolean; masked?: boolean } = {}): JsonObject => ({
  key,
  value,
  public: flags.public ?? false,
  masked: flags.masked ?? false,
  file: false,
  raw: false,
});
const masked = (key: string, value: string) => variable(key, tag(key, value), { masked: true });
const typed = (key: string, value: string) => variable(key, tag(key, value));
const yaml = (key: string, value: Json) => variable(key, value, { public: true });
const job = (more: JsonObject): JsonObject => ({ form: 'holdpoint.configuration/v1', ...more });
const withVariables = (...variables: readonly JsonObject[]): JsonObject => job({ variables });
const tolerance = (variables: Partial<Tolerance['variables']>, more: Partial<Tolerance> = {}): Tolerance => ({
  ...NO_TOLERANCE,
  variables: { ...NO_TOLERANCE.variables, ...variables },
  ...more,
});
const alike = (a: JsonObject, b: JsonObject, t: Tolerance, ra = run(), rb = ra): boolean =>
  relax(a, t, ra).text === relax(b, t, rb).text;

describe('tolerance, as shipped', () => {
  it('lets a masked secret rotate', () => {
    expect(
      alike(withVariables(masked('PW', 'one-secret')), withVariables(masked('PW', 'another-one')), SHIPPED_TOLERANCE),
    ).toBe(true);
  });

  it.each<[string, JsonObject, JsonObject]>([
    ['T56 a secret whose mask was taken off', withVariables(masked('PW', 'a')), withVariables(typed('PW', 'b'))],
    [
      'T56 a masked key that is sent twice',
      withVariables(masked('PW', 'a')),
      withVariables(masked('PW', 'a'), masked('PW', 'b')),
    ],
    [
      'T56 a twin in another case',
      withVariables(masked('PW', 'a')),
      withVariables(masked('PW', 'a'), masked('pw', 'b')),
    ],
    ['T57 a typed value', withVariables(typed('PW', 'a')), withVariables(typed('PW', 'b'))],
    [
      'T7 a name that changes how a shell behaves',
      withVariables(masked('BASH_ENV', 'a')),
      withVariables(masked('BASH_ENV', 'b')),
    ],
    ['a secret that is new', withVariables(masked('PW', 'a')), withVariables(masked('PW', 'a'), masked('OTHER', 'b'))],
    [
      'a secret that became a file',
      withVariables(masked('PW', 'a')),
      withVariables({ ...masked('PW', 'b'), file: true }),
    ],
    [
      'T6 a secret with a member that is new',
      withVariables(masked('PW', 'a')),
      withVariables({ ...masked('PW', 'b'), scope: 'x' }),
    ],
    ['a YAML variable', withVariables(yaml('V', '1')), withVariables(yaml('V', '2'))],
    [
      'a script line',
      job({ steps: [{ name: 'script', script: ['a'] }] }),
      job({ steps: [{ name: 'script', script: ['b'] }] }),
    ],
    [
      'T48 whose cache is used',
      job({ cache: [{ key: 'x-1-protected' }] }),
      job({ cache: [{ key: 'x-1-non_protected' }] }),
    ],
    ['another cache', job({ cache: [{ key: 'x-1' }] }), job({ cache: [{ key: 'y-1' }] })],
    [
      'numbers of two caches',
      job({ cache: [{ key: 'x-1' }, { key: 'y-2' }] }),
      job({ cache: [{ key: 'x-2' }, { key: 'y-2' }] }),
    ],
  ])('holds %s', (_, a, b) => {
    expect(alike(a, b, SHIPPED_TOLERANCE)).toBe(false);
  });

  it('lets somebody clear the caches', () => {
    const cache = (key: Json) => job({ cache: [{ key, paths: ['.m2'] }] });
    expect(alike(cache('main-3-protected'), cache('main-4-protected'), SHIPPED_TOLERANCE)).toBe(true);
    expect(alike(cache('main-3'), cache('main-12'), SHIPPED_TOLERANCE)).toBe(true);
    const files = (end: string) => cache([{ files: true }, end]);
    expect(alike(files('-3-protected'), files('-4-protected'), SHIPPED_TOLERANCE)).toBe(true);
  });
});

describe('tolerance of variables', () => {
  it('T57 by name reaches a typed value only where the policy names it opaque too', () => {
    const t = tolerance({ values: ['TARGET'] });
    const [a, b] = [withVariables(typed('TARGET', 'a')), withVariables(typed('TARGET', 'b'))];
    expect(alike(a, b, t)).toBe(false);
    expect(alike(a, b, t, run({ opaque: ['TARGET'] }))).toBe(true);
    expect(alike(withVariables(yaml('TARGET', 'a')), withVariables(yaml('TARGET', 'b')), t)).toBe(true);
  });

  it('T56 by ambient pattern lets none that may be typed come', () => {
    const t = tolerance({ ambient: ['TEAM_*'] });
    const none = withVariables(yaml('V', '1'));
    expect(alike(none, withVariables(yaml('V', '1'), masked('TEAM_TOKEN', 'x')), t)).toBe(true);
    expect(alike(none, withVariables(yaml('V', '1'), yaml('TEAM_NAME', 'x')), t)).toBe(true);
    expect(alike(none, withVariables(yaml('V', '1'), typed('TEAM_EXTRA', 'x')), t)).toBe(false);
    expect(alike(none, withVariables(yaml('V', '1'), yaml('OTHER', 'x')), t)).toBe(false);
    expect(alike(job({}), withVariables(masked('TEAM_TOKEN', 'x')), t)).toBe(true);
  });

  it('T7 by ambient pattern never reaches a name that changes behaviour', () => {
    const t = tolerance({ ambient: ['B*', 'L*', 'N*'] });
    for (const name of ['BASH_ENV', 'LD_PRELOAD', 'NODE_OPTIONS', 'npm_config_registry'])
      expect(alike(job({}), withVariables(yaml(name, 'x')), t)).toBe(false);
  });

  it('by shape looks at public values itself and at hidden ones through the agent’s words', () => {
    const t = tolerance({ shapes: { BUILD: 'digits' } });
    expect(alike(withVariables(yaml('BUILD', '17')), withVariables(yaml('BUILD', '18')), t)).toBe(true);
    expect(alike(withVariables(yaml('BUILD', '17')), withVariables(yaml('BUILD', '$(id)')), t)).toBe(false);
    const [a, b] = [withVariables(typed('BUILD', '17')), withVariables(typed('BUILD', '$(id)'))];
    const digits = run({ shapes: new Map([['BUILD', ['digits', 'slug']]]) });
    expect(alike(a, withVariables(typed('BUILD', '18')), t, digits)).toBe(true);
    expect(alike(a, b, t, digits, run())).toBe(false);
  });

  it('by template wants exactly the text that this run makes of it, hidden or not', () => {
    const t = tolerance({ templates: { VERSION: '1.4.${CI_PIPELINE_IID}' } });
    const of = (iid: string) => run({ sent: new Map([['CI_PIPELINE_IID', iid]]) });
    const compare = (make: typeof typed | typeof yaml, now: string) =>
      alike(withVariables(make('VERSION', '1.4.17')), withVariables(make('VERSION', now)), t, of('17'), of('18'));
    for (const make of [typed, yaml]) {
      expect(compare(make, '1.4.18')).toBe(true);
      expect(compare(make, '1.4.19')).toBe(false);
      expect(compare(make, '1.4.18; id')).toBe(false);
    }
    expect(alike(withVariables(yaml('VERSION', '1.4.17')), withVariables(yaml('VERSION', '1.4.18')), t)).toBe(false);
  });

  it('by template finds a hidden text that the form wrote with names of the run', () => {
    const t = tolerance({ templates: { TAG: '${CI_PIPELINE_IID}-${CI_COMMIT_SHORT_SHA}' } });
    const of = (iid: string, sha: string) => {
      const text = JSON.stringify([`${iid}-`, { var: 'CI_COMMIT_SHORT_SHA' }]);
      const sent = new Map([
        ['CI_PIPELINE_IID', iid],
        ['CI_COMMIT_SHORT_SHA', sha],
      ]);
      return [
        withVariables(variable('TAG', [{ hmac: variableTag(VARIABLE_KEY, 7, 'TAG', text) }])),
        run({ sent }),
      ] as const;
    };
    const [a, ra] = of('17', 'aaaaaaaa');
    const [b, rb] = of('18', 'bbbbbbbb');
    expect(alike(a, b, t, ra, rb)).toBe(true);
    expect(alike(a, b, t, ra, ra)).toBe(false);
  });
});

describe('tolerance of other things', () => {
  it('lets artifacts of named jobs come and go', () => {
    const t = { ...NO_TOLERANCE, dependencies: ['test:*'] };
    const of = (...names: readonly string[]) =>
      job({ dependencies: names.map((name) => ({ name, artifacts_file: {} })) });
    expect(alike(of('build'), of('test:unit', 'build', 'test:e2e'), t)).toBe(true);
    expect(alike(job({}), of('test:unit'), t)).toBe(true);
    expect(alike(of('build', 'lint'), of('lint', 'build'), t)).toBe(false);
    expect(alike(of('build'), of('build', 'other'), t)).toBe(false);
  });

  it('T38 lets an image be another of its pattern, never one with a variable in it', () => {
    const t = { ...NO_TOLERANCE, images: ['registry.example.com/base/*'] };
    const of = (name: Json) => job({ image: { name }, services: [{ name, alias: 'db' }] });
    expect(alike(of('registry.example.com/base/node:20'), of('registry.example.com/base/node:22'), t)).toBe(true);
    expect(alike(of('registry.example.com/base/node:20'), of('evil.example.com/base/node:22'), t)).toBe(false);
    expect(alike(of('registry.example.com/base/node:20'), of('registry.example.com/base/$X'), t)).toBe(false);
    const other = job({ image: { name: 'registry.example.com/base/node:20', entrypoint: ['sh'] } });
    expect(alike(job({ image: { name: 'registry.example.com/base/node:20' } }), other, t)).toBe(false);
  });

  it('lets fields differ that the runner does not know, wherever they stand', () => {
    const t = { ...NO_TOLERANCE, fields: ['features.fresh', 'steps[].hint', 'top'] };
    const step = (more: JsonObject) => ({ name: 'script', script: ['make'], ...more });
    const a = job({ steps: [step({ hint: 1 })], top: { x: 1 } });
    const b = job({ steps: [step({})], features: { fresh: 'yes' } });
    expect(alike(a, b, t)).toBe(true);
    expect(toleratedBetween(relax(a, t, run()), relax(b, t, run())).map(({ path }) => path)).toEqual([
      'features.fresh',
      'steps[].hint',
      'top',
    ]);
    expect(alike(a, job({ steps: [step({ other: 1 })] }), t)).toBe(false);
  });

  it.each([
    'steps',
    'steps[].script',
    'image',
    'variables',
    'variables[].value',
    'run',
    'run.x',
    'secrets.x',
    'form',
    'inputs',
    'a b',
    '',
    '*',
  ])('T56 refuses the field %j', (path) => {
    expect(fieldProblem(path)).not.toBeNull();
    expect(() => readPolicy(`tolerate: { fields: [${JSON.stringify(path)}] }`, 'p')).toThrow();
  });

  it('T45 leaves names such as __proto__ where they are', () => {
    const a = JSON.parse('{"form":"x","__proto__":{"a":1},"image":{"name":"i","constructor":{"b":2}}}') as JsonObject;
    const t = { ...SHIPPED_TOLERANCE, fields: ['features.fresh'] };
    expect(JSON.parse(relax(a, t, run()).text)).toEqual(a);
    expect(relax(a, t, run()).text).toContain('"__proto__":{"a":1}');
  });
});

describe('the table of known fields', () => {
  it('is that of the reader', () => {
    const found: string[] = [];
    const walk = (shape: Shape, path: string): void => {
      if (typeof shape === 'string' || 'refused' in shape || 'map' in shape) found.push(path);
      else if ('list' in shape) {
        if (typeof shape.list === 'string') found.push(path);
        else walk(shape.list, `${path}[]`);
      } else for (const [name, inner] of shape.object) walk(inner, path === '' ? name : `${path}.${name}`);
    };
    walk(PAYLOAD, '');
    expect([...KNOWN_FIELDS].sort()).toEqual(found.sort());
  });
});

describe('shapes of values', () => {
  it('T49 none of them holds anything that a shell treats specially', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        if (shapesOf(text).length > 0) expect(text).toMatch(/^[0-9A-Za-z.+:-]+$/);
      }),
    );
    expect(shapesOf('1\n2')).toEqual([]);
    expect(shapesOf('1.2.3-rc.1')).toEqual(['semver']);
    expect(shapesOf('9'.repeat(300))).toEqual([]);
  });
});

describe('the tolerate section of a policy', () => {
  it('is read whole, and nothing is added to it', () => {
    const { tolerance: read } = readPolicy(
      `tolerate:
  fields: [features.fresh]
  variables: { values: [masked, TEAM], ambient: ["TEAM_*"], shapes: { B: digits }, templates: { V: "1.\${CI_PIPELINE_IID}" } }
  dependencies: ["test:*"]
  images: ["registry.example.com/base/*"]
`,
      'p',
    ).base;
    expect(read).toEqual({
      fields: ['features.fresh'],
      variables: {
        masked: true,
        values: ['TEAM'],
        ambient: ['TEAM_*'],
        shapes: { B: 'digits' },
        templates: { V: '1.${CI_PIPELINE_IID}' },
      },
      dependencies: ['test:*'],
      images: ['registry.example.com/base/*'],
      cacheIndex: false,
    });
    expect(readPolicy('tolerate: {}', 'p').base.tolerance).toEqual(NO_TOLERANCE);
    expect(readPolicy('remember: 24h', 'p').base.tolerance).toEqual(SHIPPED_TOLERANCE);
  });

  it.each([
    'tolerate: { variables: { values: [BASH_ENV] } }',
    'tolerate: { variables: { shapes: { NODE_OPTIONS: slug } } }',
    'tolerate: { variables: { templates: { V: "no name" } } }',
    'tolerate: { variables: { templates: { V: "$(id)${CI_PIPELINE_IID}" } } }',
    'tolerate: { variables: { ambient: ["*"] } }',
    'tolerate: { images: ["**"] }',
  ])('T56 refuses %s', (text) => {
    expect(() => readPolicy(text, 'p')).toThrow();
  });
});
