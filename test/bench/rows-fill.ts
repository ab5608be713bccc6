import type { AuditKeeper } from '../../agent/src/app/checkpoint.ts';
import { type AuditEntry, type AuditHead, chain } from '../../agent/src/domain/audit.ts';
import { peopleOfEntry } from '../../agent/src/domain/audit-events.ts';
import { hashText, leafOf, signHead } from '../../agent/src/domain/audit-head.ts';
import { envelopeJson } from '../../agent/src/domain/dsse.ts';
import { EMPTY_TREE, grow, rootOf } from '../../agent/src/domain/merkle.ts';
import type { Bulk, StoreKind } from './rows-stores.ts';

/** How many rows there are to be of each. */
export interface RowsSize {
  readonly waiting: number;
  readonly approvals: number;
  readonly projects: number;
}

/** First id of a project of the bulk; and the first of rows. */
export const FIRST_PROJECT = 100_000;
export const FIRST = 1_000_000;
const JOBS_PER_PROJECT = 5;
const DAY_MS = 86_400_000;
/** The time that approvals and audit are spread over. */
const DAYS = 300;
const ROWS_AT_ONCE = 10_000;
/** As the hub does it: the end of the audit is signed and kept at least this often. */
const ROWS_PER_CHECKPOINT = 1_000;

type Own = Readonly<Record<string, string>>;

/** Copies of one row, whole, so that they are like real ones; `own` are expressions over `n.i` and `one`. */
async function copies(bulk: Bulk, kind: StoreKind, table: string, where: string, many: number, own: Own) {
  const columns = await bulk.columns(table);
  await bulk.run(
    `insert into ${table} (${columns.join(', ')})
     select ${columns.map((name) => own[name] ?? `one.${name}`).join(', ')}
     from ${kind.series(many)} as n, (select * from ${table} where ${where} limit 1) as one`,
  );
}

interface Kinds {
  readonly audit: { readonly event: string; readonly detail: string; readonly actor: string; readonly policy: string };
}

/** A row of the audit as the hub wrote it, to be written again of others. */
async function example(bulk: Bulk, event: string): Promise<Kinds['audit']> {
  const [row] = await bulk.rows<Kinds['audit']>(
    `select event, detail, actor, policy from audit where event = '${event}' order by seq limit 1`,
  );
  if (row === undefined) throw new Error(`nothing has written ${event} into the audit`);
  return row;
}

/**
 * Fills the store of a stopped hub: approvals of a year with their questions, Holds that wait with theirs, and the audit that tells of
 * each of them, chained and signed by the product's own functions. What the hub has written itself is what all of it is made of.
 */
export async function fillRows(
  bulk: Bulk,
  kind: StoreKind,
  size: RowsSize,
  { signer }: AuditKeeper,
  tell: (what: string) => void,
) {
  const now = Date.now();
  const { approvals, waiting, projects } = size;
  const digest = (from: number) => `'sha256:' || ${kind.hex(`${from} + n.i`)}`;
  const project = {
    project_id: `${FIRST_PROJECT} + n.i % ${projects}`,
    project_path: `'bank/project-' || (n.i % ${projects})`,
    job: `'job-' || (n.i / ${projects} % ${JOBS_PER_PROJECT})`,
  };
  const since = now - DAYS * DAY_MS;
  const at = `${since} + n.i * ${Math.floor((DAYS * DAY_MS) / approvals)}`;
  const given = { ...project, digest: digest(FIRST), id: `${FIRST} + n.i`, created_at: at };
  const lately = { ...project, digest: digest(FIRST + approvals), opened_at: `${now} - ${waiting} + n.i` };
  const first = "state = 'approved'";
  const [standing] = await bulk.rows<{ id: number }>("select id from approvals where lifetime = 'standing' limit 1");
  const indexes = await dropIndexes(bulk, kind);
  // A million of 16 KB would be a test of the disk: what is approved is short, what waits is as jobs are.
  const bySize = '1 = 1 order by length(canonical)';
  tell('configurations');
  await copies(bulk, kind, 'configurations', bySize, approvals, { digest: digest(FIRST) });
  await copies(bulk, kind, 'configurations', `${bySize} desc`, waiting, { digest: digest(FIRST + approvals) });
  tell('approvals and their questions');
  await copies(bulk, kind, 'reviews', first, approvals, { ...given, opened_at: at, closed_at: at });
  await copies(bulk, kind, 'approvals', `id = ${standing!.id}`, approvals, {
    ...given,
    review: `${FIRST} + n.i`,
    ends_at: `${at} + ${90 * DAY_MS}`,
    last_used_at: 'null',
    times_used: '0',
  });
  tell('Holds that wait');
  const question = `${FIRST} + ${approvals} + n.i`;
  await copies(bulk, kind, 'reviews', "state = 'open'", waiting, { ...lately, id: question });
  await copies(bulk, kind, 'holds', "state = 'waiting_for_approval'", waiting, {
    ...lately,
    id: `${FIRST} + n.i`,
    review: question,
    pipeline_id: `${FIRST} + n.i`,
    pipeline_key: `'' || (${FIRST} + n.i)`,
    expires_at: `${now} + ${20 * DAY_MS} + n.i`,
  });
  const waits = "select id from holds where state = 'waiting_for_approval' order by id limit 1";
  await copies(bulk, kind, 'attempts', `hold = (${waits})`, waiting, {
    hold: `${FIRST} + n.i`,
    project_id: project.project_id,
    job_id: `${FIRST} + n.i`,
  });
  tell('audit');
  await fillAudit(bulk, size, signer, since, now);
  tell('indexes and statistics');
  for (const statement of indexes) await bulk.run(statement);
  if (kind.name === 'PostgreSQL') {
    for (const table of ['reviews', 'approvals', 'holds'])
      await bulk.run(`select setval(pg_get_serial_sequence('${table}', 'id'), (select max(id) from ${table}))`);
    // As autovacuum does by itself within minutes.
    await bulk.run('analyze');
    await bulk.run('checkpoint');
  } else await bulk.run('pragma wal_checkpoint(truncate)');
}

