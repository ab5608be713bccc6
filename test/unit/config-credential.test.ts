import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { filePath } from '../../agent/src/config/credential.ts';
import { loadConfig } from '../../agent/src/config/load.ts';

let folder: string;
let given: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'holdpoint-credential-'));
  given = join(folder, 'given');
  mkdirSync(given);
  writeFileSync(join(folder, 'principals.yaml'), 'users: []\n');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function load(file: string, env: Record<string, string> = {}) {
  writeFileSync(
    join(folder, 'agent.yml'),
    `gitlab: {url: https://gitlab.example.com, token_file: 'credential:gitlab.token'}\nprincipals: principals.yaml\nrunners: [{name: a, token_file: '${file}', protected: true}]\n`,
  );
  return loadConfig({ flags: { config: 'agent.yml' }, env, cwd: folder });
}
const credential = (name: string, text: string) => writeFileSync(join(given, name), text, { mode: 0o440 });

describe('credential:NAME in a setting that names a file', () => {
  it('is what systemd gave under that name, or the file of that name in the folder that our units hand over', () => {
    credential('holdpoint_gitlab.token', 'glpat-from-the-folder');
    credential('runner.token', 'glrt-by-itself');
    credential('holdpoint_runner.token', 'glrt-from-the-folder');
    const config = load('credential:runner.token', { CREDENTIALS_DIRECTORY: given });
    expect(config.runners[0]?.token).toBe('glrt-by-itself');
    expect(config.gitlab.tokenFile).toBe(join(given, 'holdpoint_gitlab.token'));
  });

  it('is missing where systemd gave nothing, and says which', () => {
    expect(() => load('credential:runner.token')).toThrow(/cannot read "credential:runner\.token"/);
    expect(() => load('credential:runner.token', { CREDENTIALS_DIRECTORY: given })).toThrow(/runners\[0\]\.token_file/);
  });

  it('is found by whoever runs a command by hand where our unit takes it from, and only there', () => {
    credential('runner.token', 'glrt-of-the-unit');
    credential('gitlab.token', 'glpat-of-the-unit');
    const sources = { flags: { config: 'agent.yml' }, cwd: folder };
    expect(() => load('credential:runner.token')).toThrow(/cannot read/);
    expect(loadConfig({ ...sources, env: {}, credentials: [join(folder, 'none'), given] }).runners[0]?.token).toBe(
      'glrt-of-the-unit',
    );
    // What systemd gave comes first: a process of a unit has what its unit says and nothing else.
    const empty = join(folder, 'empty');
    mkdirSync(empty);
    const ofUnit = { ...sources, env: { CREDENTIALS_DIRECTORY: empty }, credentials: [given] };
    expect(() => loadConfig(ofUnit)).toThrow(/cannot read "credential:runner\.token"/);
  });

  it.each(['../agent.yml', '..', '/etc/passwd', '', 'a b'])('does not lead out of the folder: %j', (name) => {
    expect(filePath(`credential:${name}`, folder, { CREDENTIALS_DIRECTORY: given })).toBe(join(given, 'no-such-name'));
  });

  it('leaves other paths as they are', () => {
    expect(filePath('a/b', '/etc/holdpoint', {})).toBe('/etc/holdpoint/a/b');
    expect(filePath('/a/b', '/etc/holdpoint', {})).toBe('/a/b');
  });
});
