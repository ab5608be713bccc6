/** The fingerprint of one more key: that of recordings, which go as the retention of the policy says now, not as it was at their end. */
export const statements: readonly string[] = [
  `create table key_checks_of_three (
    kind text primary key check (kind in ('variable', 'hub', 'recordings')),
    fingerprint text not null
  )`,
  'insert into key_checks_of_three (kind, fingerprint) select kind, fingerprint from key_checks',
  'drop table key_checks',
  'alter table key_checks_of_three rename to key_checks',
  'drop index recordings_due',
  'alter table recordings drop column keep_until',
  "create index recordings_due on recordings (ended_at) where state = 'ended'",
];
