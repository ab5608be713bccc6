import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type AuditRow, chain } from '../../agent/src/domain/audit.ts';
import { pemOf } from '../../agent/src/domain/hub-key.ts';
import { headLine, history, rowText as line, lines } from '../support/audit-export.ts';
import { auditKeeper } from '../support/audit-keeper.ts';
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

const { signer } = auditKeeper();
const other = auditKeeper(2).signer;
const signedLines = (rows: readonly AuditRow[], by = signer): string => lines(rows) + headLine(rows, by);

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
      out: `${JSON.stringify({ ok: true, rows: 3, head: { seq: 3, hash: rows[2]!.hash }, signed: null, pinned: false })}\n`,
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

  it('proves the end and the order by the head that the hub has signed, under the key that was pinned', async () => {
    const rows = history(9);
    writeFileSync(join(folder, 'hub.pem'), pemOf(signer.publicKey));
    for (const key of [signer.keyid, 'hub.pem']) {
      const { exit, out, err } = await verify(signedLines(rows), '--key', key);
      expect({ exit, err }).toEqual({ exit: 0, err: '' });
      expect(out).toBe(`ok: 9 rows, head 9:${rows[8]!.hash}, signed 2026-11-22 11:00 UTC with key ${signer.keyid}\n`);
    }
    expect(JSON.parse((await verify(signedLines(rows), '--json', '--key', signer.keyid)).out)).toEqual({
      ok: true,
      rows: 9,
      head: { seq: 9, hash: rows[8]!.hash },
      signed: { at: '2026-11-22T11:00:00.000Z', keyid: signer.keyid },
      pinned: true,
    });
  });

  it('says what is not proved without a pinned key, and without a signed head (T28)', async () => {
    const rows = history(3);
    const { exit, err } = await verify(signedLines(rows));
    expect(exit).toBe(0);
    expect(err).toMatch(new RegExp(`^not proved: that key ${signer.keyid} is your hub's.*--key`));
    expect((await verify(lines(rows))).err).toMatch(/^not proved: where it ended and whose it is/);
  });

  /** What is done to a signed export of nine rows → what is said of it. */
  const FORGED: readonly (readonly [string, (rows: AuditRow[]) => string, RegExp])[] = [
    [
      'the end cut off, its head left',
      (rows) => lines(rows.slice(0, 7)) + headLine(rows, signer),
      /line 8:.*truncated/,
    ],
    ['rows behind the head', (rows) => signedLines(rows.slice(0, 7)) + lines(rows.slice(7)), /line 9 .*was added/],
    [
      'rows before the head that it does not cover',
      (rows) => lines(rows) + headLine(rows.slice(0, 7), signer),
      /inserted/,
    ],
    ['two heads', (rows) => signedLines(rows) + headLine(rows, signer), /line 11 .*was added/],
    ['the head cut off', (rows) => lines(rows), /without a signed head: it was cut off/],
    ['the head of another key', (rows) => signedLines(rows, other), /of another hub, or was made up/],
    [
      'the head of another key under the name of ours',
      (rows) => signedLines(rows, other).replaceAll(other.keyid, signer.keyid),
      /of another hub, or was made up/,
    ],
    [
      'our key beside the signature of another',
      (rows) => signedLines(rows, { ...other, publicKey: signer.publicKey, keyid: signer.keyid }),
      /signed by somebody else/,
    ],
    ['the whole chain written anew', () => signedLines(history(9).slice(0, 8), other), /of another hub/],
    [
      'a row changed and everything hashed again',
      (rows) => {
        const forged = rows.slice(0, 4);
        for (const row of rows.slice(4)) {
          const { seq: _, prev: _p, hash: _h, ...entry } = row;
          forged.push(chain(forged.at(-1)!, row.seq === 5 ? { ...entry, actor: 'user:9 eve' } : entry));
        }
        return lines(forged) + headLine(rows, signer);
      },
      /the end of the export, line 10: .*ended in another row/,
    ],
    [
      'a row changed',
      (rows) => signedLines(rows).replace('nümber 5', 'nümber 6'),
      /line 5 of the export: audit row 5 was changed/,
    ],
    [
      'a row removed',
      (rows) => lines(rows.filter((row) => row.seq !== 5)) + headLine(rows, signer),
      /line 5 of the export: audit row 5 was removed/,
    ],
    [
      'the head changed',
      (rows) => {
        const { signed_head, public_key } = JSON.parse(headLine(rows, signer));
        const said = Buffer.from(signed_head.payload, 'base64').toString().replace('"seq":9', '"seq":8');
        const bent = { ...signed_head, payload: Buffer.from(said).toString('base64') };
        return `${lines(rows.slice(0, 8))}${JSON.stringify({ signed_head: bent, public_key })}\n`;
      },
      /signature that does not fit/,
    ],
    [
      'a head that names another root',
      (rows) => lines(rows) + headLine([...history(3), rows.at(-1)!], signer),
      /another hash over all rows/,
    ],
    [
      'another member in the head line',
      (rows) => signedLines(rows).replace(/"public_key"/, '"more":1,"public_key"'),
      /line 10 .*no signed head/,
    ],
  ];
  it.each(FORGED)('finds %s, and ends with 1 (T28, T34)', async (_, forge, expected) => {
    const { exit, out, err } = await verify(forge(history(9)), '--key', signer.keyid);
    expect({ exit, out }).toEqual({ exit: 1, out: '' });
    expect(err).toMatch(expected);
  });

  it('takes an export that goes on from an earlier head, and none that does not (T34)', async () => {
    const rows = history(9);
    expect((await verify(signedLines(rows), '--earlier', `4:${rows[3]!.hash}`)).exit).toBe(0);
    const forked = await verify(signedLines(rows), '--earlier', `4:sha256:${'0'.repeat(64)}`);
    expect([forked.exit, forked.err]).toEqual([1, expect.stringMatching(/row 4 of the export is not/)]);
    expect((await verify(signedLines(rows.slice(0, 3)), '--earlier', `4:${rows[3]!.hash}`)).exit).toBe(1);
  });

  it('refuses a key that is none', async () => {
    writeFileSync(join(folder, 'no.pem'), 'hello');
    expect(await verify(signedLines(history(1)), '--key', 'no.pem')).toMatchObject({ exit: 2 });
    expect(await verify(signedLines(history(1)), '--key', 'absent.pem')).toMatchObject({ exit: 2 });
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
      '4  2026-11-22 10:00 UTC  vote_approve  user:7 maria from 127.0.0.1  hold 4\n' +
        '5  2026-11-22 10:00 UTC  hold_opened  user:7 maria from 127.0.0.1  hold 5\n',
    );
    const all = JSON.parse((await runCli(['audit', '--json', 'list'], { env })).out).items as { seq: number }[];
    expect(all.map((row) => row.seq)).toEqual([1, 2, 3, 4, 5]);
    expect(err).toBe('the last 2 rows; --last N shows more\n');
  });
});
