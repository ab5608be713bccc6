import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { V4_ERRORS, type V4Code } from '../../agent/src/hub/v4/error-table.ts';
import { V4Error } from '../../agent/src/hub/v4/errors.ts';
import { v4Routes } from '../../agent/src/hub/v4/routes.ts';
import { errorsTable, routesTable, withPart } from '../support/gitlab-api-page.ts';
import { hubWorld } from '../support/hub-world.ts';
import { keepingLog } from '../support/scene.ts';
import { ROOT, sourceFiles } from '../support/source-files.ts';

const PATH = join(ROOT, 'agent/docs/gitlab-api.md');
const codes = Object.keys(V4_ERRORS) as V4Code[];

describe("the page about GitLab's API", () => {
  it('has every route and every error of the code, word by word, and no other', async () => {
    const { context, store } = await hubWorld();
    const routes = v4Routes({ hub: context, gitlabUrl: null, log: keepingLog(), version: '0' });
    await store.close();
    const before = readFileSync(PATH, 'utf8');
    const wanted = withPart(withPart(before, 'routes', routesTable(routes)), 'errors', errorsTable());
    if (process.env.UPDATE_DOCS === '1') writeFileSync(PATH, wanted);
    expect(readFileSync(PATH, 'utf8')).toBe(wanted);
    expect(routes.length).toBeGreaterThan(15);
  });

  it('names no error that nothing answers', () => {
    const code = sourceFiles('agent/src/hub/v4')
      .filter(({ path }) => !path.endsWith('/error-table.ts'))
      .map(({ text }) => text)
      .join('\n');
    expect(codes.filter((one) => !code.includes(`'${one}'`))).toEqual([]);
  });

  it('has no answer whose text does not stand in the table', () => {
    const wild = sourceFiles('agent/src/hub/v4')
      .filter(({ path }) => !/\/(error-table|errors|pending|plugin)\.ts$/.test(path))
      .filter(({ text }) => /\bmessage:|\berror:|\bstatus: [45]\d\d/.test(text));
    expect(wild.map(({ path }) => path)).toEqual([]);
  });

  it("gives each error the status of its row and a body that GitLab's clients read", () => {
    for (const code of codes) {
      const { status, body } = new V4Error(code, { name: 'x' });
      expect(status).toBe(V4_ERRORS[code].status);
      expect(body.message ?? body.error).toBeDefined();
      expect(status).toBeGreaterThanOrEqual(400);
    }
  });

  it('keeps the sentence for those who may not approve as it was asked for', () => {
    expect(new V4Error('may_not_approve')).toMatchObject({
      status: 400,
      body: {
        message: "You don't have permission to review this deployment. Contact the project or group owner for help.",
      },
    });
  });
});
