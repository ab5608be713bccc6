import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { codeQualityReport, junitReport, type Located } from '../../agent/src/cli/check-reports.ts';
import { declaredJobs, linesOfJobs, readMergedYaml } from '../../agent/src/runners/gitlab/yaml/ci-yaml.ts';
import type { CheckedJobView } from '../../agent/src/wire/check.ts';

const job = (name: string, expect: CheckedJobView['expect'], more: Partial<CheckedJobView> = {}): CheckedJobView => ({
  job: name,
  environment: null,
  expect,
  why: 'one script line changed',
  approval: 3,
  changes: [],
  approvers: [{ words: 'maintainers', people: ['maria'] }],
  unknown: [],
  ...more,
});
const located = (of: CheckedJobView, line = 7): Located => ({
  job: of,
  stops: of.expect === 'waits' || of.expect === 'refused',
  path: '.gitlab-ci.yml',
  line,
});
const change = {
  section: 'script' as const,
  path: 'steps[0].script[0]',
  kind: 'changed' as const,
  before: 'echo "a" < b',
  after: 'echo \u0007]]> & c',
  words: 'line 1 changed',
};

describe('the reports of holdpoint check', () => {
  it('are JUnit as GitLab reads it: a failed case for what waits, a skipped one for what is not known', () => {
    const report = junitReport([
      located(job('build', 'passes')),
      located(job('deploy "x"', 'waits', { changes: [change] })),
      located(job('lint', 'unseen')),
    ]);
    expect(report).toBe(`<?xml version="1.0" encoding="UTF-8"?>
<testsuites>
  <testsuite name="holdpoint check" tests="3" failures="1" errors="0" skipped="1" time="0">
    <testcase classname="holdpoint check" name="build" file=".gitlab-ci.yml" time="0"/>
    <testcase classname="holdpoint check" name="deploy &quot;x&quot;" file=".gitlab-ci.yml" time="0">
      <failure message="waits: one script line changed">waits: one script line changed
Script
  steps[0].script[0]: line 1 changed
    - echo &quot;a&quot; &lt; b
    + echo ⟨U+0007⟩]]&gt; &amp; c
who can approve: maintainers: maria
compared with approval 3</failure>
    </testcase>
    <testcase classname="holdpoint check" name="lint" file=".gitlab-ci.yml" time="0">
      <skipped message="unseen: one script line changed"/>
    </testcase>
  </testsuite>
</testsuites>
`);
  });

  it('have the members that GitLab asks of a code quality report, a fingerprint that a moved line does not change', () => {
    const finding = z.strictObject({
      description: z.string().min(1),
      check_name: z.string().min(1),
      fingerprint: z.string().regex(/^[0-9a-f]{64}$/),
      severity: z.enum(['info', 'minor', 'major', 'critical', 'blocker']),
      location: z.strictObject({
        path: z.string().regex(/^[^/]/),
        lines: z.strictObject({ begin: z.number().int().positive() }),
      }),
    });
    const read = (...jobs: Located[]) => z.array(finding).parse(JSON.parse(codeQualityReport(jobs)));
    const all = [job('build', 'passes'), job('deploy', 'waits', { changes: [change] }), job('old', 'refused')];
    const found = read(...all.map((each) => located(each)));
    expect(found.map(({ check_name, severity, location }) => [check_name, severity, location.lines.begin])).toEqual([
      ['holdpoint-waits', 'major', 7],
      ['holdpoint-refused', 'critical', 7],
    ]);
    expect(read(located(all[1]!, 70))[0]?.fingerprint).toBe(found[0]?.fingerprint);
    expect(read(located(job('deploy', 'waits')))[0]?.fingerprint).not.toBe(found[0]?.fingerprint);
    expect(codeQualityReport([located(all[0]!)])).toBe('[]\n');
  });

  it('stand at the line of the job, and of the one that parallel makes it of', () => {
    const lines = linesOfJobs('stages: [a]\n\n# the first\nbuild:\n  script: x\n"deploy: it":\n  script: y\n');
    expect([lines.get('build'), lines.get('deploy: it'), lines.get('stages')]).toEqual([4, 6, 1]);
    expect(linesOfJobs('a: [').size).toBeLessThan(2);
  });
});

describe('a merged YAML', () => {
  const read = (yaml: string) => declaredJobs(readMergedYaml(yaml, 'merged.yml'), null);

  it('has the jobs that a runner can get, with the names that parallel gives them', () => {
    const jobs = read(`
default: { image: node:24, tags: [docker] }
variables: { A: 1, B: { value: two, description: of no use } }
.hidden: { script: x }
bridge: { trigger: other/project }
many: { script: x, parallel: 2 }
matrix: { script: [[a, [b]], c], parallel: { matrix: [{ OS: [linux, mac], ARCH: arm }] }, inherit: { variables: [B] } }
bare: { script: x, inherit: { default: false, variables: false } }
`);
    expect(jobs.map(({ name }) => name)).toEqual([
      'many 1/2',
      'many 2/2',
      'matrix: [linux, arm]',
      'matrix: [mac, arm]',
      'bare',
    ]);
    const [many, , matrix, , bare] = jobs;
    expect(many?.variables).toEqual([
      { key: 'A', value: '1', raw: false },
      { key: 'B', value: 'two', raw: false },
    ]);
    expect(matrix?.variables.map(({ key, value }) => `${key}=${value}`)).toEqual(['B=two', 'OS=linux', 'ARCH=arm']);
    expect(matrix?.script).toEqual(['a', 'b', 'c']);
    expect([bare?.image, bare?.tags, bare?.variables]).toEqual([null, [], []]);
  });

  it('is read with the symbols of older servers and with the parts that Ruby writes once', () => {
    const [job] = read('---\n:build:\n  :script: &1\n  - a\n  - b\n  :after_script: *1\n');
    expect([job?.name, job?.script, job?.afterScript]).toEqual(['build', ['a', 'b'], ['a', 'b']]);
  });

  it('that is none is told as that, and one that would fill the memory is not read', () => {
    expect(() => read('a: [')).toThrow('merged.yml is not YAML');
    expect(() => read('- a')).toThrow('merged.yml has no jobs');
    const bomb = Array.from({ length: 9 }, (_, i) => `a${i + 1}: &a${i + 1} [${Array(9).fill(`*a${i}`).join(', ')}]`);
    expect(() => read(`a0: &a0 [x]\n${bomb.join('\n')}\n`)).toThrow('merged.yml is not YAML');
  });
});
