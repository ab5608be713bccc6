import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { runCli } from '../support/cli.ts';
import { ROOT } from '../support/source-files.ts';

const PEOPLE = `
users:
  - { id: 1, username: ada }
  - { id: 2, username: ben }
  - { id: 3, username: cleo }
groups:
  - { id: 11, path: acme/qa, members: [{ user: cleo, access_level: reporter }] }
projects:
  - { id: 21, path: acme/shop, members: [{ user: ada, access_level: maintainer }, { user: ben, access_level: maintainer }] }
  - { id: 22, path: acme/lone, members: [{ user: ada, access_level: maintainer }] }
`;

let cwd: string;
beforeEach(() => {
  cwd = mkdtempSync(join(tmpdir(), 'holdpoint-policy-'));
  writeFileSync(join(cwd, 'principals.yaml'), PEOPLE);
});
afterEach(() => rmSync(cwd, { recursive: true }));

/** What `policy check` says of a text, a line each. */
async function check(text: string, ...flags: string[]): Promise<{ exit: number; lines: string[] }> {
  writeFileSync(join(cwd, 'p.yaml'), text);
  const { exit, out } = await runCli(['policy', 'check', 'p.yaml', ...flags], { cwd });
  return { exit, lines: out.trimEnd().split('\n') };
}

