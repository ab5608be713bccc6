import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { runCli } from '../support/cli.ts';

const policy = fileURLToPath(new URL('../../policy', import.meta.url));
const EXAMPLES = readdirSync(`${policy}/examples`);
/** The folder of what is shipped as the default, and those of the examples. */
const FOLDERS = ['.', ...EXAMPLES.map((name) => `examples/${name}`)];

describe.each(FOLDERS)('policy/%s', (folder) => {
  const cwd = `${policy}/${folder}`;

  it('has nothing that "policy check" complains of', async () => {
    const { exit, out } = await runCli(['policy', 'check', '--strict', 'policy.yaml'], { cwd });
    expect(out).toContain('nothing is wrong');
    expect(exit).toBe(0);
  });

  it('passes its own tests', async () => {
    const { exit, out } = await runCli(['policy', 'test', 'policy.test.yaml'], { cwd });
    expect(out).toMatch(/ 0 failed\n$/);
    expect(exit).toBe(0);
  });

  it('is completed by editors', () => {
    for (const [file, schema] of [
      ['policy.yaml', 'policy.schema.json'],
      ['policy.test.yaml', 'policy-tests.schema.json'],
    ] as const) {
      const up = folder === '.' ? '' : '../../';
      const [first] = readFileSync(`${cwd}/${file}`, 'utf8').split('\n');
      expect(first).toBe(`# yaml-language-server: $schema=${up}${schema}`);
    }
  });
});

describe('the examples', () => {
  it('are three, and the page beside them explains each', () => {
    expect(EXAMPLES.sort()).toEqual(['regulated', 'self-service', 'small-team']);
    const page = readFileSync(`${policy}/README.md`, 'utf8');
    for (const name of EXAMPLES) expect(page).toContain(`examples/${name}`);
  });
});
