/**
 * Sessions of the page: each has a token that is never shown, its end and its person are there. Passkeys, what they were
 * asked, and what was shown with a vote.
 */

/** The statements of this step, in order. */
export const statements: readonly string[] = [
  `create table sessions (
    token integer primary key references tokens (id),
    way text not null check (way in ('token', 'first_start', 'oidc')),
    made_with integer references tokens (id),
    auth_time integer,
    claimed text check (claimed is null or json_valid(claimed))
  )`,
  `create table passkeys (
    id integer primary key autoincrement,
    person_id integer not null,
    username text not null,
    name text not null,
    credential_id text not null unique,
    public_key text not null,
    counter integer not null check (counter >= 0),
    transports text not null check (json_valid(transports)),
    created_at integer not null,
    confirmed_at integer,
    confirmed_by integer,
    confirmed_username text,
    last_used_at integer,
    removed_at integer,
    check ((confirmed_at is null) = (confirmed_by is null)),
    check (confirmed_by is null or confirmed_by <> person_id)
  )`,
  'create index passkeys_of_person on passkeys (person_id)',
  `create table challenges (
    challenge text primary key,
    nonce text not null,
    decision text check (decision is null or json_valid(decision)),
    person_id integer not null,
    token integer not null references tokens (id),
    expires_at integer not null,
    used_at integer
  )`,
  'create index challenges_of_person on challenges (person_id)',
  'alter table votes add column proof text check (proof is null or json_valid(proof))',
  'alter table deployment_votes add column proof text check (proof is null or json_valid(proof))',
];