describe('policy check', () => {
  it('names every problem of the form at once, with path and line, and exits with 2', async () => {
    const { exit, lines } = await check(
      'rules: []\nself_approval: sometimes\nfreeze:\n  - { name: x, time_zone: Mars/Olympus, daily: [{ from: "25:00", to: "06:00" }] }\n',
    );
    expect(exit).toBe(2);
    expect(lines.join('\n')).toMatch(/p\.yaml:1: error: rules: /);
    expect(lines.join('\n')).toMatch(/p\.yaml:2: error: self_approval: /);
    expect(lines.join('\n')).toContain('p.yaml:4: error: freeze.0.time_zone: Mars/Olympus is no time zone');
    expect(lines.join('\n')).toContain('25:00 is no time');
  });

  it.each([
    [
      'a default above its limit',
      'lifetimes: { default: 60d, max: 30d }',
      'p.yaml:1: error: lifetimes.max: is below lifetimes.default',
    ],
    [
      'inputs whose default is above their limit',
      'scopes: { inputs: { default: any, max: admitted } }',
      'error: scopes.inputs.max: is below',
    ],
    [
      'an entry that is never reached',
      'configurations:\n  - { name: a, match: { projects: [acme/*] }, comment: required }\n  - { name: b, match: { projects: [acme/shop], jobs: [deploy] }, comment: optional }',
      'p.yaml:3: error: configurations[1]: is never reached: a before it decides all that it says',
    ],
    ['an entry that says nothing', 'configurations: [{ name: a, match: {} }]', 'configurations[0]: says nothing'],
    [
      'a pattern over events that nothing fits',
      'notify: { routes: [{ name: a, channels: [x], events: [reviews_*] }] }',
      'p.yaml:1: error: notify.routes.0.events.0: reviews_* fits no event',
    ],
    [
      'somebody to be told whom nobody knows',
      'notify:\n  escalations: [{ name: a, after: 1h, channels: [x], also: [ada, zed] }]',
      'p.yaml:2: error: notify.escalations[0].also[1]: names zed: there is no such person',
    ],
    [
      'two entries of one name',
      'configurations: [{ name: a, match: {}, remember: 1d }, { name: a, match: {}, comment: required }]',
      'a stands twice',
    ],
    [
      'a group that nobody has',
      'rules: [{ name: sec, group: acme/security }]',
      'error: rules[0]: names the group acme/security: there is none',
    ],
    [
      'a person whom nobody knows',
      'rules: [{ name: boss, user: dora }]',
      'error: rules[0]: names dora: there is no such person',
    ],
    [
      'a rule that nobody can satisfy',
      'rules: [{ name: qa, group: acme/qa, count: 2 }]',
      'error: rules: nobody can satisfy 2 × qa (members of acme/qa) in acme/shop, acme/lone',
    ],
    [
      'rules that only one person could satisfy, who cannot be two',
      'rules: [{ name: a, user: ada }, { name: b, user: ada }]',
      'error: rules: nobody can satisfy',
    ],
    [
      'a freeze that never ends',
      'freeze: [{ name: x, time_zone: UTC, daily: [{ from: "00:00", to: "00:00" }] }]',
      'error: freeze[0]: never ends',
    ],
    ['a freeze without a time', 'freeze: [{ name: x, time_zone: UTC }]', 'says no time'],
    [
      'a span that ends before it begins',
      'freeze: [{ name: x, time_zone: UTC, dates: [{ from: 2026-12-02, to: 2026-12-01 }] }]',
      'ends before it begins',
    ],
    [
      'rules without the mode that needs them',
      'freeze: [{ name: x, time_zone: UTC, daily: [{ from: "01:00", to: "02:00" }], rules: [{ name: q, group: acme/qa }] }]',
      'rules stand with mode: extra_approval',
    ],
    ['an emergency of a week', 'break_glass: { for: 7d }', 'at most 1d'],
    ['a time-out below its least', 'timeout: { min: 2h, max: 1h }', 'min is above max'],
  ])('refuses %s', async (_, text, wanted) => {
    const { exit, lines } = await check(`${text}\n`);
    expect(lines.join('\n')).toContain(wanted);
    expect(exit).toBe(2);
  });

  it.each([
    [
      'T20 rules that a job gets by its name',
      'configurations: [{ name: lint, match: { jobs: [lint*] }, rules: [{ name: d, access_level: developer }] }]',
      'asks for less (rules) by names of jobs: whoever pushes chooses them',
    ],
    [
      'T20 a tolerance that a job gets by its environment',
      'configurations: [{ name: e, match: { environments: [review/*] }, self_approval: allow }]',
      'asks for less (self_approval) by names of environments',
    ],
    [
      'T35 less for refs that anybody may make',
      'configurations: [{ name: e, match: { refs: [refs/heads/*] }, lifetimes: { environments: standing } }]',
      'asks for less (lifetimes) by refs that are not protected',
    ],
    [
      'T20 an exception from a freeze by the name of a job',
      'freeze: [{ name: x, time_zone: UTC, daily: [{ from: "01:00", to: "02:00" }], except: [{ name: hot, match: { jobs: [hotfix] } }] }]',
      'hot goes by jobs alone',
    ],
    [
      'a freeze that is over',
      'freeze: [{ name: x, time_zone: UTC, dates: [{ from: 2020-01-01, to: 2020-01-02 }] }]',
      'is over',
    ],
    [
      'a project that nobody knows',
      'configurations: [{ name: e, match: { projects: [acme/shopp] }, comment: required }]',
      'acme/shopp fits no project that is known',
    ],
    [
      'rules that nobody satisfies who has not caused the job',
      'remember: 24h\nrules: [{ name: m, access_level: maintainer }]',
      'in acme/lone nobody can satisfy 1 × m (maintainer or higher) once one of those who could has caused the job',
    ],
  ])('warns of %s', async (_, text, wanted) => {
    const usual = await check(`${text}\n`);
    expect(usual.lines.join('\n')).toContain('warning: ');
    expect(usual.lines.join('\n')).toContain(wanted);
    expect(usual.exit).toBe(0);
    expect((await check(`${text}\n`, '--strict')).exit).toBe(2);
  });

  it('says nothing of less that only protected refs or named projects get', async () => {
    const text = `configurations:
  - { name: lint, match: { jobs: [lint*], refs: [protected] }, self_approval: allow }
  - { name: shop, match: { projects: [acme/shop] }, self_approval: allow }
`;
    expect((await check(text)).lines.join('\n')).not.toContain('asks for less');
  });

  it('answers as JSON, for several files at once', async () => {
    writeFileSync(join(cwd, 'good.yaml'), 'remember: 24h\n');
    writeFileSync(join(cwd, 'bad.yaml'), 'remember: soon\n');
    const { exit, out } = await runCli(['policy', 'check', 'good.yaml', 'bad.yaml', '--json'], { cwd });
    expect(exit).toBe(2);
    const { ok, files } = JSON.parse(out);
    expect(ok).toBe(false);
    expect(files[0]).toMatchObject({ file: 'good.yaml', version: expect.stringMatching(/^sha256:/) });
    expect(files[1]).toMatchObject({ file: 'bad.yaml', version: null, problems: [{ severity: 'error', line: 1 }] });
  });
});

