import { afterEach, describe, expect, it } from 'vitest';
import { breakGlass } from '../../agent/src/app/break-glass.ts';
import { bundleOfDeployment, bundleOfHold } from '../../agent/src/app/bundle.ts';
import { readPolicy } from '../../agent/src/directories/policy-file.ts';
import { type BundleReport, checkBundle } from '../../agent/src/domain/bundle.ts';
import type { JsonObject } from '../../agent/src/domain/json.ts';
import { variableTag } from '../../agent/src/domain/variable-tag.ts';
import { bundleEnvelope, bundleHtml } from '../../agent/src/hub/bundle.ts';
import { verifySignature } from '../../agent/src/system/hub-key.ts';
import { auditKeeper } from '../support/audit-keeper.ts';
import { codeOf, deploymentWorld, PRODUCTION } from '../support/deployment-world.ts';
import { hubWorld, requestFor, VARIABLE_KEY, type World } from '../support/hub-world.ts';

let world: World;
afterEach(() => world.store.close());

const keeper = auditKeeper();
const auditor = () => world.caller('olga', ['audit']);

/** Makes a bundle and checks it as a machine without the store does. */
async function bundle(id: number, make = bundleOfHold): Promise<BundleReport & { readonly html: string }> {
  const parts = await make(world.context, keeper, auditor(), true, id);
  const text = JSON.stringify(bundleEnvelope(world.context, parts, auditor(), keeper.signer));
  const html = bundleHtml(world.context, parts, auditor(), keeper.signer);
  return { ...checkBundle(text, verifySignature, keeper.signer.publicKey), html };
}
const predicate = ({ statement }: BundleReport) => statement.predicate as JsonObject;
const eventsIn = (report: BundleReport): string[] =>
  (predicate(report).audit as unknown as { rows: { row: { event: string } }[] }).rows.map(({ row }) => row.event);

