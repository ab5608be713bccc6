import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { policyParts } from '../../agent/src/directories/policy-parts.ts';
import { diffConfigurations } from '../../agent/src/domain/configuration-diff.ts';
import { type CoveredFile, filesSection, filesSectionOf } from '../../agent/src/domain/covered-files.ts';
import { digestOf } from '../../agent/src/domain/digest.ts';
import { fileMatcher, filePatternProblem } from '../../agent/src/domain/file-patterns.ts';
import type { JsonObject } from '../../agent/src/domain/json.ts';
import { DEFAULT_POLICY, effectivePolicy } from '../../agent/src/domain/policy.ts';
import { policyProblems } from '../../agent/src/domain/policy-problems.ts';
import { riskFlags } from '../../agent/src/domain/risk-flags.ts';
import { isRunOnly } from '../../agent/src/domain/run-only.ts';
import { hasSections, missingSections, withSections } from '../../agent/src/domain/sections.ts';
import { fieldProblem } from '../../agent/src/domain/tolerate.ts';
import { readPayload } from '../../agent/src/runners/gitlab/configuration.ts';
import { fixture } from '../support/gate.ts';
import { configurationFor, factsFor, hubWorld, policyWith, requestFor } from '../support/hub-world.ts';

const SHA = '5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03'; // of "hello\n"
const file = (path: string, more: object = {}): CoveredFile =>
  ({ kind: 'file', path, executable: false, sha256: SHA, bytes: 6, text: 'hello\n', ...more }) as CoveredFile;
const target = {
  ...{ projectId: 1, projectPath: 'acme/api', job: 'deploy', ref: 'refs/heads/main' },
  ...{ refProtected: true, environment: null },
};
const covers = (patterns: readonly string[]) => ({ files: patterns, images: 'off' as const, registries: [] });
const base = configurationFor(['sh deploy.sh']);
const plain = { configuration: base, digest: digestOf(base) };
const withFiles = (patterns: readonly string[], files: readonly CoveredFile[]) =>
  withSections(plain, { files: filesSection(patterns, { ok: true, files }) });

describe('patterns of files', () => {
  it.each([
    ['deploy.sh', ['deploy.sh', 'DEPLOY.SH'], ['x/deploy.sh', 'deploy.sh.bak', 'deploy.shx']],
    ['ansible/**', ['ansible/a', 'ansible/b/c.yml', 'ansible', 'Ansible/x'], ['ansible2/a', 'x/ansible/a']],
    ['**/*.sh', ['a.sh', 'b/c/d.sh'], ['a.sh/b', 'a.shx']],
    ['a/*/c', ['a/b/c'], ['a/c', 'a/b/d/c']],
    ['a/**/z', ['a/z', 'a/b/z', 'a/b/c/z'], ['a/b', 'z']],
    ['bin/*', ['bin/x', 'bin/.hidden'], ['bin/x/y']],
    ['ärger/*', ['a\u0308rger/x', 'ÄRGER/x'], ['arger/x']],
  ])('%s means %j and not %j', (pattern, means, not) => {
    const { matches } = fileMatcher([pattern]);
    expect(means.filter((path) => !matches(path))).toEqual([]);
    expect(not.filter(matches)).toEqual([]);
  });

  it.each(['', '/etc/passwd', '../x', 'a/./b', 'a//b', 'a/', 'a\\b', 'a\nb', 'a**', '**b/c', 'x'.repeat(256)])(
    'refuse %j in words',
    (pattern) => expect(filePatternProblem(pattern)).not.toBeNull(),
  );

  it('T5 lead through whatever could stand in place of a folder', () => {
    const { leadsTo } = fileMatcher(['scripts/deploy/run.sh', '**/x.sh']);
    expect(leadsTo('scripts')).toBe(true);
    expect(leadsTo('scripts/deploy')).toBe(true);
    expect(fileMatcher(['scripts/deploy/run.sh']).leadsTo('script')).toBe(false);
    expect(leadsTo('anything')).toBe(true);
  });

  it('T30 are matched in time that does not explode', () => {
    const { matches } = fileMatcher([`${'**/a/'.repeat(40)}b`]);
    const began = performance.now();
    expect(matches(`${'a/'.repeat(2_000)}c`)).toBe(false);
    expect(performance.now() - began).toBeLessThan(2_000);
  });
});

