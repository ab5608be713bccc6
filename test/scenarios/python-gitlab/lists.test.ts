import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { run } from '../../support/gitlab-clients/run.ts';
import { startHub, type TestHub } from '../../support/hub-server.ts';
import { asker } from '../../support/v4.ts';

const COMMAND = process.env.PYTHON_GITLAB_PATH ?? '/usr/bin/python-gitlab';
let hub: TestHub;
let token: string;
beforeEach(async () => {
  hub = await startHub();
  token = await hub.token('maria', ['read', 'approve', 'deploy']);
});
afterEach(() => hub.close());

async function gitlab(...args: readonly string[]) {
  const said = await run(COMMAND, ['--server-url', hub.url, '--private-token', token, '--output', 'json', ...args]);
  return { ...said, json: said.exit === 0 && said.out.trim() !== '' ? JSON.parse(said.out) : null };
}

describe("protected environments by way of python-gitlab's command", () => {
  it('are listed over several pages, shown and taken away', async () => {
    const maria = await asker(hub, 'maria');
    for (const name of ['a', 'b', 'c', 'review/main', 'z'])
      await maria.post('/projects/4242/protected_environments', { name, deploy_access_levels: [{ access_level: 40 }] });
    const of = ['project-protected-environment', '--project-id', 'acme/payments/api'];
    const [resource, ...project] = of as [string, string, string];
    const list = await gitlab('--per-page', '2', resource, 'list', ...project, '--get-all');
    expect(list.json.map((one: { name: string }) => one.name)).toEqual(['a', 'b', 'c', 'review/main', 'z']);
    const one = await gitlab(resource, 'get', ...project, '--name', 'review/main');
    expect(one.json).toMatchObject({
      name: 'review/main',
      deploy_access_levels: [{ access_level_description: 'Maintainers' }],
    });
    expect(await gitlab(resource, 'delete', ...project, '--name', 'review/main')).toMatchObject({ exit: 0 });
    const gone = await gitlab(resource, 'get', ...project, '--name', 'review/main');
    expect(gone).toMatchObject({ exit: 1, err: expect.stringContaining('404: 404 Not found') });
  }, 300_000);

  it('asks who it is first, and shows a project by its path', async () => {
    expect((await gitlab('current-user', 'get')).json).toMatchObject({ id: 21, username: 'maria' });
    expect((await gitlab('project', 'get', '--id', 'acme/payments/api')).json).toMatchObject({ id: 4242 });
    const environments = await gitlab('project-environment', 'list', '--project-id', '4242');
    expect(environments.json).toEqual([]);
  }, 300_000);
});
