import type { Statement } from '../dialect.ts';

/** Indexes for stores with a year in them: what is open is few among many, and a project's approvals are some of a million. */

/** The statements of this step, in order. */
export const statements: readonly Statement[] = [
  // Whom an open question is of, and what it is found by: looked for in the database, not in what is read of each.
  'alter table reviews add column opened_by integer',
  // Null in rows from before: those are looked at one by one, since no database makes small letters as the program does.
  'alter table reviews add column words text',
  {
    sqlite: `update reviews set opened_by = requirement ->> '$.trigger.id'
      where state = 'open' and requirement ->> '$.trigger.verified' <> 'unverified'`,
    postgres: `update reviews set opened_by = (requirement::json #>> '{trigger,id}')::bigint
      where state = 'open' and requirement::json #>> '{trigger,verified}' <> 'unverified'`,
  },
  // Pages of what is open, in order, without what was answered long ago.
  "create index reviews_open on reviews (id) where state = 'open'",
  "create index reviews_open_of_project on reviews (project_id, id) where state = 'open'",
  "create index reviews_open_of_path on reviews (lower(project_path), id) where state = 'open'",
  "create index reviews_open_by on reviews (opened_by, id) where state = 'open' and opened_by is not null",
  // Each ends with the row's number, so that a page is read in order and nothing is sorted.
  'create index holds_in_state on holds (state, id)',
  'create index holds_of_project_in_state on holds (project_id, state, id)',
  'create index approvals_of_project on approvals (project_id, id)',
  // Whom rules name sees what they were asked about.
  'create index approvals_of_review on approvals (review)',
  'create index approvals_of_path on approvals (project_path, id) where project_path is not null',
  // Live jobs by when their agent was to be heard of again: nearly none is overdue.
  'create index attempts_parked_until on attempts (parked_until) where ended_at is null and parked_until is not null',
];
