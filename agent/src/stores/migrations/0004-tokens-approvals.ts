/**
 * Tokens: with which client one was used last, what was noticed of it, what took its place and who ended it.
 */

/** The statements of this step, in order. */
export const statements: readonly string[] = [
  'alter table tokens add column last_used_client text',
  `alter table tokens add column flags text not null default '[]' check (json_valid(flags))`,
  'alter table tokens add column replaced_by integer references tokens (id)',
  'alter table tokens add column revoked_by text',
  'alter table tokens add column revoked_reason text',
  'create index tokens_of_owner on tokens (owner_id)',
];
