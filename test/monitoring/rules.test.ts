import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { ALERT_CASES } from '../support/alert-cases.ts';
import { startFakeGitlab } from '../support/fake-gitlab.ts';
import { fixture } from '../support/gate.ts';
import { type AgentProcess, startAgentProcess } from '../support/holdpoint-process.ts';
import { alerts, dashboardExpressions, RULES, selectorsOf } from '../support/monitoring.ts';
import { openScene, type Scene, writeAgentFolder } from '../support/scene.ts';

const promtool = process.env.PROMTOOL_PATH ?? 'promtool';
const folder = mkdtempSync(join(tmpdir(), 'holdpoint-rules-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function run(args: readonly string[], input = ''): string {
  const { status, stdout, stderr, error } = spawnSync(promtool, args, { encoding: 'utf8', input });
  if (error !== undefined) throw error;
  expect([status, status === 0 ? '' : `${stdout}${stderr}`]).toEqual([0, '']);
  return `${stdout}${stderr}`;
}

describe('the alert rules', () => {
  it('are understood by promtool', () => {
    expect(run(['check', 'rules', RULES])).toContain(`${alerts().length} rules found`);
  });

  it('have a case each, and no other', () => {
    expect(Object.keys(ALERT_CASES).sort()).toEqual(
      alerts()
        .map(({ alert }) => alert)
        .sort(),
    );
  });

  it('fire when they should, and not at what only looks like it', () => {
    const tests = Object.entries(ALERT_CASES).flatMap(([alert, { fires, quiet, after }]) =>
      [fires, quiet].map((series, index) => ({
        interval: '1m',
        input_series: Object.entries(series).map(([name, values]) => ({ series: name, values })),
        promql_expr_test: [
          {
            expr: `count(ALERTS{alertname="${alert}", alertstate="firing"})`,
            eval_time: `${after}m`,
            exp_samples: index === 0 ? [{ labels: '{}', value: 1 }] : [],
          },
        ],
      })),
    );
    const file = join(folder, 'tests.yml');
    writeFileSync(file, stringify({ rule_files: [RULES], evaluation_interval: '1m', tests }));
    run(['test', 'rules', file]);
    // promtool plays some hours of each rule, twice.
  }, 60_000);
});

describe('metrics of a running agent', () => {
  let scrape = '';
  let agent: AgentProcess;
  beforeAll(async () => {
    const gitlab = await startFakeGitlab({});
    const dir = writeAgentFolder({
      gitlabUrl: gitlab.url,
      runners: [{ name: 'prod-deployer-01', token: gitlab.runnerToken('prod-deployer-01'), protected: true }],
      extra: 'metrics: { listen: 127.0.0.1:0 }',
    });
    agent = await startAgentProcess(join(dir, 'agent.yml'));
    const own = /metrics (http:\/\/127\.0\.0\.1:\d+)/.exec(agent.output())?.[1];
    scrape = await (await fetch(`${own}/metrics`)).text();
    expect(await agent.kill('SIGTERM')).toBe(0);
    await gitlab.close();
    rmSync(dir, { recursive: true, force: true });
  }, 60_000);

  it('have nothing that promtool would say against their names, types and units', () => {
    expect(run(['check', 'metrics'], scrape)).toBe('');
  });

  it.each([
    ['alert rules', () => alerts().map(({ alert, expr }) => [alert, expr] as const)],
    ['dashboard', dashboardExpressions],
  ])('has every metric, label and value that the %s select', (_what, expressions) => {
    const missing = expressions().flatMap(([where, expr]) =>
      selectorsOf(expr).flatMap(({ name, labels }) => {
        // What Prometheus itself knows of each target.
        if (name === 'up') return [];
        const series = scrape.split('\n').filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `));
        if (series.length === 0) return [`${where}: there is no ${name}`];
        return labels
          .filter(
            ({ label, value }) =>
              !series.some((line) => line.includes(value === null ? `${label}="` : `${label}="${value}"`)),
          )
          .map(({ label, value }) => `${where}: no ${name} has ${label}=${value ?? '…'}`);
      }),
    );
    expect(expressions().length).toBeGreaterThan(20);
    expect(missing).toEqual([]);
  });

  it('would be missed if a rule named one that is not there', () => {
    expect(selectorsOf('rate(holdpoint_x_total{a="b", job=~"h.*"}[5m]) / on (job) holdpoint_y > 0.5')).toEqual([
      { name: 'holdpoint_x_total', labels: [{ label: 'a', value: 'b' }] },
      { name: 'holdpoint_y', labels: [] },
    ]);
  });
});

describe('metrics while jobs come and go', () => {
  let scene: Scene;
  afterAll(() => scene?.close());

  it('stay clean, and tell of each job, vote and hand-over in words that no pusher chooses (T30, T32)', async () => {
    scene = await openScene();
    scene.runner();
    const job = scene.gitlab.enqueue(fixture('deploy-production.run1'), {
      runner: scene.protectedToken,
      user: { id: 9, username: 'zoe', name: 'Zoë Müller' },
    });
    await scene.hold(job, 'waiting_for_approval');
    const before = await scrapeOf(scene, 'holdpoint_agent_jobs{state="parked"} 1');
    expect(before).toMatch(/^holdpoint_hub_holds\{state="waiting_for_approval",stage="live"\} 1$/m);
    expect(before).toMatch(/^holdpoint_hub_reviews_open 1$/m);
    await scene.approve(job);
    await scene.hold(job, 'success');
    const text = await scrapeOf(scene, 'holdpoint_agent_job_events_total{event="ended"} 1');
    expect(run(['check', 'metrics'], text)).toBe('');
    for (const line of [
      'holdpoint_agent_jobs_received_total 1',
      'holdpoint_agent_verdict_duration_seconds_count{outcome="hold"} 1',
      'holdpoint_agent_hand_over_duration_seconds_count{way="released"} 1',
      'holdpoint_agent_job_events_total{event="handed_out"} 1',
      'holdpoint_hub_audit_events_total{event="vote_approve"} 1',
      'holdpoint_hub_store_writable 1',
      'holdpoint_link_up 1',
      'holdpoint_link_in_step 1',
    ])
      expect(text.split('\n')).toContain(line);
    expect(text).not.toMatch(/acme|payments|prod-deployer|zoe|maria|deploy-production|main/);
  }, 40_000);
});

/** The metrics once they have this line; the last ones are told when it never comes. */
async function scrapeOf(scene: Scene, line: string): Promise<string> {
  for (const end = Date.now() + 15_000; ; ) {
    const text = await (await fetch(`${scene.agent.hubUrl}/metrics`)).text();
    if (text.split('\n').includes(line)) return text;
    if (Date.now() > end) throw new Error(`no ${line} in\n${text}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
