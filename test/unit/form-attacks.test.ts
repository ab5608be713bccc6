import { describe, expect, it } from 'vitest';
import { summarizeChanges } from '../../agent/src/domain/change-summary.ts';
import { diffConfigurations } from '../../agent/src/domain/configuration-diff.ts';
import { distance } from '../../agent/src/domain/configuration-distance.ts';
import type { JsonObject } from '../../agent/src/domain/json.ts';
import { diffLines } from '../../agent/src/domain/line-diff.ts';
import { addVariable, entryOf, fixture, read, readOk, setVariable, type TestPayload } from './form/payload.ts';

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

describe('what an attacker makes of spellings', () => {
  it('T53 which spelling comes last moves the digest, and the diff says so', () => {
    const [before, after] = [fixture(), fixture()];
    for (const key of ['Target', 'TARGET']) addVariable(before, key, key);
    for (const key of ['TARGET', 'Target']) addVariable(after, key, key);
    differ(before, after);
    const words = diffConfigurations(readOk(before).configuration, readOk(after).configuration).map((c) => c.words);
    expect(words).toEqual(['the order of the spellings of variable target changed']);
  });

  it('T45 a member called constructor is added, not changed from what objects inherit', () => {
    const [before, after] = [{ image: { a: 1 } }, { image: { a: 1, constructor: 'x' } }] as unknown as JsonObject[];
    expect(diffConfigurations(before!, after!)).toMatchObject([{ kind: 'added', path: 'image.constructor' }]);
  });

  it('T33 steps whose names hold the sign between names are still in another order', () => {
    const of = (...names: string[]) => ({ steps: names.map((name) => ({ name })) }) as unknown as JsonObject;
    expect(diffConfigurations(of('a', 'b', 'a, b'), of('a, b', 'a', 'b'))).toHaveLength(1);
  });
});

describe('what facts say of the environment', () => {
  it('T37 neither another spelling of a variable nor the same name typed again changes it', () => {
    const was = readOk(fixture()).facts.environment;
    expect(was).toMatchObject({ name: 'production', tier: 'production' });
    const p = fixture();
    addVariable(p, 'ci_environment_tier', 'development');
    addVariable(p, 'Ci_Environment_Slug', 'other');
    addVariable(p, 'CI_ENVIRONMENT_NAME', 'production', TYPED);
    expect(readOk(p).facts.environment).toEqual(was);
  });
});

describe('what a commit title may hold', () => {
  for (const [name, key, title] of [
    ['env is a name too where no shell of Windows reads it', 'env', 'fix $env:nothing'],
    ['PowerShell', 'NAME', 'fix $env:NAME'],
    ['a name with other signs in braces', 'MY-NAME', `fix $\{MY-NAME}`],
    ['the second of two', 'NAME', 'fix %other%NAME%'],
  ] as const) {
    it(`T49 no reference to a variable of the payload: ${name}`, () => {
      const p = fixture();
      addVariable(p, key, 'x');
      setVariable(p, 'CI_COMMIT_TITLE', title);
      expect(entryOf(readOk(p).configuration, 'CI_COMMIT_TITLE')?.value).toBe(title);
    });
  }
});

describe('what explain says', () => {
  it('T33 of two long names that are shown alike, and of what a list, run and inputs keep', () => {
    const p = fixture();
    const long = 'n'.repeat(80);
    p.odd = { [`${long}1`]: 'plain', [`${long}2`]: 's3cr3t-kube-token-value', list: [null, {}], none: null };
    p.run = '[{"env":null}]';
    addVariable(p, 'Twin', 'a', { unknown: 'says more' });
    addVariable(p, 'TWIN', 'b');
    const rows = readOk(p).explain();
    const outcomes = (start: string) => rows.filter((row) => row.path.startsWith(start)).map((row) => row.outcome);
    expect(rows.find((row) => row.value === 'plain')?.outcome).toBe('covered');
    expect(outcomes('odd.list')).toEqual(['covered', 'covered']);
    expect(outcomes('odd.none')).toEqual(['removed']);
    expect(outcomes('run[')).toEqual(['covered']);
    expect(rows.filter((row) => /^variables\.twin/i.test(row.path)).map((row) => [row.path, row.value])).toEqual([
      ['variables.Twin', 'a'],
      ['variables.Twin.unknown', 'says more'],
      ['variables.TWIN', 'b'],
    ]);
  });
});

