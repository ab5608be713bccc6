import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Json } from '../../agent/src/domain/json.ts';
import { REMOVED } from '../../agent/src/runners/gitlab/fields.ts';
import {
  addVariable,
  asMergeRequest,
  dig,
  entryOf,
  fixture,
  idToken,
  nextRun,
  read,
  readOk,
  setVariable,
  type TestPayload,
} from './form/payload.ts';

const FILES = [
  'deploy-production.run1.json',
  'build-image.run1.json',
  'test-unit.run1.json',
  'release.run1.json',
] as const;
type Path = readonly (string | number)[];

function leavesOf(value: unknown, path: Path = []): { path: Path; value: unknown }[] {
  if (Array.isArray(value))
    return value.length === 0 ? [{ path, value }] : value.flatMap((v, i) => leavesOf(v, [...path, i]));
  if (typeof value === 'object' && value !== null) {
    const entries = Object.entries(value);
    return entries.length === 0 ? [{ path, value }] : entries.flatMap(([k, v]) => leavesOf(v, [...path, k]));
  }
  return [{ path, value }];
}
function set(target: unknown, path: Path, value: unknown): void {
  let at = target as Record<string | number, unknown>;
  for (const part of path.slice(0, -1)) at = at[part] as Record<string | number, unknown>;
  at[path.at(-1)!] = value;
}
const general = (path: Path) =>
  path
    .map((part) => (typeof part === 'number' ? '[]' : part))
    .join('.')
    .replaceAll('.[]', '[]');
const isRemoved = (path: Path) =>
  REMOVED.some((leaf) => general(path) === leaf.path || general(path) === `${leaf.path}[]`) ||
  general(path) === 'credentials[].password';

/** Another value of the same type, which no rule writes as something else. */
function other(value: unknown): unknown {
  switch (typeof value) {
    case 'string':
      return `${value}~changed`;
    case 'number':
      return value + 1;
    case 'boolean':
      return !value;
    default:
      return Array.isArray(value) ? ['added'] : { added: 1 };
  }
}

describe('every leaf of every fixture', () => {
  for (const file of FILES) {
    it(`T1 ${file}: a covered leaf moves the digest, a removed one never does`, () => {
      const before = readOk(fixture(file));
      for (const { path, value } of leavesOf(fixture(file))) {
        if (path[0] === 'variables') continue;
        const p = fixture(file);
        set(p, path, other(value));
        const after = read(p);
        if (!after.ok) {
          expect(
            value === null || Array.isArray(value) || typeof value === 'object',
            `${general(path)}: ${after.reason}`,
          ).toBe(true);
        } else if (isRemoved(path)) {
          // What a removed leaf validates is then no longer what it says: those variables become covered.
          const tied = [
            'id',
            'token',
            'git_info.ref',
            'git_info.ref_type',
            'git_info.protected',
            'git_info.sha',
            'git_info.before_sha',
            'git_info.refspecs[]',
            'job_info.pipeline_id',
            'job_info.user_id',
            'credentials[].password',
          ];
          if (!tied.includes(general(path))) expect(after.digest, general(path)).toBe(before.digest);
        } else expect(after.digest, general(path)).not.toBe(before.digest);
      }
    });

    it(`T37 ${file}: a member of a variable moves the digest, unless the table lets the value go`, () => {
      const before = readOk(fixture(file));
      const ignored = new Set(
        before
          .explain()
          .filter((row) => row.outcome === 'ignored')
          .map((row) => row.path),
      );
      fixture(file).variables.forEach((variable, index) => {
        for (const [name, change] of Object.entries({
          value: `${variable.value}~$(evil)`,
          public: variable.public !== true,
          masked: variable.masked !== true,
          raw: variable.raw !== true,
          file: variable.file !== true,
          extra: 1,
        })) {
          const p = fixture(file);
          p.variables[index] = { ...variable, [name]: change };
          const isText = ignored.has(`variables.${variable.key}`) && name === 'value';
          const after = readOk(p);
          if (isText && after.digest === before.digest) {
            expect(after.facts.notCovered.map((row) => row.path)).toContain(`variables.${variable.key}`);
          } else expect(after.digest, `${variable.key}.${name}`).not.toBe(before.digest);
        }
      });
    });
  }

  it('T6 an unknown field at every depth moves the digest, and one that says nothing does not', () => {
    const p = fixture();
    const objects = leavesOf(p)
      .map(({ path }) => path.slice(0, -1))
      .filter((path) => typeof path.at(-1) !== 'number' || true);
    const seen = new Set<string>();
    const before = readOk(p).digest;
    for (const path of objects) {
      if (seen.has(general(path)) || path[0] === 'variables') continue;
      seen.add(general(path));
      const holder = path.length === 0 ? p : dig(p as unknown as Json, ...path);
      if (Array.isArray(holder) || typeof holder !== 'object') continue;
      for (const [value, same] of [
        ['x', false],
        [0, false],
        [{ deep: [false] }, false],
        [null, true],
        [{}, true],
        [[], true],
      ] as const) {
        const changed = fixture();
        set(changed, [...path, 'brand_new'], value);
        expect(readOk(changed).digest === before, `${general(path)}.brand_new = ${JSON.stringify(value)}`).toBe(same);
      }
    }
    expect(seen.size).toBeGreaterThan(15);
  });
});

