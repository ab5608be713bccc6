import { createWriteStream, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Command } from 'commander';
import { systemErrorWords } from '../../config/system-error.ts';
import { AUDIT_KINDS, eventsOf, isKnownEvent } from '../../domain/audit-events.ts';
import { checkBundle, MAX_BUNDLE_CHARS } from '../../domain/bundle.ts';
import { bundlePage } from '../../domain/bundle-page.ts';
import { HoldpointError } from '../../domain/errors.ts';
import { keyidOf, publicKeyOfPem } from '../../domain/hub-key.ts';
import { printable } from '../../domain/printable.ts';
import { type AuditRow, auditRowSchema, envelopeSchema, hubKeySchema, signedHeadSchema } from '../../wire/audit.ts';
import { keyFor, openAuditFile, type PinnedKey, verifyExport } from '../audit-file.ts';
import { rowLine, timelineLine } from '../audit-lines.ts';
import type { HubClient, Query } from '../client.ts';
import { connectHub, idOf, withHub } from '../connect.ts';
import type { CommandContext } from '../context.ts';
import type { Io } from '../io.ts';
import { minute } from '../render.ts';
import { verifySignature } from '../signature.ts';

/** Rows of a list unless more are asked for: two screens. */
const DEFAULT_ROWS = 50;

const FILTERS = ['hold', 'review', 'deployment', 'approval', 'project', 'person', 'event', 'since', 'until'] as const;
type Filters = Partial<Record<(typeof FILTERS)[number] | 'last', string>>;

function requireKnown(event: string): void {
  const strangers = event.split(',').filter((word) => eventsOf(word).length === 1 && !isKnownEvent(word));
  if (strangers.length === 0) return;
  throw new HoldpointError(
    'bad_usage',
    `--event: no event is called ${strangers.join(', ')}; kinds are ${AUDIT_KINDS.join(', ')}`,
  );
}

async function list(command: Command, { io, json }: CommandContext): Promise<void> {
  const flags = command.opts<Filters>();
  const last = flags.last === undefined ? DEFAULT_ROWS : idOf(flags.last, 'row');
  const query = Object.fromEntries(FILTERS.flatMap((name) => (flags[name] === undefined ? [] : [[name, flags[name]]])));
  for (const name of ['hold', 'review', 'approval', 'deployment'] as const)
    if (flags[name] !== undefined) idOf(flags[name], name);
  const wanted = { ...query, sort: 'desc', limit: Math.min(last, 100) };
  const shown = (await connectHub(command, io).list('/api/v1/audit', auditRowSchema, wanted, last)).reverse();
  if (json) return io.out(`${JSON.stringify({ items: shown, next_cursor: null })}\n`);
  if (shown.length === 0) {
    if (flags.event !== undefined) requireKnown(flags.event);
    return io.out('Nothing of the kind has happened yet.\n');
  }
  for (const row of shown) await io.out(`${rowLine(row)}\n`);
  if (shown.length === last && (shown[0]?.seq ?? 1) > 1) io.err(`the last ${last} rows; --last N shows more\n`);
}

const THINGS = ['hold', 'review', 'approval', 'deployment', 'project', 'person'] as const;

/** What decides a Hold may have happened on another one that waited for the same answer, or on the question alone. */
const ANSWERS = [
  'review_opened',
  'review_closed',
  'voted',
  'withdrawn',
  'approved',
  'revoked',
  'exception_used',
].join();

/** The rows of a Hold or Deployment with those of its Reviews, Approvals and (of a Deployment) its Hold, in order. */
async function withAnswers(hub: HubClient, thing: string, own: readonly AuditRow[]): Promise<readonly AuditRow[]> {
  if (thing !== 'hold' && thing !== 'deployment') return own;
  const rows = new Map(own.map((row) => [row.seq, row]));
  const add = async (query: Query): Promise<void> => {
    for (const row of await hub.list('/api/v1/audit', auditRowSchema, { ...query, sort: 'asc' }))
      rows.set(row.seq, row);
  };
  const ids = (name: 'hold' | 'review' | 'approval') =>
    new Set([...rows.values()].flatMap((row) => (row[name] === null ? [] : [row[name]])));
  if (thing === 'deployment') for (const hold of ids('hold')) await add({ hold });
  const [reviews, approvals] = [ids('review'), ids('approval')];
  for (const review of reviews) await add({ review, event: ANSWERS });
  for (const approval of approvals) await add({ approval, event: 'approved,revoked' });
  return [...rows.values()].sort((a, b) => a.seq - b.seq);
}

async function timeline(kind: string, id: string, command: Command, { io, json }: CommandContext): Promise<void> {
  const thing = THINGS.find((word) => word === kind);
  if (thing === undefined)
    throw new HoldpointError('bad_usage', `there is no timeline of a "${kind}"; wanted ${THINGS.join(', ')}`);
  const isName = thing === 'project' || thing === 'person';
  const of = isName ? id : idOf(id, thing);
  const hub = connectHub(command, io);
  const own = await hub.list('/api/v1/audit', auditRowSchema, { [thing]: of, sort: 'asc' });
  const rows = await withAnswers(hub, thing, own);
  if (json) return io.out(`${JSON.stringify({ items: rows, next_cursor: null })}\n`);
  if (rows.length === 0) {
    const what = `nothing that you may see has happened with ${thing} ${id}`;
    throw new HoldpointError('not_found', `${what}: "holdpoint audit list" shows what has`);
  }
  for (const row of rows) await io.out(`${timelineLine(row)}\n`);
}

