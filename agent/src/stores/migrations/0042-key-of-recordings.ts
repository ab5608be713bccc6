/** The fingerprint of one more key: that of recordings. */
export const statements: readonly string[] = [
  `create table key_checks_of_three (
    kind text primary key check (kind in ('variable', 'hub', 'recordings')),
    fingerprint text not null
  )`,
  'insert into key_checks_of_three (kind, fingerprint) select kind, fingerprint from key_checks',
  'drop table key_checks',
  'alter table key_checks_of_three rename to key_checks',
];
