import { GitbeakerRequestError, Gitlab } from '@gitbeaker/rest';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { startHub, type TestHub } from '../../support/hub-server.ts';

let hub: TestHub;
let maria: InstanceType<typeof Gitlab>;
beforeEach(async () => {
  hub = await startHub();
  maria = new Gitlab({ host: hub.url, token: await hub.token('maria', ['read', 'approve', 'deploy']) });
});
afterEach(() => hub.close());

// By number: this tool does not encode the slashes of a path here.
const PROJECT = 4242;
const ids = (list: unknown) => (list as { id: number }[]).map(({ id }) => id);

describe('protected environments by way of @gitbeaker/rest', () => {
  it('are made, shown, changed, listed and taken away again', async () => {
    const { ProjectProtectedEnvironments: environments } = maria;
    const made = await environments.create(PROJECT, 'production', [{ accessLevel: 40 }], {
      approvalRules: [{ userId: 22 }],
    });
    expect(made).toMatchObject({
      name: 'production',
      deploy_access_levels: [{ access_level: 40, access_level_description: 'Maintainers' }],
      approval_rules: [{ user_id: 22, required_approvals: 1 }],
      required_approval_count: 0,
    });
    const [rule] = ids(made.approval_rules);
    const changed = await environments.edit(PROJECT, 'production', {
      approvalRules: [{ id: rule, required_approvals: 2 } as never],
    });
    expect(changed.approval_rules).toMatchObject([{ id: rule, user_id: 22, required_approvals: 2 }]);
    expect(await environments.show(PROJECT, 'production')).toEqual(changed);
    expect(await environments.all(PROJECT)).toEqual([changed]);
    await environments.remove(PROJECT, 'production');
    await expect(environments.show(PROJECT, 'production')).rejects.toThrow('404 Not found');
  });

  it('are walked through page by page', async () => {
    const { ProjectProtectedEnvironments: environments } = maria;
    const names = ['a', 'b', 'c', 'd', 'e'];
    for (const name of names) await environments.create(PROJECT, name, [{ accessLevel: 40 }]);
    const all = await environments.all(PROJECT, { perPage: 2 });
    expect(all.map(({ name }) => name)).toEqual(names);
    const { paginationInfo } = await environments.all(PROJECT, {
      perPage: 2,
      page: 2,
      maxPages: 1,
      showExpanded: true,
    });
    expect(paginationInfo).toMatchObject({ total: 5, current: 2, next: 3, previous: 1, perPage: 2, totalPages: 3 });
  });

  it('are refused with the sentence of GitLab as the message of the error', async () => {
    const { ProjectProtectedEnvironments: environments } = maria;
    await environments.create(PROJECT, 'production', [{ accessLevel: 40 }]);
    const again = await environments.create(PROJECT, 'production', [{ accessLevel: 40 }]).catch((error) => error);
    expect(again).toBeInstanceOf(GitbeakerRequestError);
    expect(again.message).toBe("Environment 'production' is already protected");
    expect(again.cause.response.status).toBe(409);
  });
});
