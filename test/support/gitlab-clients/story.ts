import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import type { HoldDetail } from '../../../agent/src/wire/api.ts';
import { openScene, type Scene } from '../scene.ts';
import { ROOT } from '../source-files.ts';
import type { Client, ClientFor, Loose, Said } from './client.ts';

/** Maria and Jonas maintain the project; quality, security and operators are groups of people without access to it. */
export const PEOPLE = `users:
  - { id: 9, username: zoe, name: Zoë Müller }
  - { id: 21, username: maria, name: Maria Silva }
  - { id: 22, username: jonas, name: Jonas Berg }
  - { id: 30, username: olga, name: Olga Novak }
  - { id: 61, username: quinn, name: Quinn Quality }
  - { id: 62, username: sam, name: Sam Security }
  - { id: 63, username: sid, name: Sid Security }
  - { id: 64, username: oscar, name: Oscar Operator }
groups:
  - { id: 5, path: acme, members: [{ user: olga, access_level: owner }] }
  - { id: 134, path: acme/qa-group, members: [{ user: quinn, access_level: reporter }] }
  - id: 135
    path: acme/security-group
    members: [{ user: sam, access_level: reporter }, { user: sid, access_level: reporter }]
  - { id: 138, path: acme/operator-group, members: [{ user: oscar, access_level: reporter }] }
projects:
  - id: 4242
    path: acme/payments/api
    members:
      - { user: zoe, access_level: developer }
      - { user: maria, access_level: maintainer }
      - { user: jonas, access_level: maintainer }
`;
const PROJECT = 'acme/payments/api';
const MARIA = { id: 21, username: 'maria', name: 'Maria Silva' };
const REFUSED = "You don't have permission to review this deployment. Contact the project or group owner for help.";
/** Seconds; three programs start for each call of a command line. */
const WAIT_MS = 60_000;

const payload = () => readFileSync(join(ROOT, 'test/fixtures/gitlab/deploy-production.run1.json'), 'utf8');

/** People with one tool each, a GitLab, an agent and a hub. */
export interface Story extends Scene {
  person(username: string): Promise<Client>;
}

/** Opens the scene of the scenario; the operator gave the hub a bot token, so that a released job is run again by itself. */
export async function openStory(clientFor: ClientFor): Promise<Story> {
  const scene = await openScene({
    bot: ['read', 'retry', 'status'],
    extra: 'policy: policy.yaml\n',
    files: { 'principals.yaml': PEOPLE, 'policy.yaml': 'self_approval: forbid\n' },
  });
  const person = async (username: string) => {
    const scopes = ['read', 'approve', 'deploy'];
    return clientFor(scene.agent.hubUrl, (await scene.as(username, scopes)).token);
  };
  return Object.assign(scene, { person });
}

const listOf = (value: Loose | undefined): Loose[] => Object.values(value ?? {});
/** Who approved each rule, by the words of the rule. */
const approvedBy = (deployment: Loose): Record<string, unknown[]> =>
  Object.fromEntries(
    listOf(deployment.approval_summary?.rules).map((rule) => [
      String(rule.access_level_description),
      listOf(rule.deployment_approvals).map((approval) => approval.user?.username),
    ]),
  );

function good({ ok, body, text }: Said): Loose {
  if (!ok) throw new Error(`refused: ${text}`);
  return body;
}

