import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ROOT, sourceFiles } from '../support/source-files.ts';

const page = readFileSync(join(ROOT, 'agent/docs/threats.md'), 'utf8');
const listed = new Set([...page.matchAll(/^- \*\*(T\d+)\*\*/gm)].map((match) => match[1]));
const named = new Set(sourceFiles('test').flatMap((file) => file.text.match(/\bT[1-9]\d?\b(?!:\d)/g) ?? []));

describe('the list of threats', () => {
  it('has every number that a test names', () => {
    expect([...named].filter((number) => !listed.has(number))).toEqual([]);
  });

  it('has a test for every number that it does not set aside for later', () => {
    const later = new Set(/^Not yet: (.*)\.$/m.exec(page)?.[1]?.split(', ') ?? []);
    expect([...listed].filter((number) => !named.has(number ?? '') && !later.has(number ?? ''))).toEqual([]);
    expect([...later].filter((number) => named.has(number))).toEqual([]);
  });
});
