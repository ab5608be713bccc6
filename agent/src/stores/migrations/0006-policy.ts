/**
 * What a freeze keeps back, how much time a job has, and what was run without its approval. A broken glass is an approval
 * for one run that nobody voted for: it is never a baseline, never covers anything else, and has its own record.
 */
export const statements: readonly string[] = [
  'alter table holds add column frozen_until integer',
  'alter table holds add column timeout_s integer',
  'create index holds_frozen on holds (frozen_until) where frozen_until is not null',
  'alter table approvals add column break_glass integer',
  `create table break_glass (
    id integer primary key autoincrement,
    version integer not null check (version >= 1),
    hold integer not null references holds (id),
    approval integer not null references approvals (id),
    instance text not null,
    project_id integer not null,
    project_path text,
    job text not null,
    digest text not null,
    ref text not null,
    ref_protected integer not null check (ref_protected in (0, 1)),
    environment text,
    person_id integer not null,
    person_username text not null,
    person_name text not null,
    rule text not null,
    reason text not null check (length(reason) > 0),
    policy text not null,
    at integer not null,
    until integer not null,
    review_by integer not null,
    frozen integer not null check (frozen in (0, 1)),
    overdue_noted integer not null default 0 check (overdue_noted in (0, 1)),
    closed_at integer,
    closed_by_id integer,
    closed_by_username text,
    closed_by_name text,
    finding text check (finding in ('justified', 'not_justified')),
    comment text,
    check ((closed_at is null) = (closed_by_id is null)),
    check ((closed_at is null) = (finding is null)),
    -- Nobody looks at their own (T18).
    check (closed_by_id is null or closed_by_id <> person_id)
  )`,
  'create index break_glass_open on break_glass (review_by) where closed_at is null',
  'create index break_glass_of_hold on break_glass (hold)',
];
