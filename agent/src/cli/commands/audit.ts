import { createWriteStream } from 'node:fs';
import { resolve } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Command } from 'commander';
import { systemErrorWords } from '../../config/system-error.ts';
import { HoldpointError } from '../../domain/errors.ts';
import { printable } from '../../domain/printable.ts';
import { type AuditRow, auditRowSchema } from '../../wire/api.ts';
import { verifyAuditFile } from '../audit-file.ts';
import type { HubClient, Query } from '../client.ts';
import { connectHub, idOf, withHub } from '../connect.ts';
import type { CommandContext } from '../context.ts';
import { minute } from '../render.ts';

/** Rows of a list unless more are asked for: two screens. */
const DEFAULT_ROWS = 50;

function rowText(row: AuditRow): string {
  const about = [
    row.hold === null ? null : `hold ${row.hold}`,
    row.review === null ? null : `review ${row.review}`,
    row.approval === null ? null : `approval ${row.approval}`,
  ].filter((part) => part !== null);
  const from = row.address === null ? '' : ` from ${row.address}`;
  return printable(`${row.seq}  ${minute(row.at)}  ${row.event}  ${row.actor}${from}  ${about.join(', ')}`).trimEnd();
}

/**
 * The last rows. The hub pages from the oldest on, and a history can have millions: the cursor of a page is the number
 * of its last row, so the end is found by halving, with a few dozen requests of one row.
 */
async function lastRows(hub: HubClient, query: Query, count: number): Promise<AuditRow[]> {
  const after = (seq: number, limit: number) =>
    hub.list('/api/v1/audit', auditRowSchema, { ...query, cursor: seq, limit: Math.min(limit, 100) }, limit);
  let low = 0;
  let high = 1;
  while ((await after(high, 1)).length > 0) [low, high] = [high, high * 2];
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if ((await after(middle, 1)).length > 0) low = middle;
    else high = middle;
  }
  // Rows that this person may not see, or of other Holds, leave gaps: more are read until there are enough.
  for (let reach = count; ; reach *= 4) {
    const rows = await after(Math.max(0, high - reach), reach);
    if (rows.length >= count || reach >= high) return rows.slice(-count);
  }
}

async function list(command: Command, { io, json }: CommandContext): Promise<void> {
  const flags = command.opts<{ hold?: string; last?: string }>();
  const last = flags.last === undefined ? DEFAULT_ROWS : idOf(flags.last, 'row');
  const query = flags.hold === undefined ? {} : { hold: idOf(flags.hold, 'hold') };
  const shown = await lastRows(connectHub(command, io), query, last);
  if (json) return io.out(`${JSON.stringify({ items: shown, next_cursor: null })}\n`);
  if (shown.length === 0) return io.out('Nothing has happened yet.\n');
  for (const row of shown) await io.out(`${rowText(row)}\n`);
  if (shown.length === last && (shown[0]?.seq ?? 1) > 1) io.err(`the last ${last} rows; --last N shows more\n`);
}

async function exportRows(command: Command, { io }: CommandContext): Promise<void> {
  const { out } = command.opts<{ out?: string }>();
  const rows = connectHub(command, io, true).stream('/api/v1/audit/export');
  if (out === undefined) {
    for await (const text of rows) await io.out(text);
    return;
  }
  const file = createWriteStream(resolve(io.cwd, out), { mode: 0o600, flags: 'wx' });
  await pipeline(Readable.from(rows), file).catch((error: unknown) => {
    if (error instanceof HoldpointError) throw error;
    const exists = (error as { code?: unknown }).code === 'EEXIST';
    const why = exists ? 'it exists; give another name' : systemErrorWords(error);
    throw new HoldpointError('bad_input', `--out: cannot write "${out}": ${why}`, { cause: error });
  });
}

function headOf(text: string | undefined): { seq: number; hash: string } | null {
  if (text === undefined) return null;
  const parts = /^([1-9]\d{0,14}):(sha256:[0-9a-f]{64})$/.exec(text);
  if (parts) return { seq: Number(parts[1]), hash: parts[2]! };
  throw new HoldpointError('bad_usage', '--head: wanted NUMBER:sha256:HEX, as an earlier verify has printed it');
}

async function verify(path: string, command: Command, { io, json }: CommandContext): Promise<void> {
  const head = headOf(command.opts<{ head?: string }>().head);
  const report = verifyAuditFile(path === '-' ? path : resolve(io.cwd, path), `"${path}"`, head);
  if (json) return io.out(`${JSON.stringify({ ok: true, ...report })}\n`);
  const end = head === null ? `; keep the head to prove later that nothing was cut off` : '';
  return io.out(`ok: ${report.rows} rows, head ${report.head.seq}:${report.head.hash}${end}\n`);
}

/** `holdpoint audit [list|export|verify FILE]`. */
export function define(command: Command, context: CommandContext): void {
  withHub(command.command('list', { isDefault: true }))
    .description('what happened last, the newest at the end')
    .option('--hold <id>', 'only what concerns this Hold')
    .option('--last <n>', `how many rows (default ${DEFAULT_ROWS})`)
    .action((_, own: Command) => list(own, context));
  withHub(command.command('export'))
    .description('every row as JSON Lines')
    .option('--out <file>', 'write to a new file with mode 600 instead of standard output')
    .action((_, own: Command) => exportRows(own, context));
  command
    .command('verify')
    .description('check the chain of an export, without a hub: a row that was changed, removed or inserted is found')
    .argument('<file>', 'what "audit export" wrote; - for standard input')
    .option('--head <head>', 'NUMBER:HASH of a row that must be the last, as an earlier verify printed it')
    .option('--json', 'answer as JSON')
    .action((path: string, _, own: Command) => verify(path, own, context));
}
