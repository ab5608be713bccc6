import { createHash } from 'node:crypto';
import { canonicalJson } from '../../agent/src/domain/canonical-json.ts';
import { digestOfText } from '../../agent/src/domain/digest.ts';
import { readStrictJson } from '../../agent/src/domain/strict-json.ts';
import { readPayload } from '../../agent/src/runners/gitlab/configuration.ts';
import { PAYLOAD } from '../../agent/src/runners/gitlab/fields.ts';
import { formOf } from '../../agent/src/runners/gitlab/form.ts';
import { jwksVerifier } from '../../agent/src/runners/gitlab/id-tokens.ts';
import { digits, microseconds, times } from './measure.ts';
import { fixtureText, grown } from './payload.ts';
import { type Aim, atMost, type Section } from './report.ts';

const KB = 1_000;
const OPTIONS = {
  instance: 'https://gitlab.example.com',
  runner: 'bench',
  variableKey: new Uint8Array(32).fill(7),
  verifyIdToken: jwksVerifier(JSON.parse(fixtureText('jwks.json'))),
};

function nativeSha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

/** What reading a payload costs, step by step, against the least that any program would have to do with it. */
function stepsOf(text: string) {
  const bytes = Buffer.from(text);
  const strict = () => {
    const read = readStrictJson(bytes, PAYLOAD);
    if (!read.ok) throw new Error(`${read.path}: ${read.reason}`);
    return read.value;
  };
  const value = strict();
  const { configuration } = formOf(value, OPTIONS);
  const canonical = canonicalJson(configuration);
  return microseconds({
    floor: () => nativeSha256(JSON.stringify(JSON.parse(bytes.toString()))),
    whole: () => {
      const read = readPayload(bytes, OPTIONS);
      if (!read.ok) throw new Error(`${read.path}: ${read.reason}`);
      return read.digest;
    },
    digest: () => digestOfText(canonicalJson(formOf(strict(), OPTIONS).configuration)),
    native: () => nativeSha256(canonicalJson(formOf(strict(), OPTIONS).configuration)),
    parse: () => JSON.parse(bytes.toString()),
    strict,
    form: () => formOf(value, OPTIONS),
    text: () => canonicalJson(configuration),
    noble: () => digestOfText(canonical),
    sha: () => nativeSha256(canonical),
  });
}

/** Strict read, form and digest of payloads. */
export async function benchForm(): Promise<Section> {
  const files = ['test-unit', 'build-image', 'deploy-production', 'release'];
  const payloads: [string, string][] = files.map((name) => [name, fixtureText(`${name}.run1.json`)]);
  payloads.push(['20 KB', JSON.stringify(grown('test-unit.run1.json', 20 * KB))]);
  payloads.push(['200 KB', JSON.stringify(grown('test-unit.run1.json', 200 * KB))]);
  const ratios: string[][] = [];
  const steps: string[][] = [];
  const aims: Aim[] = [];
  for (const [name, text] of payloads) {
    const us = stepsOf(text);
    const label = `${name} (${digits(Buffer.byteLength(text) / KB)} KB)`;
    ratios.push([
      label,
      digits(us.floor),
      digits(us.digest),
      times(us.digest / us.floor),
      times(us.native / us.floor),
      digits(us.whole),
      times(us.whole / us.floor),
    ]);
    steps.push([label, ...[us.parse, us.strict, us.form, us.text, us.noble, us.sha].map(digits)]);
    if (name === '20 KB')
      aims.push(atMost('read + form + digest of 20 KB against the floor', 3.5, us.digest / us.floor, times));
  }
  return {
    title: 'Reading a payload: strict read, canonical form, digest',
    about:
      'Microseconds of processor time (the collection of garbage included), medians of rounds in turns. Floor: `JSON.parse` + `JSON.stringify` + native SHA-256 of the same bytes, which checks nothing and leaves nothing out. ' +
      'Read + form + digest is what an approval rests on, with fast-json-stable-stringify and @noble/hashes (the same code hashes in a browser); the whole reading also makes the facts and takes secrets out of them.',
    tables: [
      {
        caption: 'Against the floor:',
        head: [
          'payload',
          'floor µs',
          'read + form + digest µs',
          '… of floor',
          '… with native SHA-256',
          'whole reading µs',
          '… of floor',
        ],
        rows: ratios,
      },
      {
        caption: 'Step by step, µs:',
        head: ['payload', 'JSON.parse', 'strict read', 'form', 'canonical text', 'SHA-256 @noble', 'SHA-256 native'],
        rows: steps,
      },
    ],
    aims,
    notes: [],
  };
}
