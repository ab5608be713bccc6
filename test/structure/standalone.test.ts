import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { VERSION } from '../../agent/src/version.ts';
import { ROOT } from '../support/source-files.ts';

const tracked = execFileSync('git', ['ls-files', '-z'], { cwd: ROOT, encoding: 'utf8' }).split('\0').filter(Boolean);

describe('the project stands alone', () => {
  it('names no place outside itself that a clone does not have', () => {
    const elsewhere = /\.\.\/shared\/|\/work\/(?:main|shared|\.library)|DESIGN(?:\.md)? §/;
    const found = tracked
      .filter((path) => path !== 'test/structure/standalone.test.ts' && !path.startsWith('test/fixtures/'))
      .filter((path) => elsewhere.test(readFileSync(join(ROOT, path), 'utf8')));
    expect(found).toEqual([]);
  });

  it('calls itself by the version of package.json', () => {
    expect(JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')).version).toBe(VERSION);
  });

  it('locks its packages by version and content, not by the address of one registry', () => {
    expect(readFileSync(join(ROOT, 'package-lock.json'), 'utf8')).not.toMatch(/"resolved"/);
  });
});
