import { describe, expect, it } from 'vitest';
import { deploymentPage, deploymentsTable } from '../../agent/src/cli/deployment-page.ts';
import { paint } from '../../agent/src/cli/render.ts';
import type { DeploymentDetail } from '../../agent/src/wire/deployments.ts';
import { runCli } from '../support/cli.ts';

const person = (id: number, username: string) => ({ id, username, name: username.toUpperCase() });
const detail: DeploymentDetail = {
  id: 12,
  iid: 3,
  state: 'blocked',
  kind: 'deploy',
  hold: 40,
  environment: {
    id: 1,
    name: 'production',
    slug: null,
    tier: 'production',
    action: 'start',
    url: null,
    verified: true,
  },
  instance: 'https://gitlab.example.com',
  project_id: 4242,
  project_path: 'acme/payments/api',
  job: 'deploy',
  stage: 'deploy',
  digest: `sha256:${'0'.repeat(64)}`,
  ref: 'refs/heads/main',
  ref_protected: true,
  sha: 'a'.repeat(40),
  pipeline_id: 100,
  trigger: { ...person(21, 'maria'), verified: 'gitlab' },
  protected_by: ['policy:production'],
  started: null,
  approved_at: null,
  created_at: '2026-11-22T09:00:00Z',
  updated_at: '2026-11-22T09:00:00Z',
  running_at: null,
  finished_at: null,
  reason: null,
  hold_state: 'waiting_for_approval',
  job_id: 9,
  job_url: null,
  waits_for: ['approvals', 'start'],
  votes: [
    {
      person: person(75, 'sam'),
      decision: 'approve',
      represented_as: null,
      comment: 'fine\u001b[2J',
      at: '2026-11-22T09:10:00Z',
    },
  ],
  rules: [
    {
      name: 'security',
      who: 'members of security-group',
      need: 2,
      have: 1,
      mine: false,
      asked: 'both',
      voted: [person(75, 'sam')],
      eligible: [person(76, 'sina')],
    },
  ],
  quorum: { possible: true, words: 'sina could complete it.', wanted: [], rejects: { need: 1, have: 0 }, keepers: [] },
  may_approve: { allowed: false, code: 'not_eligible', reason: 'ask somebody who is' },
  may_reject: { allowed: true, code: null, reason: null },
  may_run: { allowed: false, code: 'approvals_missing', reason: 'its approvals are not complete' },
  deployers: [person(71, 'opal')],
  deploy_access: 'members of operator-group',
  is_protected: true,
  broken: null,
  earlier: [],
  history: [],
  url: 'http://127.0.0.1:8094/holds/40',
};
const now = Date.parse('2026-11-22T10:00:00Z');

describe('holdpoint deployments', () => {
  it('shows what a deployment waits for, who approves, who runs it and what the reader may do', () => {
    const page = deploymentPage(detail, now, paint(false));
    for (const part of [
      'Deployment 12: blocked',
      'approvals are missing; somebody with deploy access has to run it',
      '1 of 2  security (members of security-group): sam',
      'could: sina',
      'members of operator-group: opal',
      'you may not approve it: ask somebody who is',
      'holdpoint deployments reject 12 --comment WHY',
      'you may not run it: its approvals are not complete',
      'holdpoint holds show 40',
    ])
      expect(page).toContain(part);
  });

  it('T33 shows no control character of a comment', () => {
    expect(deploymentPage(detail, now, paint(false))).not.toContain('\u001b');
  });

  it('lists in 80 columns, whatever the names', () => {
    const long = { ...detail, job: 'deploy '.repeat(20), environment: { ...detail.environment, name: 'e'.repeat(90) } };
    for (const line of deploymentsTable([detail, long], now, 80).split('\n'))
      expect(line.length).toBeLessThanOrEqual(80);
  });

  it.each([
    ['deployments show x', 2],
    ['deployments list --state waiting', 2],
    ['deployments reject 12', 2],
    ['deployments mark-broken 12', 2],
    ['environments list nowhere', 2],
    ['environments protect project:1 production --deploy everybody', 2],
    ['environments protect project:1 production --deploy level:none', 2],
    ['environments change project:1 production --remove 7', 2],
    ['environments confirm x', 2],
    ['deployments run 12', 6],
    ['environments list project:1', 6],
  ])('%s ends with %i where no hub is', async (line, exit) => {
    const world = { env: { HOLDPOINT_HUB_URL: 'http://127.0.0.1:1', HOLDPOINT_TOKEN: 'x' } };
    expect((await runCli(line.split(' '), world)).exit).toBe(exit);
  });
});