describe('policy explain', () => {
  const POLICY = `rules:
  - { name: maintainers, access_level: maintainer }
configurations:
  - name: shop
    match: { projects: [acme/*] }
    rules: [{ name: qa, group: acme/qa }]
  - name: deployments
    match: { environments: [production] }
    rules: [{ name: two, access_level: maintainer, count: 2 }]
    comment: required
break_glass: { rules: [{ name: on call, user: ben }] }
`;
  const explain = async (...argv: string[]) => {
    writeFileSync(join(cwd, 'p.yaml'), POLICY);
    return runCli(['policy', 'explain', '--policy', 'p.yaml', ...argv], { cwd });
  };

  it('says which entries fit, which of them decides each setting, on which line, and who could approve', async () => {
    const { exit, out } = await explain('--project', 'acme/shop', '--job', 'deploy', '--environment', 'production');
    expect(exit).toBe(0);
    expect(out).toContain('shop (line 4; projects acme/*): decides rules');
    expect(out).toContain(
      'deployments (line 7; environments production): decides comment (rules: an entry before it does)',
    );
    expect(out).toContain('rules: 1 × qa (members of acme/qa)  [shop, line 6]');
    expect(out).toContain('comment: required  [deployments, line 10]');
    expect(out).toContain('self_approval: forbid  [as shipped]');
    expect(out).toContain('1 × qa (members of acme/qa): cleo');
    expect(out).toContain('1 × on call (ben): ben');
  });

  it('takes a payload of GitLab for a job', async () => {
    const file = join(ROOT, 'test/fixtures/gitlab/deploy-production.run1.json');
    const { exit, out } = await explain(file, '--json');
    expect(exit).toBe(0);
    const found = JSON.parse(out);
    expect(found.target).toMatchObject({
      projectId: 4242,
      ref: 'refs/heads/main',
      refProtected: true,
      environment: 'production',
    });
    expect(found.entries.map((entry: { name: string }) => entry.name)).toEqual(['shop', 'deployments']);
    expect(found.settings).toContainEqual(expect.objectContaining({ key: 'comment', entry: 'deployments', line: 10 }));
  });

  it('asks for the job, and for a time that it understands', async () => {
    expect(await explain('--project', 'acme/shop')).toMatchObject({ exit: 2, err: expect.stringContaining('--job') });
    const at = await explain('--project', 'acme/shop', '--job', 'x', '--at', 'tomorrow');
    expect(at).toMatchObject({ exit: 2, err: expect.stringContaining('--at') });
  });
});

