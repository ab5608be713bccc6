/**
 * Tokens: with which client one was used last, what was noticed of it, what took its place and who ended it. Reviews that no
 * job waits on: of what was imported, of an approval that is to go on, of one of a renamed project; one open of each kind and
 * place. Approvals: which one they go on from. Denials: that one was lifted.
 */

/** The statements of this step, in order. */
export const statements: readonly string[] = [
  'alter table tokens add column last_used_client text',
  `alter table tokens add column flags text not null default '[]' check (json_valid(flags))`,
  'alter table tokens add column replaced_by integer references tokens (id)',
  'alter table tokens add column revoked_by text',
  'alter table tokens add column revoked_reason text',
  'create index tokens_of_owner on tokens (owner_id)',
  `alter table reviews add column kind text not null default 'job' check (kind in ('job', 'import', 'renewal', 'rename'))`,
  'alter table reviews add column ask_approval integer references approvals (id)',
  'alter table reviews add column ask_by integer',
  'alter table reviews add column ask_by_username text',
  'alter table reviews add column ask_note text',
  'drop index one_open_review',
  `create unique index one_open_review on reviews
    (instance, project_id, job, digest, ref, ref_protected, coalesce(environment, ''), (environment is null), kind,
     coalesce(ask_approval, 0))
    where state = 'open'`,
  `create index open_asks on reviews (opened_at) where state = 'open' and kind <> 'job'`,
  'alter table approvals add column renews integer references approvals (id)',
  'create index approvals_renewed on approvals (renews) where renews is not null',
  `create index approvals_ending on approvals (ends_at) where revoked_at is null`,
  'alter table denials add column lifted_at integer',
  'alter table denials add column lifted_by text',
  'alter table denials add column lifted_reason text',
];
