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
