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
  retry: null,
  let_run: [
    { step: 'triggered', people: [person(21, 'maria')], at: '2026-11-22T09:00:00Z', note: 'as GitLab says' },
    { step: 'configuration', people: [person(22, 'jonas\u001b[2J')], at: '2026-11-22T09:05:00Z', note: 'approval 5' },
    { step: 'deployment', people: [person(75, 'sam')], at: null, note: 'not complete' },
    { step: 'started', people: [], at: null, note: null },
    { step: 'ran', people: [], at: null, note: 'it has not run' },
  ],
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
      eligible_count: 1,
    },
  ],
  quorum: { possible: true, words: 'sina could complete it.', wanted: [], rejects: { need: 1, have: 0 }, keepers: [] },
  may_approve: { allowed: false, code: 'not_eligible', reason: 'the rules ask for members of qa: ask one of them' },
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
      'Deployment 12: Waits for approvals',
      'approvals are missing',
      '1 of 2  security (members of security-group): sam',
      'can help: sina',
      'members of operator-group: opal',
      'you may not approve it: the rules ask for members of qa: ask one of them',
      'holdpoint deployments reject 12 --comment WHY',
      'you may not run it: its approvals are not complete',
      'holdpoint holds show 40',
    ])
      expect(page).toContain(part);
  });

  it('says who let it run: who triggered, who approved what it runs and that it may, who started it', () => {
    const page = deploymentPage(detail, now, paint(false));
    const lines = page.slice(page.indexOf('Who let this run')).split('\n').slice(1, 6);
    expect(lines).toEqual([
      '  Triggered by MARIA (@maria); 2026-11-22 09:00 UTC; as GitLab says',
      '  Configuration approved by JONAS⟨U+001B⟩[2J (@jonas⟨U+001B⟩[2J); 2026-11-22 09:05 UTC; approval 5',
      '  Deployment approved by SAM (@sam); not complete',
      '  Started by nobody',
      '  Ran it has not run',
    ]);
  });

  it('says of one that is over what became of it, in the past, and of nothing to decide', () => {
    const over = { ...detail, state: 'success', hold_state: 'success', finished_at: '2026-11-22T09:30:00Z' } as const;
    const page = deploymentPage(over, now, paint(false));
    expect(page).toContain('Deployment 12: Success\n');
    expect(page).toContain('Nothing to decide: it has ended with success.\n');
    expect(page).toContain('What it ran: holdpoint holds show 40');
    expect(page).toMatch(/could deploy +members of operator-group/);
    expect(page).not.toMatch(/may deploy|would run|you may/);
  });

  it('says of one that somebody has started who has to do what next', () => {
    const started = {
      ...detail,
      state: 'created' as const,
      hold_state: 'pending' as const,
      waits_for: [],
      started: { by: person(22, 'jonas'), at: '2026-11-22T09:20:00Z' },
    };
    const press = { by: 'trigger' as const, words: '', url: null, job_id: null };
    for (const [retry, words] of [
      [null, 'started by JONAS (@jonas); it waits for its runner'],
      [press, 'started by JONAS (@jonas); to be retried in GitLab by MARIA (@maria)'],
      [{ ...press, by: 'holdpoint' as const }, 'started by JONAS (@jonas); Holdpoint has GitLab run its job again'],
      [{ ...press, by: 'holdpoint' as const, job_id: 9 }, 'retried as job 9, it waits for its runner'],
    ] as const)
      expect(deploymentPage({ ...started, retry }, now, paint(false)).replace(/\s+/g, ' ')).toContain(words);
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