/** The deployments of the project once they are as wanted. */
async function seen(client: Client, filter: Record<string, string>, wanted: (list: Loose[]) => boolean) {
  const deadline = Date.now() + WAIT_MS;
  for (;;) {
    const list = listOf(good(await client.deployments(PROJECT, filter)));
    if (wanted(list)) return list;
    if (Date.now() > deadline) throw new Error(`deployments with ${JSON.stringify(filter)}: ${JSON.stringify(list)}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

/** The scenario, call by call, as written; every call goes through the tool. */
export async function tellStory(story: Story): Promise<void> {
  const olga = await story.person('olga');
  const quinn = await story.person('quinn');
  const sam = await story.person('sam');
  const sid = await story.person('sid');
  const oscar = await story.person('oscar');
  expect(good(await oscar.user())).toMatchObject({ id: 64, username: 'oscar', state: 'active' });

  // A group-level protected environment: the answer lists both rules.
  const wish = {
    name: 'production',
    deployAccess: [{ group_id: 138 }],
    rules: [{ group_id: 134 }, { group_id: 135, required_approvals: 2 }],
  };
  const isProtected = good(await olga.protectGroup('acme', wish));
  expect(isProtected).toMatchObject({
    name: 'production',
    required_approval_count: 0,
    deploy_access_levels: [{ access_level_description: 'operator-group', group_id: 138, user_id: null }],
    approval_rules: [
      { access_level_description: 'qa-group', group_id: 134, required_approvals: 1, access_level: null },
      { access_level_description: 'security-group', group_id: 135, required_approvals: 2, user_id: null },
    ],
  });
  const twice = await olga.protectGroup('acme', wish);
  expect(twice).toMatchObject({ ok: false, status: 409 });
  expect(twice.text).toContain("Protected environment 'production' already exists");

  // A maintainer who is in none of these groups makes a pipeline with a deployment job: blocked, nobody has approved.
  const runner = story.runner();
  const job = story.gitlab.enqueue(payload(), { runner: story.protectedToken, user: MARIA });
  const [blocked] = (await seen(olga, { status: 'blocked' }, (list) => list.length === 1)) as [Loose];
  const id = Number(blocked.id);
  const look = async (client: Client): Promise<Loose> => good(await client.deployment(PROJECT, id));
  expect(await look(quinn)).toMatchObject({
    status: 'blocked',
    ref: 'main',
    environment: { name: 'production' },
    user: { username: 'maria' },
    deployable: { id: job, status: 'manual' },
    pending_approval_count: 3,
  });
  expect(approvedBy(await look(sam))).toEqual({ 'qa-group': [], 'security-group': [] });

  // The other gate: a maintainer who did not trigger it approves what would run, once.
  await passConfiguration(story, job);

  // The operator tries to run it: refused.
  const early = await oscar.play(PROJECT, job);
  expect(early).toMatchObject({ ok: false, status: 400 });
  expect(early.text).toContain('Unplayable Job');

  // One security user approves: still blocked. The second: still blocked.
  good(await sam.vote(PROJECT, id, { status: 'approved', comment: 'scanned' }));
  expect(await look(sam)).toMatchObject({ status: 'blocked', pending_approval_count: 2 });
  good(await sid.vote(PROJECT, id, { status: 'approved', representedAs: 'security-group' }));
  expect(await look(sid)).toMatchObject({ status: 'blocked', pending_approval_count: 1 });
  expect(approvedBy(await look(sid))).toEqual({ 'qa-group': [], 'security-group': ['sam', 'sid'] });

  // The operator tries to approve: not permitted, with the message.
  const notAllowed = await oscar.vote(PROJECT, id, { status: 'approved' });
  expect(notAllowed).toMatchObject({ ok: false, status: 400 });
  expect(notAllowed.text).toContain(REFUSED);

  // QA approves: created. Whoever may not deploy cannot run it, the operator can: it goes to the runner and ends.
  good(await quinn.vote(PROJECT, id, { status: 'approved' }));
  expect(await look(quinn)).toMatchObject({ status: 'created', pending_approval_count: 0 });
  expect(runner.started).toEqual([]);
  expect(await quinn.play(PROJECT, job)).toMatchObject({ ok: false, status: 403 });
  good(await oscar.play(PROJECT, job));
  const [ran] = (await seen(oscar, { status: 'success' }, (list) => list.length === 1)) as [Loose];
  expect(Number(ran.id)).toBe(id);
  expect(runner.started).toHaveLength(1);
  const history = { 'qa-group': ['quinn'], 'security-group': ['sam', 'sid'] };
  expect(approvedBy(await look(oscar))).toEqual(history);
  expect(listOf((await look(oscar)).approvals).map((one) => [one.user?.username, one.status, one.comment])).toEqual([
    ['sam', 'approved', 'scanned'],
    ['sid', 'approved', null],
    ['quinn', 'approved', null],
  ]);

  // Re-run: blocked again with empty approvals, and the first history is still there.
  const last = story.gitlab.jobs().findLast((one) => one.name === 'deploy:production')!;
  story.gitlab.retry(last.id, MARIA);
  const [again] = (await seen(sid, { status: 'blocked' }, (list) => list.length === 1)) as [Loose];
  expect(Number(again.id)).not.toBe(id);
  expect(approvedBy(again)).toEqual({ 'qa-group': [], 'security-group': [] });
  expect(await look(sid)).toMatchObject({ status: 'success' });
  expect(approvedBy(await look(sid))).toEqual(history);
  const all = await seen(sid, { order_by: 'id', sort: 'desc' }, (list) => list.length === 2);
  expect(all.map((one) => [Number(one.id), Number(one.iid)])).toEqual([
    [Number(again.id), 2],
    [id, 1],
  ]);
  expect(runner.started).toHaveLength(1);

  // T32: nothing of what was said holds a secret of the job.
  const texts = [await sid.deployments(PROJECT, {}), await sid.deployment(PROJECT, id), await sid.project(PROJECT)];
  const secrets = secretsOf(story, job);
  expect(secrets.length).toBeGreaterThan(2);
  for (const { text } of texts) for (const secret of secrets) expect(text.includes(secret), secret).toBe(false);
}

/** Values of the job that are not public, those of its own token among them. */
function secretsOf(story: Story, job: number): string[] {
  const payload = JSON.parse(story.gitlab.job(job).payload ?? '{}') as {
    readonly token?: string;
    readonly variables?: readonly { readonly value: string; readonly public: boolean }[];
  };
  const hidden = (payload.variables ?? []).filter((one) => !one.public).map(({ value }) => value);
  return [...hidden, payload.token ?? ''].filter((value) => value.length >= 8);
}

async function passConfiguration(story: Story, job: number): Promise<void> {
  const hold: HoldDetail = await story.hold(job, 'waiting_for_approval');
  const jonas = await story.as('jonas');
  const answer = await jonas.post(`holds/${hold.id}/approve`, { digest: hold.digest });
  if (answer.status !== 200) throw new Error(`configuration: ${answer.status} ${JSON.stringify(answer.body)}`);
}
