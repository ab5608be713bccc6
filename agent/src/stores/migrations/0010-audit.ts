import { appendOnly, noSuch, type Statement } from '../dialect.ts';

/**
 * The audit: the program that asked and the deployment (hashed where they are set), what rows are found by (never hashed),
 * the hash tree over the rows, signed heads, and where tokens were used from.
 */
const NAMED = ['person', 'owner', 'user', 'trigger'];

/** The statements of this step, in order. */
export const statements: readonly Statement[] = [
  'alter table audit add column client text',
  'alter table audit add column deployment integer',
  'alter table audit add column project integer',
  // A database of PostgreSQL was never older than this step: there are no rows to be completed.
  { sqlite: 'drop trigger audit_no_update' },
  {
    sqlite: `update audit set project = coalesce(
    (select project_id from holds where holds.id = audit.hold),
    (select project_id from reviews where reviews.id = audit.review),
    (select project_id from approvals where approvals.id = audit.approval),
    case json_type(detail, '$.project_id') when 'integer' then json_extract(detail, '$.project_id') end
  )`,
  },
  { sqlite: noSuch('update', 'audit', 'audit', 'audit rows are append-only').sqlite },
  // Each index ends with the row's number, so that a page of a timeline is read in order and nothing is sorted.
  'create index audit_of_review on audit (review, seq) where review is not null',
  'create index audit_of_approval on audit (approval, seq) where approval is not null',
  'create index audit_of_deployment on audit (deployment, seq) where deployment is not null',
  'create index audit_of_project on audit (project, seq)',
  'create index audit_of_event on audit (event, seq)',
  'create index audit_of_time on audit (at, seq)',
  `create table audit_people (
    person integer not null,
    seq integer not null,
    primary key (person, seq)
  ) without rowid`,
  {
    sqlite: `insert or ignore into audit_people select cast(substr(actor, 6) as integer), seq from audit
    where actor like 'user:%' and cast(substr(actor, 6) as integer) > 0`,
  },
  ...NAMED.map((name) => ({
    sqlite: `insert or ignore into audit_people select json_extract(detail, '$.${name}'), seq from audit
      where json_type(detail, '$.${name}') = 'integer' and json_extract(detail, '$.${name}') > 0`,
  })),
  {
    sqlite: `insert or ignore into audit_people select each.value, seq from audit, json_each(detail, '$.voters') as each
    where each.type = 'integer' and each.value > 0`,
  },
  // Hashes of complete subtrees, kept so that a proof reads some hundred rows and not all; they can be computed again.
  `create table audit_tree (
    level integer not null,
    position integer not null,
    hash text not null,
    primary key (level, position)
  ) without rowid`,
  `create table audit_checkpoints (
    seq integer primary key,
    at integer not null,
    keyid text not null,
    envelope text not null check (json_valid(envelope))
  )`,
  ...appendOnly('audit_checkpoints', 'checkpoints', 'checkpoints are append-only'),
  `create table token_places (
    token integer not null references tokens (id),
    address text not null,
    client text not null,
    at integer not null,
    primary key (token, address, client)
  ) without rowid`,
  // A person's own Holds, wherever they are.
  'create index holds_of_trigger on holds (trigger_id) where trigger_id is not null',
  'create index holds_of_path on holds (project_path) where project_path is not null',
];
