/** Who watches what, what was stopped, and what was recorded, sealed. */
export const statements: readonly string[] = [
  'alter table outbox add column stop integer',
  `create table live_watchers (
    hold integer not null references holds (id),
    viewer text not null,
    person_id integer not null,
    username text not null,
    name text,
    since integer not null,
    seen_at integer not null,
    primary key (hold, viewer)
  )`,
  'create index live_watchers_seen on live_watchers (seen_at)',
  `create table live_runs (
    hold integer primary key references holds (id),
    job_id integer not null,
    need integer not null check (need >= 1),
    at integer not null
  )`,
  `create table stops (
    hold integer not null references holds (id),
    job_id integer not null,
    cause text not null check (cause in ('person', 'unwatched', 'recording')),
    person_id integer,
    username text,
    reason text not null,
    at integer not null,
    primary key (hold, job_id)
  )`,
  `create table recordings (
    id integer primary key autoincrement,
    hold integer not null references holds (id),
    job_id integer not null,
    required integer not null,
    state text not null check (state in ('open', 'ended', 'removed')),
    started_at integer not null,
    ended_at integer,
    next_byte integer not null,
    last_ms integer not null,
    pieces integer not null,
    bytes integer not null,
    problem text,
    sha256 text,
    keep_until integer,
    unique (hold, job_id)
  )`,
  "create index recordings_due on recordings (keep_until) where state = 'ended'",
  `create table recording_pieces (
    recording integer not null references recordings (id),
    piece integer not null,
    sealed text not null,
    primary key (recording, piece)
  )`,
];
