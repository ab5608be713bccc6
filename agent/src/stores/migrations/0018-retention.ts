/**
 * What the retention of a policy has removed, and when; a fingerprint of each key that the store was written with. Indexes by
 * digest: whether a configuration is still in use is asked of each of them.
 */
export const statements: readonly string[] = [
  `create table removed_configurations (
    digest text primary key references configurations (digest),
    at integer not null,
    policy text not null
  )`,
  `create table removed_facts (
    hold integer primary key references holds (id),
    at integer not null,
    policy text not null
  )`,
  `create table key_checks (
    kind text primary key check (kind in ('variable', 'hub')),
    fingerprint text not null
  )`,
  'create index holds_of_digest on holds (digest)',
  'create index reviews_of_digest on reviews (digest)',
  'create index approvals_of_digest on approvals (digest)',
  'create index denials_of_digest on denials (digest)',
  'create index sightings_of_digest on sightings (digest)',
];
