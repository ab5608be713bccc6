import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { OPTIONS } from '../../agent/src/config/options.ts';
import { PURPOSES } from '../../agent/src/domain/gitlab-token.ts';
import type { GitlabTokenView } from '../../agent/src/wire/tokens.ts';
import { runCli } from '../support/cli.ts';
import type { FakeTokenOptions } from '../support/fake-gitlab.ts';
import { BOT, openScene, type Scene } from '../support/scene.ts';
import { turnableClock } from '../support/turnable-clock.ts';

const MINUTE = 60_000;
const PERSON = { id: 31, username: 'olga', name: 'Olga Owner' };

let scene: Scene;
let clock: ReturnType<typeof turnableClock>;
afterEach(() => scene.close());

async function open(options: {
  readonly bot?: readonly ('read' | 'retry' | 'status')[];
  readonly readToken?: boolean;
}) {
  clock = turnableClock();
  scene = await openScene({ clock, ...options });
}
/** Puts another token into the file of the hub's bot, and lets the minute pass for which an answer is kept. */
function rotateInto(user: typeof BOT | typeof PERSON, options: FakeTokenOptions): string {
  const token = scene.gitlab.personToken(user, options);
  writeFileSync(join(scene.folder, 'bot.token'), token, { mode: 0o600 });
  clock.advance(MINUTE);
  return token;
}
async function rows(): Promise<Readonly<Record<string, GitlabTokenView>>> {
  const admin = await scene.as('maria', ['read', 'admin']);
  const { body } = await admin.get<{ items: GitlabTokenView[] }>('tokens/gitlab');
  return Object.fromEntries(body.items.map((item) => [item.purpose, item]));
}

describe("GitLab's tokens that the operator gave", () => {
  it('each has its purpose, its setting, the least scope, whose name appears, its end, its last use and whether it works', async () => {
    await open({ bot: ['read', 'retry', 'status'], readToken: true });
    const { retry, facts } = await rows();
    expect(retry).toMatchObject({
      setting: 'hub.gitlab_token_file',
      state: 'valid',
      valid: true,
      owner: { ...BOT },
      scopes: ['api'],
      least_scopes: ['api'],
      problems: [],
    });
    expect(retry!.does).toContain('its owner shows as who retried the job');
    expect(retry!.expires_at).toMatch(/^\d{4}-\d\d-\d\d$/);
    expect(retry!.last_used_at).not.toBeNull();
    expect(facts).toMatchObject({
      setting: 'gitlab.token_file',
      state: 'valid',
      scopes: ['read_api'],
      least_scopes: ['read_api'],
      problems: [],
    });
  });

  it('T24 none of their texts is in the answer, the command line, the log or the audit', async () => {
    await open({ bot: ['read'] });
    const token = rotateInto(BOT, { may: ['read'] });
    const shown = JSON.stringify(await rows());
    const admin = await scene.as('maria', ['read', 'admin']);
    const run = await runCli(['token', 'gitlab', '--hub', scene.agent.hubUrl], {
      env: { HOLDPOINT_TOKEN: admin.token },
    });
    const audit = JSON.stringify((await admin.get('audit')).body);
    for (const text of [shown, run.out, run.err, audit, scene.log.lines.join('\n')]) {
      expect(text).not.toContain(token);
      expect(text).not.toContain(token.slice(6));
    }
    expect(run.out).toContain('hub.gitlab_token_file');
  });

  it('says what is wrong: too wide a scope, one that lacks, a person instead of a bot, no end, an end that is near', async () => {
    await open({ bot: ['read'] });
    const soon = new Date(clock.now() + 5 * 24 * 60 * MINUTE).toISOString().slice(0, 10);
    rotateInto(PERSON, { scopes: ['api', 'sudo'], expiresAt: null });
    expect((await rows()).retry!.problems).toEqual([
      'it has the scope sudo, api is enough: make one with less',
      'it has no end: make one that ends within a year',
      "it is olga's own: it ends when they leave; a project or group token is nobody's",
    ]);
    rotateInto(BOT, { scopes: ['read_api'], expiresAt: soon });
    expect((await rows()).retry!.problems).toEqual([
      'it lacks the scope api: it does not do what it is for',
      expect.stringMatching(/^it ends in [45] days: rotate it in GitLab/),
    ]);
  });

  it('says so when one has ended, is away from its file, is not set, or GitLab cannot be asked; and the exit code too', async () => {
    await open({ bot: ['read'] });
    const token = rotateInto(BOT, {});
    expect((await rows()).facts).toMatchObject({ state: 'missing', valid: false, owner: null });
    scene.gitlab.revokePersonToken(token);
    clock.advance(MINUTE);
    expect((await rows()).retry).toMatchObject({ state: 'refused', valid: false });
    const admin = await scene.as('maria', ['read', 'admin']);
    const run = await runCli(['token', 'gitlab', '--hub', scene.agent.hubUrl], {
      env: { HOLDPOINT_TOKEN: admin.token },
    });
    expect(run.exit).toBe(1);
    expect(run.out).toContain('it has ended, was revoked or is mistyped');
    rotateInto(BOT, {});
    const heal = scene.gitlab.fail({ match: (_, path) => path.includes('personal_access_tokens'), how: 'reset' });
    expect((await rows()).retry).toMatchObject({ state: 'unreachable', valid: false });
    heal();
    rmSync(join(scene.folder, 'bot.token'));
    expect((await rows()).retry).toMatchObject({ state: 'unreadable', valid: false });
  });

  it('a token that works and of which GitLab tells nothing is shown with its owner', async () => {
    await open({ bot: ['read'] });
    rotateInto(BOT, {});
    scene.gitlab.fail({ match: (_, path) => path.includes('personal_access_tokens'), how: 'status', status: 404 });
    expect((await rows()).retry).toMatchObject({ state: 'unknown', valid: false, owner: { username: BOT.username } });
  });

  it('names each by the key that stands in agent.yml, and tells of all that there are', async () => {
    await open({ bot: ['read'] });
    const keys = OPTIONS.map(({ key }) => key).filter((key) => /gitlab.*token_file$/.test(key));
    const shown = Object.values(await rows()).map(({ setting }) => setting);
    expect(shown.sort()).toEqual(keys.sort());
    expect(
      Object.values(PURPOSES)
        .map(({ setting }) => setting)
        .sort(),
    ).toEqual(keys.sort());
  });

  it('is for administrators alone', async () => {
    await open({ bot: ['read'] });
    const maria = await scene.as('maria');
    expect((await maria.get<{ code: string }>('tokens/gitlab')).body.code).toBe('forbidden');
  });
});
