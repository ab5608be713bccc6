import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { NOTED_EVENTS } from '../../agent/src/app/notify/make.ts';
import { PAGES } from '../../agent/src/app/notify/paths.ts';
import { loadConfig } from '../../agent/src/config/load.ts';
import { readPolicy } from '../../agent/src/directories/policy-file.ts';
import { AUDIT_EVENTS } from '../../agent/src/domain/audit-events.ts';
import { CHANNEL_KINDS, MAX_TRIES, nextTry } from '../../agent/src/domain/notify/delivery.ts';
import { NOTICE_EVENTS, NOTICES, noticeOf } from '../../agent/src/domain/notify/notice.ts';
import { namedChannels } from '../../agent/src/domain/notify/notify-policy.ts';
import { cloudEventOf, signatureOf } from '../../agent/src/notify/webhook.ts';
import { PAGE_PATHS } from '../../agent/src/wire/page-paths.ts';
import { ROOT } from '../support/source-files.ts';

const path = join(ROOT, 'agent/docs/notifications.md');
const rows = NOTICE_EVENTS.map((event) => {
  const { severity, to, words } = NOTICES[event];
  return `| \`${event}\` | ${severity} | ${to.join(', ')} | ${words} |`;
});
/** Blocks of code in this language, as they stand on the page. */
const blocks = (language: string): string[] =>
  [...readFileSync(path, 'utf8').matchAll(new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\``, 'gm'))].map(
    (one) => one[1]!,
  );

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'holdpoint-docs-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

describe('the page on notifications', () => {
  it('has every event with its severity and whom it is for, and no other', () => {
    const text = readFileSync(path, 'utf8');
    const table = /(\| event \| severity .*\n.*\n)((?:\|.*\n)+|EVENTS\n)/.exec(text)!;
    if (process.env.UPDATE_DOCS === '1') writeFileSync(path, text.replace(table[0], `${table[1]}${rows.join('\n')}\n`));
    const found = /\| event \| severity .*\n.*\n((?:\|.*\n)+)/.exec(readFileSync(path, 'utf8'))?.[1];
    expect(found?.trimEnd().split('\n')).toEqual(rows);
  });

  it('has a configuration and a policy that are taken, and speak of the same channels', () => {
    const [config, policy] = blocks('yaml') as [string, string];
    for (const file of ['bot.token', 'mail.password', 'pager.secret', 'team.url'])
      writeFileSync(join(folder, file), 'https://chat.example.com/a-long-secret', { mode: 0o600 });
    writeFileSync(join(folder, 'principals.yaml'), 'users: []\n');
    writeFileSync(
      join(folder, 'agent.yml'),
      `gitlab: { url: https://gitlab.example.com }\nprincipals: principals.yaml\n${config}runners: [{ name: a, token: glrt-t1_AbCdEfGhIjKlMnOpQrSt }]\n`,
    );
    const { hub } = loadConfig({ flags: { config: join(folder, 'agent.yml') }, env: {}, cwd: folder });
    const { notify } = readPolicy(policy, 'policy.yaml');
    expect(hub.notify.map(({ name }) => name)).toEqual(['mail', 'pager', 'team', 'notes']);
    const named = namedChannels(notify!).map(({ name }) => name);
    expect([...new Set(named)].sort()).toEqual(['mail', 'notes', 'pager', 'team']);
    for (const kind of CHANNEL_KINDS) expect(readFileSync(path, 'utf8')).toContain(`\`${kind}\``);
  });

  it('has code that knows a message of ours, and no other', async () => {
    const [code] = blocks('js') as [string];
    const file = join(folder, 'genuine.mjs');
    writeFileSync(file, code);
    const { isGenuine } = (await import(file)) as {
      isGenuine: (secret: string, headers: object, body: string, now?: number) => boolean;
    };
    const notice = noticeOf('audit-1', 'review_opened', 0);
    const body = JSON.stringify(cloudEventOf(notice, 'https://holdpoint.example.com'));
    for (const secret of ['any text of twenty-four bytes', `whsec_${Buffer.alloc(32, 3).toString('base64')}`]) {
      const key = secret.startsWith('whsec_') ? Buffer.alloc(32, 3) : Buffer.from(secret);
      const headers = {
        'webhook-id': 'audit-1',
        'webhook-timestamp': '1000',
        'webhook-signature': signatureOf(key, 'audit-1', 1_000, body),
      };
      expect(isGenuine(secret, headers, body, 1_100)).toBe(true);
      expect(isGenuine(secret, headers, body, 2_000)).toBe(false);
      expect(isGenuine(secret, headers, `${body} `, 1_100)).toBe(false);
      expect(isGenuine(secret, { ...headers, 'webhook-id': 'audit-2' }, body, 1_100)).toBe(false);
      expect(isGenuine('another secret of so many bytes', headers, body, 1_100)).toBe(false);
      expect(isGenuine(secret, {}, body, 1_100)).toBe(false);
    }
  });

  it('says how often and how long it is tried', () => {
    let all = 0;
    for (let tries = 1; tries < MAX_TRIES; tries++) all += nextTry(tries, 0.5, 0)!;
    const [, tries, minutes] = /tried again, (\d+) times in about (\d+) minutes/.exec(readFileSync(path, 'utf8'))!;
    expect(Number(tries)).toBe(MAX_TRIES);
    expect(Math.abs(all / 60_000 - Number(minutes))).toBeLessThan(5);
  });
});

describe('the table of notices', () => {
  it('is made of events that the audit knows', () => {
    for (const event of NOTED_EVENTS) expect(Object.keys(AUDIT_EVENTS)).toContain(event);
  });

  it('leads to views that the page has', () => {
    const views: readonly string[] = Object.values(PAGE_PATHS);
    for (const to of Object.values(PAGES)) {
      const view = typeof to === 'string' ? to : to(12).replace('12', ':id');
      expect(views).toContain(view);
    }
  });
});
