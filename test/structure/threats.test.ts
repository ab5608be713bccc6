import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ROOT, sourceFiles } from '../support/source-files.ts';

const page = readFileSync(join(ROOT, 'agent/docs/threat-model.md'), 'utf8');
/** Each line of the page: number, text below its heading. */
const lines = page
  .split(/^### /m)
  .slice(1)
  .map((text) => ({ number: /^(T\d+)\n/.exec(text)?.[1] ?? text.slice(0, 20), text: text.split(/^## /m)[0]! }));
const tests = sourceFiles('test');
const named = new Set(tests.flatMap((file) => file.text.match(/\bT[1-9]\d?\b(?!:\d)/g) ?? []));
const field = (text: string, name: string): string | null =>
  new RegExp(`^- ${name}: (.+)$`, 'm').exec(text)?.[1] ?? null;

describe('the threat model', () => {
  it('has every number that a test names, each once', () => {
    const listed = lines.map(({ number }) => number);
    expect(new Set(listed).size).toBe(listed.length);
    expect([...named].filter((number) => !listed.includes(number))).toEqual([]);
  });

  it.each(lines)(
    '$number says what stands against it, and names tests that name it, or says why there is none yet',
    ({ number, text }) => {
      const said = field(text, 'Tests') ?? '';
      if (said.startsWith('not yet: ')) {
        expect(said.length).toBeGreaterThan('not yet: '.length + 20);
        expect(named.has(number)).toBe(false);
        return;
      }
      expect(field(text, 'Defence')?.length ?? 0).toBeGreaterThan(20);
      const files = [...said.matchAll(/`(test\/[^`]+)`/g)].map((match) => match[1]!);
      expect(files.length).toBeGreaterThan(0);
      const silent = files.filter(
        (path) => !tests.some((file) => file.path === path && new RegExp(`\\b${number}\\b`).test(file.text)),
      );
      expect(silent).toEqual([]);
    },
  );

  it('names no file of the program that is not there', () => {
    const paths = [
      ...page.matchAll(
        /`((?:runners|domain|wire|hub|link|app|stores|system|directories|config)\/[a-z0-9/-]*(?:\.ts)?)`/g,
      ),
    ];
    expect(paths.map((match) => match[1]!).filter((path) => !existsSync(join(ROOT, 'agent/src', path)))).toEqual([]);
    expect(paths.length).toBeGreaterThan(5);
  });
});