describe('how it is written', () => {
  const shuffled = (value: unknown, order: () => number): unknown => {
    if (Array.isArray(value)) return value.map((element) => shuffled(element, order));
    if (typeof value !== 'object' || value === null) return value;
    const entries = Object.entries(value).map(([key, member]) => [order(), key, shuffled(member, order)] as const);
    return Object.fromEntries(entries.sort((a, b) => a[0] - b[0]).map(([, key, member]) => [key, member]));
  };

  it('order of members, white space and escapes never move the digest', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...FILES),
        fc.infiniteStream(fc.nat()),
        fc.constantFrom(0, 1, '\t', ' \n'),
        fc.boolean(),
        (file, stream, space, escaped) => {
          const p = shuffled(fixture(file), () => stream.next().value as number);
          let text = JSON.stringify(p, null, space);
          if (escaped)
            text = text.replace(/[^\x20-\x7e\n\t]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`);
          expect(readOk(text).digest).toBe(readOk(fixture(file)).digest);
        },
      ),
      { numRuns: 40 },
    );
  });
});

describe('segments', () => {
  const fill = (value: Json, p: TestPayload): string => {
    if (typeof value === 'string') return value;
    return (value as readonly Json[])
      .map((piece) => {
        if (typeof piece === 'string') return piece;
        const name = String(dig(piece, 'var'));
        return p.variables.filter((variable) => variable.key === name).at(-1)?.value ?? '?';
      })
      .join('');
  };

  it('T3 filled with this run’s values give the value back', () => {
    const p = fixture();
    const pieces = fc.constantFrom(
      p.git_info.sha,
      p.git_info.sha.slice(0, 8),
      p.token,
      String(p.id),
      String(p.job_info.pipeline_id),
      's3cr3t-kube-token-value',
      ':',
      '/',
      '-',
      'x',
      '0',
      '${CI_COMMIT_SHA}',
      '\u{1F600}',
      '2026-08-16T20:24:50Z',
      'https://gitlab.example.com/acme/payments/api/-/jobs/118034063',
    );
    fc.assert(
      fc.property(fc.array(fc.oneof(pieces, fc.string({ maxLength: 4 })), { maxLength: 8 }), (parts) => {
        const value = parts.join('');
        const q = fixture();
        addVariable(q, 'MADE_OF', value);
        const entry = entryOf(readOk(q).configuration, 'MADE_OF')!;
        expect(fill(entry.value!, q)).toBe(value);
      }),
      { numRuns: 150 },
    );
  });
});

describe('T32 no secret of a payload leaves the reader', () => {
  const word = fc.string({
    unit: fc.constantFrom(...'abcdefghijkmnpqrstuvwxyz23456789'),
    minLength: 20,
    maxLength: 30,
  });
  const text = (reading: ReturnType<typeof read>) =>
    reading.ok
      ? JSON.stringify([reading.configuration, reading.canonical, reading.facts, reading.explain()])
      : JSON.stringify(reading);

  it('wherever GitLab may have expanded it', () => {
    fc.assert(
      fc.property(word, word, word, word, fc.nat({ max: 11 }), (masked, token, password, input, place) => {
        const p = JSON.parse(
          JSON.stringify(fixture('test-unit.run1.json')).replaceAll(
            fixture('test-unit.run1.json').token,
            `glcbt-${token}`,
          ),
        ) as TestPayload;
        addVariable(p, 'SECRET_ONE', `m-${masked}`, { public: false, masked: true });
        p.credentials.push({ type: 'registry', url: 'other.example.com', username: 'u', password: `p-${password}` });
        p.inputs.push({ key: 'pin', value: { type: 'string', content: `i-${input}`, sensitive: true } });
        const leak = `x m-${masked} y glcbt-${token} z p-${password}`;
        const places: (() => void)[] = [
          () => setVariable(p, 'CI_COMMIT_TITLE', leak),
          () => p.steps[0].script.push(leak),
          () => Object.assign(p.image, { name: leak }),
          () => addVariable(p, 'PUBLIC', leak),
          () => addVariable(p, 'TYPED', leak, { public: false }),
          () => Object.assign(p.job_info, { name: leak, stage: leak }),
          () => Object.assign(p.cache[0], { key: leak, fallback_keys: [`${leak}-1-protected`] }),
          () => Object.assign(p, { unknown: { deep: [{ deeper: leak }] } }),
          () => Object.assign(p, { run: JSON.stringify([{ name: 'a', script: leak }]) }),
          () =>
            Object.assign(p, {
              secrets: { S: { vault: { path: leak, server: { auth: { data: { jwt: idToken({ a: masked }) } } } } } },
            }),
          () =>
            Object.assign(p.git_info, { repo_url: `https://x:${leak}@gitlab.example.com/${leak}`, ref: `b/${masked}` }),
          () => Object.assign(p.dependencies, [{ id: 1, name: leak }]),
        ];
        places[place]!();
        const all = text(read(p));
        for (const secret of [`m-${masked}`, `glcbt-${token}`, `p-${password}`, `i-${input}`])
          expect(all).not.toContain(secret);
        if (p.secrets.S !== undefined) expect(all).not.toContain(p.secrets.S.vault.server.auth.data.jwt);
      }),
      { numRuns: 80 },
    );
  });

  it('in a refusal neither', () => {
    const p = fixture();
    p.variables.push({ key: 'X', value: 's3cr3t-kube-token-value', hmac: 's3cr3t-kube-token-value' });
    p.steps[0].timeout = 's3cr3t-kube-token-value';
    expect(text(read(p))).not.toContain('s3cr3t-kube-token-value');
  });

  it('and scrub takes them out of any text', () => {
    const p = fixture();
    addVariable(p, 'TYPED', 'a-typed-value-of-some-length', { public: false });
    const { scrub } = readOk(p);
    expect(scrub(`a s3cr3t-kube-token-value b ${p.token} c a-typed-value-of-some-length`)).toBe(
      'a [hidden:KUBE_TOKEN] b [hidden:CI_JOB_TOKEN] c [hidden:TYPED]',
    );
  });
});

