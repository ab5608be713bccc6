/** Agents of other hosts: the public half of each one's own key, and the one-time tokens with which they enrol. */

/** The statements of this step, in order. */
export const statements: readonly string[] = [
  'alter table agents add column public_key text',
  'alter table agents add column enrolled_at integer',
  'alter table agents add column enrolled_by text',
  'alter table agents add column revoked_at integer',
  'alter table agents add column revoked_by text',
  'alter table agents add column snapshot_seq integer not null default 0',
  'create index attempts_of_agent on attempts (agent, project_id)',
  `create table enrolments (
    hash text primary key check (length(hash) = 64),
    agent text not null,
    made_by text not null,
    created_at integer not null,
    expires_at integer not null check (expires_at > created_at),
    used_at integer
  )`,
  'create index enrolments_of_agent on enrolments (agent)',
];
