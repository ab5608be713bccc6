/** What people are told: notices, what of them goes to whom, and how far the audit was read for them. */
export const statements: readonly string[] = [
  `create table notices (
    id integer primary key autoincrement,
    key text not null unique,
    event text not null,
    at integer not null,
    content text not null check (json_valid(content))
  )`,
  `create table deliveries (
    id integer primary key autoincrement,
    notice integer not null references notices (id),
    channel text not null,
    target text not null,
    person_id integer,
    cause integer,
    state text not null check (state in ('waiting', 'sent', 'dead')),
    created_at integer not null,
    due_at integer not null,
    tries integer not null default 0,
    last_error text,
    sent_at integer,
    unique (notice, channel, target)
  )`,
  // The worker asks for what is due all the time, the rest is history.
  "create index deliveries_waiting on deliveries (channel, target, id) where state = 'waiting'",
  "create index deliveries_due on deliveries (due_at) where state = 'waiting'",
  "create index deliveries_dead on deliveries (id) where state = 'dead'",
  'create index deliveries_of on deliveries (channel, target, created_at)',
  "create index deliveries_over on deliveries (created_at) where state <> 'waiting'",
  'create index notices_of_time on notices (at)',
  'create table notice_cursor (one integer primary key check (one = 1), seq integer not null)',
];