describe('the bundle for an auditor', () => {
  it('of a deployment has its rules, its votes, who started it, and what became of it', async () => {
    const here = await deploymentWorld(PRODUCTION);
    world = here;
    const { hold } = await here.deploy({ id: 1 });
    await here.approve('jonas', hold!, { lifetime: 'standing' });
    const { id } = await here.deployment(hold!);
    for (const who of ['sam', 'sina', 'quinn']) await here.vote(who, id);
    await here.run('opal', id);
    await here.runs(hold!, 1);
    const report = await bundle(id, bundleOfDeployment);
    expect(predicate(report).deployment).toMatchObject({
      state: 'success',
      rules: [
        { name: 'qa', who: 'members of qa-group', count: 1 },
        { name: 'security', who: 'members of security-group', count: 2 },
      ],
      started: { person: { username: 'opal' } },
      votes: ['quinn', 'sam', 'sina'].map((username) => ({ person: { username }, decision: 'approve' })),
    });
    expect(eventsIn(report)).toEqual(
      expect.arrayContaining(['deployment_vote_approve', 'deployment_approved', 'deployment_run', 'deployment_ended']),
    );
    expect(report.html).toContain('<h2 id="deployment">Deployment</h2>');
    expect(report.html).toContain('opal');
    expect(report.rows).toBe((await bundle(hold!)).rows - 1);
  });

  it('has a page that begins with who let it run, when, under which rule, what exactly, and how to check that', async () => {
    const here = await deploymentWorld(PRODUCTION);
    world = here;
    const { hold } = await here.deploy({ id: 1 });
    await here.approve('jonas', hold!, { lifetime: 'standing' });
    const { id } = await here.deployment(hold!);
    for (const who of ['sam', 'sina', 'quinn']) await here.vote(who, id);
    await here.run('opal', id);
    const started = (await bundle(id, bundleOfDeployment)).html;
    expect(started).toContain('started by OPAL (@opal); it waits for its runner');
    expect(started).toContain('it has not run');
    await here.runs(hold!, 1);
    const { html, statement } = await bundle(id, bundleOfDeployment);
    expect(html).toContain(`<title>Deployment ${id}: deploy of acme/payments/api to production</title>`);
    const first = html.slice(0, html.indexOf('<h2 id="what-it-was">'));
    const cells = [...first.matchAll(/<td>(.*?)<\/td>/g)].map(([, cell]) => cell);
    const rowOf = (step: string) => cells.slice(cells.indexOf(step), cells.indexOf(step) + 4);
    const at = '2026-11-22 08:00:00';
    expect(rowOf('Triggered by')).toEqual(['Triggered by', 'maria, user 21', at, 'as GitLab says']);
    expect(rowOf('Configuration approved by')).toEqual([
      'Configuration approved by',
      'JONAS (@jonas), user 22',
      at,
      expect.stringMatching(/^approval 1 \(standing\); rule .*: 1 of .*; policy /),
    ]);
    expect(rowOf('Deployment approved by')[1]).toMatch(/QUINN.*SAM.*SINA/);
    expect(rowOf('Deployment approved by')[3]).toContain(
      'rule qa: 1 of members of qa-group, security: 2 of members of security-group',
    );
    expect(rowOf('Started by')).toEqual([
      'Started by',
      expect.stringContaining('OPAL'),
      at,
      expect.stringMatching(/^may deploy \(deploy_access_levels\): members of operator-group.*; policy /),
    ]);
    // All of it within one second: the rows of the audit tell which came first.
    const told = ['Triggered by', 'Configuration approved by', 'Deployment approved by', 'Started by', 'Ran'];
    const numbers = told.map((step) => Number(cells[cells.indexOf(step) + 4]));
    expect(numbers.every((number) => number > 0)).toBe(true);
    expect(numbers).toEqual([...numbers].sort((a, b) => a - b));
    expect(new Set(numbers).size).toBe(numbers.length);
    // Shortened wherever it stands beside something, and whole once.
    const { policy } = predicate({ statement } as BundleReport).deployment as unknown as { policy: string };
    const shown = html.slice(0, html.indexOf('The same rows as they are written'));
    expect(shown.split(policy)).toHaveLength(2);
    expect(html.split(policy.slice(0, 19)).length).toBeGreaterThan(4);
    expect(first).toContain(`href="/api/v1/audit/bundle/deployments/${id}" download="deployment-${id}.bundle.json"`);
    expect(rowOf('Ran')[3]).toBe('as job 1 on prod; its end: success');
    const [{ digest }] = statement.subject as unknown as [{ digest: { sha256: string } }];
    expect(first).toContain(`sha256:${digest.sha256}`);
    expect(first).toContain('holdpoint audit verify');
    // Names, and not members of an object one after another.
    const read = html.slice(0, html.indexOf('<h2 id="rows-of-the-audit">'));
    expect(read).not.toMatch(/username: |person: |verified: gitlab/);
  });

  it('T16 says at once that nobody approved what somebody broke the glass for', async () => {
    world = await hubWorld();
    world.policy = readPolicy('break_glass: { rules: [{ name: duty, user: jonas }] }\n', 'policy.yaml');
    const { hold } = await world.admit({ id: 1 });
    const { digest } = (await world.store.hold(hold!))!;
    await breakGlass(world.context, world.caller('jonas'), { hold: hold!, digest, reason: 'production is down' });
    const { html } = await bundle(hold!);
    const first = html.slice(0, html.indexOf('<h2 id="what-it-was">'));
    expect(first).toContain('NOBODY approved it: the glass was broken for this run');
  });

  it('T32 of a deployment is for those who may decide on it or on its configuration, and for auditors', async () => {
    const here = await deploymentWorld(PRODUCTION);
    world = here;
    const { hold } = await here.deploy({ id: 1 });
    const { id } = await here.deployment(hold!);
    const asked = (who: string) =>
      codeOf(bundleOfDeployment(here.context, keeper, here.caller(who), false, id).then(() => undefined));
    expect(await asked('sam')).toBe('none');
    expect(await asked('jonas')).toBe('none');
    expect(await asked('rita')).toBe('forbidden');
    expect(await asked('stranger')).toBe('not_found');
    expect(await codeOf(bundleOfDeployment(here.context, keeper, auditor(), true, 99))).toBe('not_found');
  });

  it('of a job that passed by tolerance shows what was approved, by whom, and what was tolerated', async () => {
    world = await hubWorld();
    const secret = (value: string): JsonObject => ({
      variables: [
        {
          key: 'DB_PASSWORD',
          value: [{ hmac: variableTag(VARIABLE_KEY, 4242, 'DB_PASSWORD', JSON.stringify(value)) }],
          public: false,
          masked: true,
          file: false,
          raw: false,
        },
      ],
    });
    await world.admit({ id: 1, pipeline: 1, extra: secret('summer') });
    await world.approve('maria', 1, { comment: 'fine' });
    await world.admit({ id: 2, pipeline: 2, extra: secret('autumn') });
    const report = await bundle(2);
    expect(eventsIn(report)).toEqual(expect.arrayContaining(['job_tolerated', 'vote_approve', 'approval_created']));
    const { approval, difference } = predicate(report) as unknown as {
      approval: { digest: string; votes: unknown[] };
      difference: { approval: number; changes: { path: string }[] };
    };
    expect(approval.digest).not.toBe(report.digest);
    expect(approval.votes).toHaveLength(1);
    expect(difference).toMatchObject({ approval: 1, changes: [{ path: 'variables.DB_PASSWORD.value' }] });
  });

  it('T34 of a run for which the glass was broken says so, and by whom, and shows no approval that people gave', async () => {
    world = await hubWorld();
    world.policy = readPolicy(
      'break_glass: { rules: [{ name: on call, access_level: owner }], for: 1h }',
      'policy.yaml',
    );
    await world.admit({ id: 1 });
    const { digest } = requestFor({ id: 1 });
    await breakGlass(world.context, world.caller('olga'), { hold: 1, digest, reason: 'payments are down' });
    const report = await bundle(1);
    expect(predicate(report).approval).toMatchObject({ break_glass: true, lifetime: 'run' });
    expect(eventsIn(report)).toContain('break_glass_used');
    expect(eventsIn(report)).not.toContain('vote_approve');
    expect(report.html).toContain('payments are down');
  });

  it('of a job that was rejected has the reject and no approval', async () => {
    world = await hubWorld();
    await world.admit({ id: 1 });
    await world.reject('maria', 1, { comment: 'not today' });
    const report = await bundle(1);
    expect(predicate(report)).toMatchObject({
      approval: null,
      hold: { state: 'rejected' },
      review: { votes: [{ decision: 'reject', comment: 'not today' }] },
    });
  });
});