describe('facts', () => {
  it('T11 the full ref comes from git_info alone', () => {
    const branch = fixture();
    expect(readOk(branch).facts.ref).toEqual({
      full: 'refs/heads/main',
      name: 'main',
      type: 'branch',
      protected: true,
    });
    setVariable(branch, 'CI_COMMIT_REF_NAME', 'other');
    setVariable(branch, 'CI_PIPELINE_SOURCE', 'merge_request_event');
    expect(readOk(branch).facts.ref.full).toBe('refs/heads/main');
    expect(readOk(fixture('release.run1.json')).facts.ref).toMatchObject({ full: 'refs/tags/v2.4.0', type: 'tag' });
    const mr = asMergeRequest(fixture());
    expect(readOk(mr).facts.ref).toEqual({
      full: 'refs/merge-requests/12/head',
      name: 'refs/merge-requests/12/head',
      type: 'merge_request',
      protected: false,
    });
    mr.git_info.refspecs = ['+refs/heads/refs/merge-requests/12/head:x'];
    expect(readOk(mr).facts.ref.full).toBe('refs/heads/refs/merge-requests/12/head');
  });

  it('T17 a trigger that only a variable names is unverified', () => {
    const p = fixture();
    expect(readOk(p).facts.trigger).toEqual({ id: 9, username: 'zoe', name: 'Zoë Müller', verified: 'payload' });
    p.job_info.user_id = null;
    expect(readOk(p).facts.trigger).toMatchObject({ id: 9, verified: 'unverified' });
  });

  it('T57 names what nobody has seen, and T7 what changes behaviour', () => {
    const p = fixture();
    addVariable(p, 'TYPED', 'x', { public: false });
    addVariable(p, 'BASH_ENV', '/x');
    const { facts } = readOk(p);
    expect(facts.blind).toEqual(['TYPED']);
    expect(facts.behaviour).toEqual(['BASH_ENV', 'FF_USE_FASTZIP', 'GIT_STRATEGY']);
  });

  it('T9 warns of a script that uses words which whoever pushes controls', () => {
    const p = fixture();
    p.steps[0].script = ['echo "${CI_COMMIT_TITLE}"', 'echo $CI_COMMIT_TITLES'];
    const { warnings } = readOk(p).facts;
    expect(warnings.filter((line) => line.includes('CI_COMMIT_TITLE'))).toHaveLength(1);
    expect(warnings.join()).toContain('steps[0].script[0] uses CI_COMMIT_TITLE');
  });

  it('say what is not covered, token hidden, and the same in the next run', () => {
    const [a, b] = [readOk(fixture()).facts.notCovered, readOk(nextRun(fixture())).facts.notCovered];
    expect(a.map((row) => row.path)).toEqual(b.map((row) => row.path));
    expect(a.find((row) => row.path === 'token')).toMatchObject({ value: null });
    expect(a.find((row) => row.path === 'git_info.sha')?.value).toBe(fixture().git_info.sha);
    expect(a.every((row) => row.reason !== '')).toBe(true);
  });

  it('fit the wire', async () => {
    const { factsSchema } = await import('../../agent/src/wire/facts.ts');
    const { toSnake } = await import('../../agent/src/wire/case.ts');
    for (const file of FILES) expect(() => factsSchema.parse(toSnake(readOk(fixture(file)).facts))).not.toThrow();
  });
});
