import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type AuditRow, chain, EMPTY_HEAD } from '../../agent/src/domain/audit.ts';
import { runCli } from '../support/cli.ts';
import { type FakeHub, startFakeHub } from '../support/fake-hub.ts';

let folder: string;
let hub: FakeHub;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'holdpoint-audit-'));
  hub = await startFakeHub();
});
afterEach(async () => {
  await hub.close();
  rmSync(folder, { recursive: true, force: true });
});

function history(count: number): AuditRow[] {
  const rows: AuditRow[] = [];
  for (let i = 1; i <= count; i++) {
    rows.push(
      chain(rows.at(-1) ?? EMPTY_HEAD, {
        at: Date.parse('2026-11-22T10:00:00Z') + i,
        actor: 'user:7 maria',
        address: '127.0.0.1',
        event: i % 2 ? 'hold_opened' : 'voted',
        hold: i,
        review: null,
        approval: null,
        digest: null,
        policy: null,
        detail: { comment: `nümber ${i}`, parked_until: null },
      }),
    );
  }
  return rows;
}

const line = (row: AuditRow) => JSON.stringify({ ...row, at: new Date(row.at).toISOString() });
const lines = (rows: readonly AuditRow[]) => rows.map((row) => `${line(row)}\n`).join('');

function verify(text: string, ...argv: string[]) {
  writeFileSync(join(folder, 'audit.jsonl'), text);
  return runCli(['audit', 'verify', 'audit.jsonl', ...argv], { cwd: folder });
}

describe('audit verify', () => {
  it('needs nothing but the export, and tells the head that proves later that nothing was cut off', async () => {
    const rows = history(3);
    const head = `3:${rows[2]!.hash}`;
    const { exit, out } = await verify(lines(rows));
    expect(exit).toBe(0);
    expect(out).toBe(`ok: 3 rows, head ${head}; keep the head to prove later that nothing was cut off\n`);
    expect(await verify(lines(rows), '--head', head, '--json')).toEqual({
      exit: 0,
      out: `${JSON.stringify({ ok: true, rows: 3, head: { seq: 3, hash: rows[2]!.hash } })}\n`,
      err: '',
    });
    expect((await verify(lines(rows).trimEnd())).exit).toBe(0);
  });

  /** What is done to the rows → what is said of it. */
  const DAMAGE: readonly (readonly [string, (rows: AuditRow[]) => string, RegExp])[] = [
    ['a row changed', (rows) => lines(rows).replace('nümber 2', 'nümber 9'), /row 2 was changed/],
    ['a row removed', (rows) => lines(rows.filter((row) => row.seq !== 2)), /row 2 was removed/],
    ['the first row removed', (rows) => lines(rows.slice(1)), /row 1 was removed/],
    ['a row twice', (rows) => lines([...rows.slice(0, 2), ...rows.slice(1)]), /row 2 was inserted/],
    ['two rows exchanged', (rows) => lines([rows[0]!, rows[2]!, rows[1]!, rows[3]!]), /row 2 was removed/],
    [
      'a row made up',
      (rows) => lines([rows[0]!, { ...rows[1]!, actor: 'user:1 eve' }, ...rows.slice(2)]),
      /row 2 was changed/,
    ],
    ['a line cut off', (rows) => lines(rows).slice(0, -40), /line 4 of the export is not JSON/],
    [
      'a key added',
      (rows) => lines(rows).replace('"event"', '"extra":1,"event"'),
      /line 1 of the export is no audit row/,
    ],
    [
      'a key twice, which a reader could see otherwise (T2)',
      (rows) => lines(rows).replace('"actor":', '"actor":"user:1 eve","actor":'),
      /line 1 of the export is not written as an export writes it/,
    ],
    [
      'a key under another escape',
      (rows) => lines(rows).replace('maria', 'm\\u0061ria'),
      /line 1 of the export is not written/,
    ],
    ['another language', () => 'hello\n', /line 1 of the export is not JSON/],
  ];
  it.each(DAMAGE)('finds %s and ends with 1 (T34)', async (_, damage, expected) => {
    const { exit, out, err } = await verify(damage(history(4)));
    expect({ exit, out }).toEqual({ exit: 1, out: '' });
    expect(err).toMatch(expected);
  });

  it('finds a missing end by a head that was kept (T34)', async () => {
    const rows = history(4);
    const { exit, err } = await verify(lines(rows.slice(0, 3)), '--head', `4:${rows[3]!.hash}`);
    expect(exit).toBe(1);
    expect(err).toMatch(/truncated/);
    expect((await verify(lines(rows), '--head', `3:${rows[2]!.hash}`)).exit).toBe(1);
  });

  it('does not call an empty file fine', async () => {
    expect(await verify('')).toMatchObject({ exit: 2, err: expect.stringMatching(/has no row in it/) });
  });

  it('reads a history of many rows piece by piece', async () => {
    const rows = history(5_000);
    expect((await verify(lines(rows))).out).toMatch(/^ok: 5000 rows/);
  });
});

describe('audit export and list', () => {
  it('export what the hub sends as it is, to standard output or a new file of mode 600, that verify takes', async () => {
    const text = lines(history(3));
    const env = { HOLDPOINT_HUB_URL: hub.url };
    hub.answer('/api/v1/audit/export', (response) => response.end(text));
    expect(await runCli(['audit', 'export'], { env, cwd: folder })).toEqual({ exit: 0, out: text, err: '' });
    hub.answer('/api/v1/audit/export', (response) => response.end(text));
    expect((await runCli(['audit', 'export', '--out', 'e.jsonl'], { env, cwd: folder })).exit).toBe(0);
    expect(readFileSync(join(folder, 'e.jsonl'), 'utf8')).toBe(text);
    expect(statSync(join(folder, 'e.jsonl')).mode & 0o777).toBe(0o600);
    expect((await runCli(['audit', 'verify', 'e.jsonl'], { cwd: folder })).exit).toBe(0);
    hub.answer('/api/v1/audit/export', (response) => response.end(text));
    expect((await runCli(['audit', 'export', '--out', 'e.jsonl'], { env, cwd: folder })).exit).toBe(2);
    hub.answer('/api/v1/audit/export', (response) =>
      response.writeHead(200, { 'content-length': '9999' }).write(text, () => response.destroy()),
    );
    expect((await runCli(['audit', 'export'], { env, cwd: folder })).exit).toBe(6);
  });

  it('list the last rows, the newest at the end', async () => {
    hub.lists.set(
      '/api/v1/audit',
      history(5).map((row) => JSON.parse(line(row))),
    );
    const env = { HOLDPOINT_HUB_URL: hub.url };
    const { exit, out, err } = await runCli(['audit', 'list', '--last', '2'], { env });
    expect(exit).toBe(0);
    expect(out).toBe(
      '4  2026-11-22 10:00 UTC  voted  user:7 maria from 127.0.0.1  hold 4\n' +
        '5  2026-11-22 10:00 UTC  hold_opened  user:7 maria from 127.0.0.1  hold 5\n',
    );
    expect(JSON.parse((await runCli(['audit', '--json', 'list'], { env })).out).items).toHaveLength(5);
    expect(err).toBe('the last 2 rows; --last N shows more\n');
  });
});