describe('the section of covered files', () => {
  it('T1 moves the digest with every part of every file, and with a pattern that nothing matches', () => {
    const one = ['deploy.sh'];
    const digests = [
      plain,
      withFiles(one, []),
      withFiles([...one, 'more/**'], []),
      withFiles(one, [file('deploy.sh')]),
      withFiles(one, [file('Deploy.sh')]),
      withFiles(one, [file('deploy.sh', { executable: true })]),
      withFiles(one, [file('deploy.sh', { sha256: '0'.repeat(64), text: null })]),
      withFiles(one, [{ kind: 'link', path: 'deploy.sh', target: 'hello\n' }]),
      withFiles(one, [{ kind: 'submodule', path: 'deploy.sh', commit: 'a'.repeat(40) }]),
      withSections(plain, { files: filesSection(one, { ok: false, retry: false, reason: 'x' }) }),
    ].map(({ digest }) => digest);
    expect(new Set(digests).size).toBe(digests.length);
    expect(withFiles(['b', 'a', 'b'], [file('b'), file('a')])).toEqual(withFiles(['a', 'b'], [file('a'), file('b')]));
  });

  it('T2 is read back as it was written, whatever the files are called and hold', () => {
    const name = fc
      .string({ unit: 'grapheme', minLength: 1, maxLength: 20 })
      .filter((text) => !/\p{Surrogate}/u.test(text));
    fc.assert(
      fc.property(fc.uniqueArray(name, { maxLength: 8 }), (paths) => {
        const section = filesSectionOf(
          withFiles(
            ['**'],
            paths.map((path) => file(path)),
          ).configuration,
        );
        expect(section?.files?.map(({ path }) => path)).toEqual([...paths].sort());
      }),
    );
  });

  it('T2 is none where it is not exactly as it is written, where lines are not those of the SHA-256, or where a payload brings it', () => {
    const good = withFiles(['a'], [file('a')]).configuration;
    expect(hasSections(good, covers(['a']))).toBe(true);
    expect(hasSections(good, covers([]))).toBe(false);
    expect(hasSections(good, covers(['a', 'b']))).toBe(false);
    expect(hasSections(base, covers(['a']))).toBe(false);
    const section = good.covered_files as JsonObject;
    const [entry] = section.files as JsonObject[];
    const bad: JsonObject[] = [
      { ...section, form: 'holdpoint.covered-files/v2' },
      { ...section, more: 1 },
      { ...section, files: [entry!, entry!] },
      { ...section, files: [{ ...entry!, lines: ['hello', ''], mode: '100664' }] },
      { ...section, files: [{ ...entry!, lines: ['other', ''] }] },
      { ...section, files: [{ ...entry!, hidden: true }] },
    ];
    for (const covered_files of bad) expect(hasSections({ ...base, covered_files }, covers(['a']))).toBe(false);
    for (const name of ['covered_files', 'Covered_Files', 'pinned_images']) {
      const text = fixture('deploy-production.run1').replace('{', `{"${name}":{"form":"x"},`);
      const options = { instance: '', runner: '', variableKey: new Uint8Array(32), verifyIdToken: () => null };
      expect(readPayload(Buffer.from(text), options)).toMatchObject({ ok: false, code: 'payload_refused' });
    }
  });

  it('T32 shows no text of many files when some would be cut, and none that is no text', () => {
    const large = Array.from({ length: 20 }, (_, i) => file(`f${i}`, { bytes: 60_000 }));
    const section = filesSectionOf(withFiles(['*'], large).configuration);
    expect(section?.files?.every((one) => one.lines === undefined)).toBe(true);
  });

  it('T33 a change is told by file and line, added and removed files whole', () => {
    const before = withFiles(['*'], [file('gone.sh'), file('deploy.sh', { text: 'a\nb\n' })]).configuration;
    const after = withFiles(['*'], [file('deploy.sh', { text: 'a\nc\n' })]).configuration;
    const changes = diffConfigurations(before, after);
    expect(changes.every(({ section }) => section === 'files')).toBe(true);
    expect(
      changes.filter(({ path }) => path.includes('lines')).map(({ words, before: was, after: is }) => [words, was, is]),
    ).toEqual([
      ['line 2 of deploy.sh changed', 'b', 'c'],
      ['line 1 of gone.sh removed', 'hello', null],
      ['line 2 of gone.sh removed', '', null],
    ]);
  });

  it('T5 a fetched script in a covered file, a link to what no pattern covers and files nobody could read are flagged', () => {
    const flags = (after: JsonObject) => {
      const facts = factsFor({ id: 1 });
      const more = { approvedFor: null, isRevoked: false, inputs: 'admitted', isFirstTimeAuthor: null } as const;
      return riskFlags({ before: base, after, facts, ...more }).map(({ risk }) => risk);
    };
    const fetches = file('deploy.sh', { text: 'curl https://x.example | sh\n' });
    expect(flags(withFiles(['*'], [fetches]).configuration)).toContain('pipe_to_shell');
    const link: CoveredFile = { kind: 'link', path: 'bin/run', target: '../lib/run' };
    expect(flags(withFiles(['bin/*'], [link]).configuration)).toContain('file_leads_elsewhere');
    expect(flags(withFiles(['**'], [link, file('lib/run')]).configuration)).not.toContain('file_leads_elsewhere');
    const unread = withSections(plain, { files: filesSection(['*'], { ok: false, retry: false, reason: 'x' }) });
    expect(flags(unread.configuration)).toContain('files_unread');
    expect(isRunOnly(unread.configuration)).toBe(true);
    expect(isRunOnly(withFiles(['*'], []).configuration)).toBe(false);
  });
});

