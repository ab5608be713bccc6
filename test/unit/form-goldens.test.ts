import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { canonicalJson } from '../../agent/src/domain/canonical-json.ts';
import { digestOf, digestOfText } from '../../agent/src/domain/digest.ts';
import type { JsonObject } from '../../agent/src/domain/json.ts';
import { fixtureText, read, readOk } from './form/payload.ts';

const GOLDENS = new URL('../fixtures/configurations/v1/', import.meta.url);

interface Golden {
  /** A file of test/fixtures/gitlab, or the text of a payload of its own. */
  payload: { fixture: string } | { text: string };
  digest: string;
  canonical: string;
}

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');
const bytesOf = (file: string) => readFileSync(new URL(file, GOLDENS));
const golden = (file: string) => JSON.parse(bytesOf(file).toString('utf8')) as Golden;
const index = () =>
  bytesOf('index.sha256')
    .toString('utf8')
    .trim()
    .split('\n')
    .map((line) => line.split('  ') as [string, string]);

/** Hash of the index as of each golden that was added, oldest first: lines are appended to it, and here, never changed. */
const HISTORY: readonly { readonly lines: number; readonly sha256: string }[] = [
  { lines: 13, sha256: '758c273a399461c900f215de9e939d025b85c86dcff310785384a249bae0b4f6' },
];

describe('golden digests of form v1', () => {
  for (const [, file] of index()) {
    it(`${file} has the digest it always had`, () => {
      const { payload, digest, canonical } = golden(file);
      const reading = readOk('fixture' in payload ? fixtureText(payload.fixture) : payload.text);
      expect(reading.canonical).toBe(canonical);
      expect(reading.digest).toBe(digest);
      expect(digestOfText(canonical)).toBe(digest);
      expect(digestOf(JSON.parse(canonical) as JsonObject)).toBe(digest);
      expect(canonicalJson(reading.configuration)).toBe(canonical);
    });
  }

  it('are append-only: none is changed, removed, or left out of the index', () => {
    const files = readdirSync(GOLDENS).filter((file) => file.endsWith('.json'));
    expect(
      index()
        .map(([, file]) => file)
        .sort(),
    ).toEqual(files.sort());
    for (const [hash, file] of index()) expect(sha256(bytesOf(file)), file).toBe(hash);
    const lines = bytesOf('index.sha256').toString('utf8').split('\n');
    for (const then of HISTORY) {
      expect(sha256(Buffer.from(`${lines.slice(0, then.lines).join('\n')}\n`)), `the first ${then.lines} lines`).toBe(
        then.sha256,
      );
    }
    expect(index().length).toBe(HISTORY.at(-1)?.lines);
  });
});

describe('the version of the form', () => {
  it('T4 stands in the text, and the digest says its algorithm: nothing older or weaker is ever computed', () => {
    for (const [, file] of index()) {
      const { canonical, digest } = golden(file);
      expect((JSON.parse(canonical) as { form: string }).form).toBe('holdpoint.configuration/v1');
      expect(digest).toMatch(/^sha256:[0-9a-f]{64}$/);
    }
  });

  it('T4 cannot be brought by a payload', () => {
    const text = fixtureText('build-image.run1.json').replace('{', '{"form":"holdpoint.configuration/v1",');
    expect(read(text)).toMatchObject({ ok: false, path: 'form' });
  });
});

describe('the pairs of fixtures', () => {
  for (const pair of ['build-image', 'deploy-production', 'release', 'test-unit']) {
    it(`${pair}: two runs have one digest`, () => {
      const [first, second] = [readOk(fixtureText(`${pair}.run1.json`)), readOk(fixtureText(`${pair}.run2.json`))];
      expect(second.canonical).toBe(first.canonical);
      expect(second.digest).toBe(first.digest);
    });
  }

  it('a changed script has another digest', () => {
    const changed = readOk(fixtureText('deploy-production.changed-script.json'));
    expect(changed.digest).not.toBe(readOk(fixtureText('deploy-production.run1.json')).digest);
  });

  it('T50 without the key set the id tokens of a release are ordinary values, and its runs differ', () => {
    const without = { verifyIdToken: () => null };
    const runs = ['release.run1.json', 'release.run2.json'].map((file) => readOk(fixtureText(file), without).digest);
    expect(runs[0]).not.toBe(runs[1]);
  });

  it('the reading is the same every time', () => {
    const text = fixtureText('release.run1.json');
    expect(JSON.stringify(read(text))).toBe(JSON.stringify(read(text)));
  });
});
