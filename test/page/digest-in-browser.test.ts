import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Browser } from 'playwright-core';
import { build } from 'vite';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Json } from '../../agent/src/domain/json.ts';
import { readPayload } from '../../agent/src/runners/gitlab/configuration.ts';
import { jwksVerifier } from '../../agent/src/runners/gitlab/id-tokens.ts';
import { openBrowser } from '../support/page/browser.ts';
import type { DigestAnswer, DigestTask } from './digest-entry.ts';

const FIXTURES = new URL('../fixtures/gitlab/', import.meta.url);
const GOLDENS = new URL('../fixtures/configurations/v1/', import.meta.url);
const VARIABLE_KEY = Array.from({ length: 32 }, () => 7);
async function bundle(): Promise<string> {
  const entry = fileURLToPath(new URL('./digest-entry.ts', import.meta.url));
  const made = await build({
    configFile: false,
    logLevel: 'error',
    root: fileURLToPath(new URL('.', import.meta.url)),
    build: { write: false, minify: false, lib: { entry, formats: ['iife'], name: 'holdpoint' } },
  });
  const [output] = Array.isArray(made) ? made : [made];
  if (output === undefined || !('output' in output)) throw new Error('the bundler made nothing');
  return output.output[0].code;
}

/** Every payload of the project, and the digest that Node computes of it. */
function tasks(): readonly { name: string; task: DigestTask; digest: string; canonical: string }[] {
  const verify = jwksVerifier(JSON.parse(readFileSync(new URL('jwks.json', FIXTURES), 'utf8')));
  const texts = [
    ...readdirSync(FIXTURES)
      .filter((file) => file !== 'jwks.json')
      .map((file) => ({ name: file, text: readFileSync(new URL(file, FIXTURES), 'utf8') })),
    ...readdirSync(GOLDENS)
      .filter((file) => file.endsWith('.json'))
      .map((file) => ({ name: `golden ${file}`, golden: JSON.parse(readFileSync(new URL(file, GOLDENS), 'utf8')) }))
      .flatMap(({ name, golden }) =>
        golden.payload.text === undefined ? [] : [{ name, text: String(golden.payload.text) }],
      ),
  ];
  return texts.map(({ name, text }) => {
    const claims: Record<string, Record<string, Json>> = {};
    const reading = readPayload(new TextEncoder().encode(text), {
      instance: '',
      runner: '',
      variableKey: Uint8Array.from(VARIABLE_KEY),
      verifyIdToken: (jwt) => {
        const verified = verify(jwt);
        if (verified !== null) claims[jwt] = verified;
        return verified;
      },
    });
    if (!reading.ok) throw new Error(`${name}: ${reading.path}: ${reading.reason}`);
    const task = { payload: text, variableKey: VARIABLE_KEY, claims };
    return { name, task, digest: reading.digest, canonical: reading.canonical };
  });
}

describe('the digest in a browser', () => {
  let browser: Browser | undefined;
  let code = '';

  beforeAll(async () => {
    code = await bundle();
    browser = await openBrowser();
  }, 60_000);

  afterAll(async () => {
    await browser?.close();
  });

  it('is the same as in Node, of every payload of the project', async () => {
    const page = await browser!.newPage();
    await page.setContent('<!doctype html><title>digest</title>');
    await page.addScriptTag({ content: code });
    const all = tasks();
    expect(all.length).toBeGreaterThan(15);
    for (const { name, task, digest, canonical } of all) {
      const answer = await page.evaluate(
        (text: string): DigestAnswer =>
          (globalThis as unknown as { answerDigestTask(task: unknown): DigestAnswer }).answerDigestTask(
            JSON.parse(text),
          ),
        JSON.stringify(task),
      );
      expect(answer, name).toEqual({ read: digest, shown: digest, canonical });
    }
  }, 60_000);

  it('takes no module of Node into the page', () => {
    expect(code).not.toMatch(/node:|\brequire\(|__vite-browser-external/);
  });
});