/** Writes a new file that only its owner may read; an existing one is never overwritten. */
function refuseWrite(path: string, flag: string, error: unknown): never {
  if (error instanceof HoldpointError) throw error;
  const why =
    (error as { code?: unknown }).code === 'EEXIST' ? 'it exists; give another name' : systemErrorWords(error);
  throw new HoldpointError('bad_input', `${flag}: cannot write "${path}": ${why}`, { cause: error });
}

async function exportRows(command: Command, { io }: CommandContext): Promise<void> {
  const { out } = command.opts<{ out?: string }>();
  const rows = connectHub(command, io, true).stream('/api/v1/audit/export');
  if (out === undefined) {
    for await (const text of rows) await io.out(text);
    return;
  }
  const file = createWriteStream(resolve(io.cwd, out), { mode: 0o600, flags: 'wx' });
  await pipeline(Readable.from(rows), file).catch((error: unknown) => refuseWrite(out, '--out', error));
}

async function key(command: Command, { io, json }: CommandContext): Promise<void> {
  const found = await connectHub(command, io).get('/api/v1/audit/key', hubKeySchema);
  if (json) return io.out(`${JSON.stringify(found)}\n`);
  await io.out(found.public_key);
  io.err(`key id ${found.keyid}; compare it with what the hub logs at its start\n`);
}

async function head(command: Command, { io, json }: CommandContext): Promise<void> {
  const found = await connectHub(command, io, true).get('/api/v1/audit/head', signedHeadSchema);
  if (json) return io.out(`${JSON.stringify(found)}\n`);
  return io.out(`${found.seq}:${found.hash}\n`);
}

async function bundle(id: string, command: Command, { io, json }: CommandContext): Promise<void> {
  const flags = command.opts<{ deployment?: boolean; out?: string }>();
  const what = flags.deployment === true ? 'deployment' : 'hold';
  const path = `/api/v1/audit/bundle/${what}s/${idOf(id, what)}`;
  const text = JSON.stringify(await connectHub(command, io, true).get(path, envelopeSchema));
  const report = checkBundle(text, verifySignature, null);
  if (flags.out === undefined) return io.out(`${text}\n`);
  const name = `${what}-${id}.bundle`;
  const folder = resolve(io.cwd, flags.out);
  const proof = `Checked when this page was written: ${report.rows} rows of the audit, up to row ${report.head.seq}, signed with key ${report.keyid}. The page itself proves nothing: verify ${name}.json.`;
  const files = [
    [`${name}.json`, `${text}\n`],
    [`${name}.html`, bundlePage(report.statement, proof, { file: `${name}.json`, url: null })],
  ] as const;
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    for (const [file] of files)
      if (existsSync(join(folder, file))) throw Object.assign(new Error(file), { code: 'EEXIST' });
    for (const [file, content] of files) writeFileSync(join(folder, file), content, { mode: 0o600, flag: 'wx' });
  } catch (error) {
    refuseWrite(flags.out, '--out', error);
  }
  if (json) return io.out(`${JSON.stringify({ folder, files: files.map(([file]) => file) })}\n`);
  return io.out(files.map(([file]) => `${join(flags.out!, file)}\n`).join(''));
}

function headOf(text: string | undefined, flag: string): { seq: number; hash: string } | null {
  if (text === undefined) return null;
  const parts = /^([1-9]\d{0,14}):(sha256:[0-9a-f]{64})$/.exec(text);
  if (parts) return { seq: Number(parts[1]), hash: parts[2]! };
  throw new HoldpointError('bad_usage', `${flag}: wanted NUMBER:sha256:HEX, as an earlier verify has printed it`);
}

function pinnedKey(text: string | undefined, io: Io): PinnedKey | null {
  if (text === undefined) return null;
  if (/^[0-9a-f]{64}$/.test(text)) return { keyid: text };
  let pem: string;
  try {
    pem = readFileSync(resolve(io.cwd, text), 'utf8');
  } catch (error) {
    throw new HoldpointError('bad_usage', `--key: cannot read "${text}": ${systemErrorWords(error)}`, { cause: error });
  }
  const publicKey = publicKeyOfPem(pem);
  if (publicKey === null)
    throw new HoldpointError('bad_usage', `--key: "${text}" holds no Ed25519 public key, as "audit key" prints it`);
  return { publicKey };
}

/** What an unpinned key leaves open; said each time, so that "ok" is not taken for more than it is. */
const unpinned = (keyid: string): string =>
  `not proved: that key ${keyid} is your hub's. Give the key or its id, as you got it another way, with --key\n`;