/** Indexes of PostgreSQL are quicker made than kept up; those of constraints stay. SQLite's are kept up. */
async function dropIndexes(bulk: Bulk, kind: StoreKind): Promise<readonly string[]> {
  if (kind.name !== 'PostgreSQL') return [];
  const found = await bulk.rows<{ name: string; text: string }>(
    `select indexname as name, indexdef as text from pg_indexes where schemaname = current_schema()
     and tablename in ('reviews', 'approvals', 'holds', 'attempts', 'audit')
     and indexname not in (select conname from pg_constraint)`,
  );
  for (const { name } of found) await bulk.run(`drop index ${name}`);
  return found.map(({ text }) => text);
}

async function fillAudit(
  bulk: Bulk,
  { approvals, waiting, projects }: RowsSize,
  signer: AuditKeeper['signer'],
  since: number,
  now: number,
): Promise<void> {
  const [created, opened, held] = [
    await example(bulk, 'approval_created'),
    await example(bulk, 'review_opened'),
    await example(bulk, 'hold_opened'),
  ];
  const digest = (n: number) => `sha256:${n.toString(16).padStart(64, '0')}`;
  const [end] = await bulk.rows<AuditHead>('select seq, hash from audit_head');
  let head: AuditHead = { seq: Number(end!.seq), hash: end!.hash };
  let tree = EMPTY_TREE;
  for (const row of await bulk.rows<{ hash: string }>('select hash from audit order by seq'))
    tree = grow(tree, leafOf(row));
  const columns = (await bulk.columns('audit')).filter((name) => name !== 'client' && name !== 'deployment');
  let rows: (string | number | null)[][] = [];
  let people: number[][] = [];
  let signed: (string | number)[][] = [];
  const flush = async (): Promise<void> => {
    await bulk.insert('audit', columns, rows);
    await bulk.insert('audit_people', ['person', 'seq'], people);
    await bulk.insert('audit_checkpoints', ['seq', 'at', 'keyid', 'envelope'], signed);
    [rows, people, signed] = [[], [], []];
  };
  const write = async (
    like: Kinds['audit'],
    about: Pick<AuditEntry, 'hold' | 'review' | 'approval'>,
    n: number,
    at: number,
    of: number,
  ) => {
    const detail = JSON.parse(like.detail) as AuditEntry['detail'];
    const { event, actor, policy } = like;
    const entry = { at, actor, address: null, event, ...about, digest: digest(FIRST + n), policy, detail };
    const row = chain(head, entry);
    const values: Readonly<Record<string, unknown>> = {
      ...row,
      detail: like.detail,
      project: FIRST_PROJECT + (of % projects),
    };
    rows.push(columns.map((name) => (values[name] ?? null) as string | number | null));
    for (const person of peopleOfEntry(entry)) people.push([person, row.seq]);
    head = { seq: row.seq, hash: row.hash };
    tree = grow(tree, leafOf(row));
    if (row.seq % ROWS_PER_CHECKPOINT === 0) {
      const envelope = signHead(signer, { ...head, root: hashText(rootOf(tree)), at });
      signed.push([row.seq, at, envelope.keyid, JSON.stringify(envelopeJson(envelope))]);
    }
    if (rows.length === ROWS_AT_ONCE) await flush();
  };
  const step = Math.floor((DAYS * DAY_MS) / approvals);
  for (let n = 1; n <= approvals; n++)
    await write(created, { hold: null, review: FIRST + n, approval: FIRST + n }, n, since + n * step, n);
  for (let n = 1; n <= waiting; n++) {
    const question = FIRST + approvals + n;
    await write(opened, { hold: null, review: question, approval: null }, approvals + n, now - waiting + n, n);
    await write(held, { hold: FIRST + n, review: question, approval: null }, approvals + n, now - waiting + n, n);
  }
  await flush();
  await bulk.run(`update audit_head set seq = ${head.seq}, hash = '${head.hash}'`);
}