describe('the policy and covered files', () => {
  it('T48 lets no approval take in artifacts of jobs that nobody approved, and says so where the file allows more', () => {
    const policy = { ...DEFAULT_POLICY, base: { ...DEFAULT_POLICY.base, coveredFiles: ['deploy.sh'] } };
    expect(effectivePolicy(policy, target).scopes.inputs).toEqual({
      ...{ default: 'admitted', environments: 'admitted', max: 'admitted' },
    });
    const { readPolicy } = policyParts;
    const read = readPolicy('covered_files: [a]\nscopes: { inputs: { max: any } }\n', 'policy.yaml');
    const said = ['covered_files', 'scopes', 'scopes.inputs', 'scopes.inputs.max'];
    const problems = policyProblems(read, { has: (path) => said.includes(path.join('.')), principals: null, now: 0 });
    expect(problems.map(({ severity, path }) => [severity, path.join('.')])).toEqual([['error', 'scopes.inputs.max']]);
    expect(() => readPolicy('covered_files: [../x]\n', 'policy.yaml')).toThrow(/no path from the root/);
  });

  it('T56 no tolerance reaches a section', () => {
    for (const path of [
      'covered_files',
      'covered_files.files[].sha256',
      'pinned_images.images[].digest',
      'pinned_images',
    ])
      expect(fieldProblem(path)).not.toBeNull();
  });

  it('T30 an agent that cannot cover files has its jobs held with the reason, and one that can is told what to cover', async () => {
    const world = await hubWorld();
    try {
      await world.admit({ id: 1, pipeline: 1 });
      await world.approve('maria', 1);
      world.policy = policyWith({ coveredFiles: ['deploy.sh'] }, 'covers');
      const old = await world.admit({ id: 2, pipeline: 2 });
      expect(old.outcome).toBe('hold');
      expect(old.note).toContain('the policy covers files of the repository (deploy.sh)');
      const { admit } = await import('../../agent/src/app/admit.ts');
      const request = requestFor({ id: 3, pipeline: 3 });
      const told = await admit(world.context, 'agent-a', { ...request, covers: true });
      expect(told).toMatchObject({
        outcome: 'sections',
        sections: { files: ['deploy.sh'], images: 'off', registries: [] },
      });
      expect(await world.store.holdOfJob('https://gitlab.example.com', 4242, 3)).toBeNull();
      const configuration = {
        ...request.configuration,
        covered_files: filesSection(['deploy.sh'], { ok: true, files: [] }),
      };
      const asked = { ...request, configuration, digest: digestOf(configuration), covers: true };
      expect((await admit(world.context, 'agent-a', asked)).outcome).toBe('hold');
      expect(missingSections(configuration, covers(['other']))).toContain('run the job again');
    } finally {
      await world.store.close();
    }
  });
});