async function verify(path: string, command: Command, { io, json }: CommandContext): Promise<void> {
  const flags = command.opts<{ head?: string; earlier?: string; key?: string }>();
  const pinned = pinnedKey(flags.key, io);
  const expected = {
    head: headOf(flags.head, '--head'),
    earlier: headOf(flags.earlier, '--earlier'),
    key: pinned,
  };
  const file = openAuditFile(path === '-' ? path : resolve(io.cwd, path), `"${path}"`);
  try {
    if (file.isBundle) return await verifyBundle(file.whole(MAX_BUNDLE_CHARS), pinned, io, json);
    const report = verifyExport(file, `"${path}"`, expected);
    const { rows, signed } = report;
    const said = `${report.head.seq}:${report.head.hash}`;
    if (signed !== null && pinned === null) io.err(unpinned(signed.keyid));
    if (json) {
      const at = signed === null ? null : { at: new Date(signed.at).toISOString(), keyid: signed.keyid };
      return await io.out(`${JSON.stringify({ ok: true, ...report, signed: at, pinned: pinned !== null })}\n`);
    }
    if (signed === null) {
      const end = expected.head === null ? '; keep the head to prove later that nothing was cut off' : '';
      io.err('not proved: where it ended and whose it is. It has no signed head\n');
      return await io.out(`ok: ${rows} rows, head ${said}${end}\n`);
    }
    const when = minute(new Date(signed.at).toISOString());
    return await io.out(`ok: ${rows} rows, head ${said}, signed ${when} with key ${signed.keyid}\n`);
  } finally {
    file.close();
  }
}

async function verifyBundle(text: string, pinned: PinnedKey | null, io: Io, json: boolean): Promise<void> {
  const report = checkBundle(text.replace(/\n$/, ''), verifySignature, null);
  keyFor(report.publicKey, pinned, 'the bundle');
  const { about, digest, rows, head: end } = report;
  if (pinned === null) io.err(unpinned(report.keyid));
  if (json) {
    const head = { seq: end.seq, hash: end.hash, root: end.root };
    const said = { ok: true, about, digest, rows, head, keyid: keyidOf(report.publicKey), pinned: pinned !== null };
    return io.out(`${JSON.stringify(said)}\n`);
  }
  const proof = `${rows} rows of the audit up to ${end.seq}:${end.hash}`;
  return io.out(`ok: ${printable(about)}\ndigest ${digest}\n${proof}, signed with key ${report.keyid}\n`);
}

/** `holdpoint audit [list|timeline|export|verify|bundle|key|head]`. */
export function define(command: Command, context: CommandContext): void {
  withHub(command.command('list', { isDefault: true }))
    .description('what happened last, the newest at the end')
    .option('--hold <id>', 'only what concerns this Hold')
    .option('--review <id>', 'only what concerns this Review')
    .option('--deployment <id>', 'only what concerns this Deployment')
    .option('--approval <id>', 'only what concerns this Approval')
    .option('--project <project>', 'only what concerns this project, by id or full path')
    .option('--person <user>', 'only what this person did or what names them, by id or user name')
    .option('--event <words>', 'only these events or kinds of events, separated by commas')
    .option('--since <time>', 'only from this day (2026-11-22) or time on')
    .option('--until <time>', 'only to the end of this day, or to this time')
    .option('--last <n>', `how many rows (default ${DEFAULT_ROWS})`)
    .action((_, own: Command) => list(own, context));
  withHub(command.command('timeline'))
    .description('all that happened with one thing, the oldest first, in words')
    .argument('<kind>', THINGS.join(', '))
    .argument('<id>', 'its id; a project also by full path, a person by user name')
    .action((kind: string, id: string, _, own: Command) => timeline(kind, id, own, context));
  withHub(command.command('export'))
    .description('every row as JSON Lines, the last line being the signed head')
    .option('--out <file>', 'write to a new file with mode 600 instead of standard output')
    .action((_, own: Command) => exportRows(own, context));
  withHub(command.command('bundle'))
    .description('all that is known of one Hold, signed, with the proof of its place in the audit')
    .argument('<id>', 'id of the Hold')
    .option('--deployment', 'the id is that of a Deployment')
    .option('--out <folder>', 'write a .json to be verified and a .html to be read into this folder')
    .action((id: string, _, own: Command) => bundle(id, own, context));
  withHub(command.command('key'))
    .description('the public key that the hub signs its audit with')
    .action((_, own: Command) => key(own, context));
  withHub(command.command('head'))
    .description('where the audit ends now, as NUMBER:HASH to be kept elsewhere')
    .action((_, own: Command) => head(own, context));
  command
    .command('verify')
    .description('check an export or a bundle, without a hub: what was changed, removed or inserted is found')
    .argument('<file>', 'what "audit export" or "audit bundle" wrote; - for standard input')
    .option('--key <key>', 'the key that it must be signed with: a file as "audit key" prints it, or a key id')
    .option('--head <head>', 'NUMBER:HASH of a row that must be the last, as an earlier verify printed it')
    .option('--earlier <head>', 'NUMBER:HASH of a row that must be in it, as an earlier verify printed it')
    .option('--json', 'answer as JSON')
    .action((path: string, _, own: Command) => verify(path, own, context));
}
