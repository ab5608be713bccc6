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
  /** What two cores that other tests share need; the gate takes a tenth of it on a machine of its own. */
  const MAX_MS = 4_000;
  function timed<T>(run: () => T): T {
    const before = performance.now();
    const result = run();
    expect(performance.now() - before).toBeLessThan(MAX_MS);
    return result;
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

  it('but no job is refused for large certificates and a commit message with lines under its headings', () => {
    const p = fixture();
    for (let i = 0; i < 8; i++) {
      addVariable(p, `CA_${i}`, `-----BEGIN CERTIFICATE-----${'M'.repeat(200_000)}`, { ...TYPED, file: true });
    }
    addVariable(p, 'NOTE', `Heading\n${'-'.repeat(80)}\n`.repeat(40));
    expect(read(p).ok).toBe(true);
  });
});
