import { appendOnly, inDialect, type Statement } from '../dialect.ts';

/**
 * Tables of the first version. The constraints make impossible what the code must not do either: two open Holds
 * of one job and Digest, two live jobs of one Hold, two votes of one person, a pending Hold without an Approval,
 * an audit row that changes.
 */
const subject = `
  instance text not null,
  project_id integer not null,
  project_path text,
  job text not null,
  digest text not null references configurations (digest),
  ref text not null,
  ref_protected integer not null check (ref_protected in (0, 1)),
  environment text`;

/** An approval may be for one Hold, and a Hold passes with an approval: SQLite lets a table name one that is made later. */
const approvals = (reference: string) => `create table approvals (
    id integer primary key autoincrement,
    version integer not null check (version >= 1),
    review integer not null references reviews (id),
    ${subject},
    lifetime text not null,
    ends_at integer,
    hold integer${reference},
    votes text not null check (json_array_length(votes) > 0),
    policy text not null,
    created_at integer not null,
    last_used_at integer,
    times_used integer not null check (times_used >= 0),
    revoked_at integer,
    revoked_by text,
    revoked_reason text,
    check ((lifetime = 'run') = (hold is not null)),
    check ((lifetime = 'run') = (ends_at is null)),
    check ((revoked_at is null) = (revoked_by is null))
  )`;

/** The statements of this step, in order. */
export const statements: readonly Statement[] = [
  // What SQLite has of its own.
  {
    postgres: `create function json_valid(value text) returns boolean immutable parallel safe language plpgsql as
      $body$ begin perform value::json; return true; exception when others then return false; end $body$`,
  },
  {
    postgres: `create function json_array_length(value text) returns integer immutable parallel safe language sql
      return json_array_length(value::json)`,
  },
  `create table configurations (
    digest text primary key check (length(digest) = 71 and substr(digest, 1, 7) = 'sha256:'),
    canonical text not null
  )`,
  `create table reviews (
    id integer primary key autoincrement,
    version integer not null check (version >= 1),
    state text not null check (state in ('open', 'approved', 'rejected', 'expired', 'canceled')),
    ${subject},
    requirement text not null check (json_valid(requirement)),
    opened_at integer not null,
    closed_at integer,
    check ((state = 'open') = (closed_at is null))
  )`,
  `create unique index one_open_review on reviews
    (instance, project_id, job, digest, ref, ref_protected, coalesce(environment, ''), (environment is null))
    where state = 'open'`,
  { sqlite: approvals(' references holds (id)'), postgres: inDialect(approvals(''), 'postgres') },
  'create index approvals_of_subject on approvals (instance, project_id, job, digest)',
  'create unique index one_run_approval on approvals (hold) where hold is not null and revoked_at is null',
  `create table holds (
    id integer primary key autoincrement,
    version integer not null check (version >= 1),
    state text not null check (state in
      ('waiting_for_approval', 'pending', 'running', 'success', 'failed', 'canceled', 'rejected', 'expired')),
    ${subject},
    stage text,
    pipeline_id integer,
    pipeline_key text not null,
    trigger_id integer,
    trigger_verified text not null check (trigger_verified in ('gitlab', 'payload', 'unverified')),
    trigger_username text,
    trigger_name text,
    review integer references reviews (id),
    approval integer references approvals (id),
    opened_at integer not null,
    expires_at integer not null,
    ended_at integer,
    reason text,
    crossing integer,
    check (state <> 'pending' or approval is not null),
    check (state <> 'waiting_for_approval' or (approval is null and review is not null)),
    check ((state in ('waiting_for_approval', 'pending', 'running')) = (ended_at is null))
  )`,
  `create unique index one_open_hold on holds (instance, project_id, pipeline_key, job, digest)
    where state in ('waiting_for_approval', 'pending', 'running')`,
  'create index holds_of_review on holds (review)',
  'create index holds_of_approval on holds (approval)',
  `create index holds_due on holds (expires_at) where state in ('waiting_for_approval', 'pending')`,
  { postgres: 'alter table approvals add foreign key (hold) references holds (id) deferrable' },
  `create table attempts (
    hold integer not null references holds (id),
    position integer not null,
    instance text not null,
    project_id integer not null,
    job_id integer not null,
    agent text not null,
    runner text not null,
    url text,
    at integer not null,
    parked_until integer,
    handed_out_at integer,
    ended_at integer,
    ended text,
    facts text not null check (json_valid(facts)),
    primary key (hold, position),
    unique (instance, project_id, job_id)
  )`,
  'create unique index one_live_attempt on attempts (hold) where ended_at is null',
  'create index live_of_agent on attempts (agent) where ended_at is null',
  `create table votes (
    review integer not null references reviews (id),
    person_id integer not null,
    username text not null,
    name text not null,
    decision text not null check (decision in ('approve', 'reject')),
    hold integer references holds (id),
    lifetime text not null,
    comment text,
    at integer not null,
    primary key (review, person_id)
  )`,
  `create table denials (
    id integer primary key autoincrement,
    instance text not null,
    project_id integer not null,
    job text not null,
    digest text not null references configurations (digest),
    review integer not null references reviews (id),
    denied_by text not null,
    reason text not null,
    at integer not null,
    until integer not null
  )`,
  'create index denials_of_subject on denials (instance, project_id, job, digest)',
  `create table reports (
    hold integer not null references holds (id),
    job_id integer not null,
    event text not null,
    at text not null,
    primary key (hold, job_id, event, at)
  )`,
  `create table agents (
    name text primary key,
    version text,
    runners text not null check (json_valid(runners)),
    seen_at integer,
    last_seq integer not null check (last_seq >= 0)
  )`,
  `create table outbox (
    agent text not null references agents (name),
    seq integer not null check (seq >= 1),
    type text not null check (type in ('release', 'reject', 'expire', 'revoke', 'cancel')),
    hold integer not null references holds (id),
    job_id integer not null,
    digest text not null,
    reason text,
    note text,
    primary key (agent, seq),
    unique (agent, hold, job_id)
  )`,
  `create table tokens (
    id integer primary key autoincrement,
    hash text not null unique check (length(hash) = 64),
    prefix text not null,
    name text,
    owner_id integer,
    owner_username text,
    scopes text not null check (json_array_length(scopes) > 0),
    makers text not null check (json_valid(makers)),
    created_at integer not null,
    expires_at integer not null check (expires_at > created_at),
    last_used_at integer,
    last_used_address text,
    revoked_at integer,
    check ((owner_id is null) = (owner_username is null))
  )`,
  `create table audit (
    seq integer primary key check (seq >= 1),
    at integer not null,
    actor text not null,
    address text,
    event text not null,
    hold integer,
    review integer,
    approval integer,
    digest text,
    policy text,
    detail text not null check (json_valid(detail)),
    prev text not null unique,
    hash text not null unique
  )`,
  'create index audit_of_hold on audit (hold)',
  ...appendOnly('audit', 'audit', 'audit rows are append-only'),
  'create table audit_head (one integer primary key check (one = 1), seq integer not null, hash text not null)',
];
