/** Votes for one rule by name; whom Reviews and Holds name, so that those people see what they are asked (T20). */

/** The statements of this step, in order. */
export const statements: readonly string[] = [
  'alter table votes add column represented_as text',
  `create table named_principals (
    about text not null check (about in ('review', 'hold')),
    about_id integer not null,
    kind text not null check (kind in ('user', 'group', 'group_inherited', 'admin')),
    principal integer not null,
    primary key (kind, principal, about, about_id)
  )`,
  'create index named_of_thing on named_principals (about, about_id)',
  'create index holds_of_project on holds (project_id, id)',
];
