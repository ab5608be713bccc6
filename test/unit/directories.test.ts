import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openPolicy, readPolicy } from '../../agent/src/directories/policy-file.ts';
import { openDirectory, readPrincipals } from '../../agent/src/directories/principals-file.ts';
import { accessOf } from '../../agent/src/domain/membership.ts';
import { DEFAULT_POLICY } from '../../agent/src/domain/policy.ts';
import { hubLog, manualClock } from '../support/hub-world.ts';

const file = (name: string) => readFileSync(new URL(`../../policy/${name}`, import.meta.url), 'utf8');
const problems = (read: () => unknown): string[] => {
  try {
    read();
  } catch (error) {
    return String((error as Error).message).split('\n');
  }
  return [];
};

describe('principals.yaml', () => {
  it('as shipped knows the people of the demo', () => {
    const people = readPrincipals(file('principals.yaml'), 'principals.yaml');
    expect([9, 12, 21, 22].map((id) => accessOf(people, id, 4242))).toEqual([30, 30, 40, 40]);
    expect([9, 12, 21, 22, 30].map((id) => accessOf(people, id, 4243))).toEqual([30, 30, 40, 40, 50]);
    expect(accessOf(people, 41, 4242)).toBe(0);
  });

  it('names every problem at once, each with its line', () => {
    const text = [
      'users:',
      '  - { id: 1, username: a }',
      '  - { id: 1, username: b }',
      '  - { id: 3, username: A }',
      'groups:',
      '  - { id: 5, path: acme/, members: [] }',
      '  - { id: 6, path: acme, members: [{ user: nobody, access_level: boss }] }',
      'project: []',
    ].join('\n');
    const found = problems(() => readPrincipals(text, 'p.yaml'));
    expect(found.join('\n')).toContain('p.yaml:6: groups.0.path');
    expect(found.join('\n')).toContain('boss is no access level');
    expect(found.join('\n')).toMatch(/p\.yaml:1: .*project/);
    const twice = problems(() => readPrincipals(text.split('\n').slice(0, 4).join('\n'), 'p.yaml'));
    expect(twice).toEqual(['p.yaml:3: users.1.id: 1 stands twice', 'p.yaml:4: users.2.username: A stands twice']);
    const member = problems(() =>
      readPrincipals(
        'users: []\ngroups:\n  - { id: 5, path: a, members: [{ user: nobody, access_level: 40 }] }',
        'p.yaml',
      ),
    );
    expect(member).toEqual(['p.yaml:3: groups.0.members.0.user: nobody is none of the users']);
  });

  it.each([
    ['a duplicate key', 'users: []\nusers: []'],
    ['an alias', 'users: &a []\ngroups: *a'],
    ['a broken bracket', 'users: ['],
    ['nothing', ''],
    ['a list', '- 1'],
  ])('T2 refuses %s', (_, text) => {
    expect(problems(() => readPrincipals(text, 'p.yaml')).length).toBeGreaterThan(0);
  });
});

describe('policy.yaml', () => {
  it('as shipped says what holds without it', () => {
    const { version, ...policy } = readPolicy(file('policy.yaml'), 'policy.yaml');
    const { version: _, ...shipped } = DEFAULT_POLICY;
    expect(policy).toEqual(shipped);
    expect(version).toMatch(/^sha256:[0-9a-f]{64}$/);
  });

  it('says how far scopes go and which values may pass unseen, the rest as shipped', () => {
    const text = `scopes: { inputs: { max: same_pipeline }, refs: protected }
variables: { opaque: [DEPLOY_FLAGS] }
unknown_author: allow
`;
    expect(readPolicy(text, 'p.yaml').base).toMatchObject({
      scopes: {
        inputs: { default: 'same_pipeline', environments: 'admitted', max: 'same_pipeline' },
        refs: 'protected',
      },
      opaque: ['DEPLOY_FLAGS'],
      unknownAuthor: 'allow',
    });
  });

  it('has another version with every change of its text', () => {
    expect(readPolicy('remember: 24h', 'p').version).not.toBe(readPolicy('remember: 24h ', 'p').version);
  });

  it.each([
    ['T16 no rules', 'rules: []'],
    ['T16 a rule that asks for nobody', 'rules: [{ name: x, access_level: maintainer, count: 0 }]'],
    ['T16 a rule for everybody', 'rules: [{ name: x, access_level: none, count: 1 }]'],
    ['T35 a self-approval mode that does not exist', 'self_approval: auto'],
    ['an endless wait', 'request_ttl: 9999d'],
    ['a lifetime that does not exist', 'lifetimes: { max: forever }'],
    ['T48 a class of inputs that does not exist', 'scopes: { inputs: { max: all } }'],
    ['T51 refs that do not exist', 'scopes: { refs: everything }'],
    ['an unknown key', 'auto_approve: true'],
  ])('refuses %s', (_, text) => {
    expect(problems(() => readPolicy(text, 'p.yaml'))).toHaveLength(1);
  });
});

describe('a file that changes', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'holdpoint-directory-'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  it('T19 counts at the next question; a broken one leaves the last good one and is logged', async () => {
    const path = join(folder, 'principals.yaml');
    const people = (level: string) =>
      `users: [{ id: 1, username: ada }]\nprojects: [{ id: 7, path: a/b, members: [{ user: ada, access_level: ${level} }] }]\n`;
    writeFileSync(path, people('maintainer'));
    const log = hubLog();
    const directory = openDirectory({ path, log, clock: manualClock() });
    const level = async () => (await directory.members(7))[0]?.accessLevel;
    expect(await level()).toBe(40);
    writeFileSync(path, people('guest'));
    expect(await level()).toBe(10);
    writeFileSync(path, people('emperor'));
    expect(await level()).toBe(10);
    rmSync(path);
    expect(await level()).toBe(10);
    expect(log.lines.filter((line) => line.level === 'error')).toHaveLength(2);
    writeFileSync(path, people('owner'));
    expect(await level()).toBe(50);
  });

  it('refuses to start with one that is not there or not right', () => {
    expect(() => openDirectory({ path: join(folder, 'none.yaml'), log: hubLog(), clock: manualClock() })).toThrow(
      /ENOENT/,
    );
    const path = join(folder, 'policy.yaml');
    writeFileSync(path, 'rules: 3');
    expect(() => openPolicy({ path, log: hubLog(), now: () => 0 })).toThrow(/policy\.yaml:1: rules/);
  });
});