describe('what an attacker makes of folding', () => {
  it('T2 no list of the payload becomes a template by what is folded away or removed', () => {
    const sha = fixture().git_info.sha as string;
    const at = (value: unknown) => {
      const p = fixture();
      p.secrets = { S: { vault: { server: { auth: { data: { role: value } } } } } };
      return p;
    };
    expect(readOk(at(`app:${sha}`)).canonical).toContain('["app:",{"var":"CI_COMMIT_SHA"}]');
    for (const other of [null, [], {}, { deep: [], none: null }]) {
      expect(read(at(['app:', { var: 'CI_COMMIT_SHA', other }]))).toMatchObject({
        ok: false,
        code: 'payload_refused',
        path: 'secrets.S.vault.server.auth.data.role[1]',
      });
    }
    const removed = fixture();
    removed.dependencies.push({ id: 1, token: removed.token, files: true });
    expect(read(removed)).toMatchObject({ ok: false, path: 'dependencies[1]' });
    const password = fixture();
    password.credentials.push({ password: password.token, hmac: 'a' });
    expect(read(password)).toMatchObject({ ok: false, code: 'payload_refused' });
  });
});

describe('T30 what an attacker makes to keep the gate busy', () => {
  /** Of the processor, not of the clock: two cores are shared with other tests, and a machine of its own takes a fifth. */
  /** Quadratic work on these sizes takes thousands of yardsticks; what is there takes ten at most. */
  const MAX_YARDSTICKS = 60;
  const cpuMs = (run: () => unknown): number => {
    const before = process.cpuUsage();
    run();
    const { user, system } = process.cpuUsage(before);
    return (user + system) / 1_000;
  };
  /** What a known amount of work costs here and now: machines differ, and others use them. */
  const yardstick = (): number =>
    cpuMs(() => JSON.stringify(Array.from({ length: 200_000 }, (_, i) => `${(i * 7_919) % 200_003}`).sort()));
  function timed<T>(run: () => T): T {
    let result: T | undefined;
    const before = yardstick();
    const took = cpuMs(() => {
      result = run();
    });
    const one = Math.max(before, yardstick());
    if (process.env.RATIOS) process.stderr.write(`RATIO ${(took / one).toFixed(1)} ${one}\n`);
    expect(took / one).toBeLessThan(MAX_YARDSTICKS);
    return result as T;
  }

  it('values that share a bucket with the text but no character are counted too', () => {
    const bucket = (text: string) => [0, 1, 2].reduce((h, i) => (h * 31 + text.charCodeAt(i)) & 1023, 0);
    const alike: string[] = [];
    for (let a = 98; a < 123; a++)
      for (let b = 97; b < 123; b++)
        for (let c = 97; c < 123; c++) {
          const start = String.fromCharCode(a, b, c);
          if (bucket(start) === bucket('aaa')) alike.push(start);
        }
    const p = fixture();
    for (let i = 0; i < 20_000; i++) addVariable(p, `V${i}`, `${alike[i % alike.length]}${i + 100_000}`, TYPED);
    addVariable(p, 'X', 'a'.repeat(1_500_000));
    expect(timed(() => read(p))).toMatchObject({ ok: false, reason: expect.stringMatching(/too many values/) });
  });

  it('one value under thousands of spellings of a key', () => {
    const p = fixture();
    for (let i = 0; i < 30_000; i++) {
      const key = [...'abcdefghijklmnop'].map((c, at) => ((i >> at) & 1 ? c.toUpperCase() : c)).join('');
      addVariable(p, key, 'the-same-value', TYPED);
    }
    timed(() => read(p));
  });

  it('more secrets than fit on the stack, or into the form', () => {
    const p = fixture();
    p.variables = [];
    p.credentials = Array.from({ length: 95_000 }, (_, i) => ({ password: `password-${i}` }));
    expect(timed(() => read(p))).toMatchObject({ ok: false, reason: 'too many values that are not public' });
  });

  it('a long name for a short value, found hundreds of thousands of times, in the form and in what is only read', () => {
    for (const key of ['X', 'CI_COMMIT_TITLE']) {
      const p = fixture();
      p.variables = [];
      addVariable(p, 'K'.repeat(3_000), 'abcdefgh', TYPED);
      addVariable(p, key, 'abcdefgh '.repeat(400_000));
      const reading = timed(() => read(p));
      if (key === 'X') expect(reading).toMatchObject({ ok: false, code: 'payload_refused' });
      else if (reading.ok) expect(JSON.stringify(reading.facts)).not.toContain('abcdefgh');
    }
  });

  it('configurations that are dear to compare: many steps, entries, levels, lines, and long names', () => {
    const pair = (make: (side: string) => object) => {
      const [before, after] = [make('a'), make('b')] as JsonObject[];
      timed(() => {
        const changes = diffConfigurations(before!, after!);
        expect(changes).not.toEqual([]);
        expect(summarizeChanges(changes, before!, after!)).not.toBe('');
        expect(distance(before!, after!)).toBeGreaterThan(0);
        expect(JSON.stringify(changes).length).toBeLessThan(100_000_000);
      });
    };
    const many = (count: number, one: (i: number) => unknown) => Array.from({ length: count }, (_, i) => one(i));
    pair((side) => ({ steps: many(30_000, () => ({ name: 'script', when: side })) }));
    pair((side) => ({ variables: many(40_000, (i) => ({ key: 'A', value: side + i })) }));
    pair((side) => ({ run: { ['N'.repeat(1_000_000)]: many(50_000, (i) => side + i) } }));
    pair((side) => ({ variables: [{ key: 'K'.repeat(1_000_000), list: many(50_000, (i) => side + i) }] }));
    let deep: (side: string) => unknown = (side) => many(1_000, (i) => 'y'.repeat(2_000) + side + i);
    for (let depth = 0; depth < 55; depth++) {
      const inner = deep;
      deep = (side) => [`${side}1`, inner(side), `${side}2`];
    }
    pair((side) => ({ odd: deep(side) }));
    pair((side) => ({
      steps: [
        {
          name: 'script',
          script: many(150_000, (i) =>
            i % 5_000 === 0 ? `anchor ${i}` : `line ${(i * (side === 'a' ? 7 : 11)) % 53}`,
          ),
        },
      ],
    }));
  });

  it('anchors between anchors, as deep as there are lines, do not fill the stack', () => {
    let [before, after]: [string[], string[]] = [['x'], ['y']];
    const [left, right]: [string[], string[]] = [[], []];
    for (let k = 0; k < 25_000; k++) {
      left.push(`u${k + 1}`, `u${k}`, `p${k}`);
      right.push(`q${k}`, `u${k + 1}`, `u${k}`);
    }
    [before, after] = [
      [...left, ...before],
      [...right, ...after],
    ];
    const hunks = timed(() => diffLines(before, after));
    const kept = hunks.filter((hunk) => hunk.kind !== 'added').reduce((sum, hunk) => sum + hunk.to - hunk.from, 0);
    expect(kept).toBe(before.length);
  });

  it('but no job is refused for large certificates and a commit message with lines under its headings', () => {
    const p = fixture();
    for (let i = 0; i < 8; i++) {
      addVariable(p, `CA_${i}`, `-----BEGIN CERTIFICATE-----${'M'.repeat(200_000)}`, { ...TYPED, file: true });
    }
    addVariable(p, 'NOTE', `Heading\n${'-'.repeat(80)}\n`.repeat(40));
    expect(read(p).ok).toBe(true);
  });
});