describe('policy test', () => {
  const write = (cases: string, policy = 'remember: 24h\n') => {
    writeFileSync(join(cwd, 'policy.yaml'), policy);
    writeFileSync(join(cwd, 'cases.yaml'), cases);
  };
  const run = (...flags: string[]) => runCli(['policy', 'test', 'cases.yaml', ...flags], { cwd });

  it('tells what is not as expected, and exits with 1', async () => {
    write(`cases:
  - name: fits
    job: { project: acme/shop, triggered_by: ben }
    votes: [{ by: ada }]
    expect: { outcome: approved }
  - name: does not fit
    job: { project: acme/shop, triggered_by: ada }
    votes: [{ by: ada }]
    expect: { outcome: approved, waits_for: [] }
`);
    const { exit, out } = await run();
    expect(exit).toBe(1);
    expect(out).toContain('ok      fits');
    expect(out).toContain('FAILED  does not fit (line 6)');
    expect(out).toContain('outcome: expected "approved", found "waiting"');
    expect(out).toContain('waits_for: expected [], found ["maintainers"]');
    expect(out).toContain('2 cases, 1 failed');
    const { ok, failed } = JSON.parse((await run('--json')).out);
    expect([ok, failed]).toEqual([false, 1]);
  });

  it('fails a case that names what nobody knows: a mistyped name must not make it pass', async () => {
    write('cases: [{ name: typo, job: { project: acme/shop, triggered_by: adda }, expect: { outcome: waiting } }]\n');
    expect(await run()).toMatchObject({ exit: 1, out: expect.stringContaining('adda is none of the users') });
    write(
      'cases: [{ name: typo, job: { project: acme/shop }, votes: [{ by: benn }], expect: { outcome: waiting } }]\n',
    );
    expect(await run()).toMatchObject({ exit: 1, out: expect.stringContaining('benn is none of the users') });
  });

  it.each([
    ['a case that expects nothing', 'cases: [{ name: x, job: { project: 21 }, expect: {} }]', 'expects nothing'],
    ['no case', 'cases: []', 'cases'],
    ['a case without facts', 'cases: [{ name: x, expect: { outcome: waiting } }]', 'has either job or payload'],
    [
      'a policy that is not there',
      'policy: none.yaml\ncases: [{ name: x, job: { project: 21 }, expect: { outcome: waiting } }]',
      'none.yaml: cannot be read',
    ],
  ])('refuses %s with 2', async (_, cases, wanted) => {
    write(`${cases}\n`);
    const { exit, out } = await run();
    expect(out).toContain(wanted);
    expect(exit).toBe(2);
  });

  it('compares payloads by what the policy tolerates', async () => {
    const fixture = JSON.parse(readFileSync(join(ROOT, 'test/fixtures/gitlab/deploy-production.run1.json'), 'utf8'));
    const project = fixture.job_info.project_id;
    writeFileSync(
      join(cwd, 'people.yaml'),
      `users: [{ id: 1, username: ada }]\nprojects: [{ id: ${project}, path: acme/payments/api, members: [] }]\n`,
    );
    writeFileSync(join(cwd, 'approved.json'), JSON.stringify(fixture));
    fixture.image.name = 'registry.example.com/ops/deployer:5';
    writeFileSync(join(cwd, 'now.json'), JSON.stringify(fixture));
    const cases = (outcome: string) =>
      `principals: people.yaml\ncases: [{ name: a newer image, payload: now.json, approved: approved.json, expect: { outcome: ${outcome} } }]\n`;
    write(cases('waiting'));
    expect((await run()).exit).toBe(0);
    const policy = (images: string) => `tolerate: { variables: { values: masked }, images: ["${images}"] }\n`;
    write(cases('tolerated'), policy('registry.example.com/ops/deployer:*'));
    expect((await run()).out).toContain('1 case, 0 failed');
    write(cases('tolerated'), policy('registry.example.com/other:*'));
    expect((await run()).exit).toBe(1);
  });
});

describe('policy schema', () => {
  it('prints the JSON Schema of the policy, and of its tests', async () => {
    const policy = JSON.parse((await runCli(['policy', 'schema'])).out);
    expect(policy).toMatchObject({ $schema: 'http://json-schema.org/draft-07/schema#', additionalProperties: false });
    expect(Object.keys(policy.properties)).toEqual(
      expect.arrayContaining(['rules', 'freeze', 'break_glass', 'runners']),
    );
    expect(JSON.parse((await runCli(['policy', 'schema', '--tests'])).out).required).toEqual(['cases']);
  });
});

describe('policy check of notifications', () => {
  const routes =
    'notify:\n  routes:\n    - { name: a, channels: [mail, pagr] }\n  escalations: [{ name: b, after: 2h, channels: [chat] }]\n';
  it('names channels that hub.notify does not define, where somebody says which there are', async () => {
    const { exit, lines } = await check(routes, '--channels', 'mail, pager');
    expect(exit).toBe(2);
    expect(lines.filter((line) => line.includes('notify'))).toEqual([
      'p.yaml:3: error: notify.routes[0].channels[1]: names the channel pagr: there are mail, pager in hub.notify',
      'p.yaml:4: error: notify.escalations[0].channels[0]: names the channel chat: there are mail, pager in hub.notify',
    ]);
    expect((await check(routes)).exit).toBe(0);
  });

  it('and policy explain says who is told of a job', async () => {
    writeFileSync(
      join(cwd, 'p.yaml'),
      'notify:\n  routes:\n    - { name: ours, match: { projects: [acme/shop] }, severity: action, channels: [mail], to: [approvers], digest: 10m }\n    - { name: theirs, match: { projects: [acme/lone] }, channels: [mail] }\n  escalations:\n    - { name: late, after: 4h, channels: [mail], also: [cleo] }\n',
    );
    const { out } = await runCli(['policy', 'explain', '--policy', 'p.yaml', '--project', '21', '--job', 'x'], { cwd });
    const told = out.slice(out.indexOf('Who is told:')).split('\n').slice(0, 3);
    expect(told).toEqual([
      'Who is told:',
      '  ours: everything that is action or more, by mail, to approvers, collected over 10m (line 3)',
      '  late: what waits for 4h, by mail, to approvers, cleo (line 6)',
    ]);
  });
});
