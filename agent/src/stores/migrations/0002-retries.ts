/**
 * What Holdpoint retried in whose name, and what it told the CI server of a Hold. A retry stands here before it is asked
 * for, so that a job that arrives before the answer is known for what it is.
 */
export const statements: readonly string[] = [
  `create table retries (
    hold integer not null references holds (id),
    job_id integer not null,
    new_job_id integer,
    credential text not null check (credential in ('trigger', 'bot')),
    user_id integer not null,
    at integer not null,
    primary key (hold, job_id)
  )`,
  `create index retries_by_bot on retries (user_id) where credential = 'bot'`,
  `create table ci_statuses (
    hold integer primary key references holds (id),
    state text not null check (state in ('pending', 'success', 'failed', 'canceled', 'refused')),
    at integer not null
  )`,
  "create index ci_statuses_pending on ci_statuses (hold) where state = 'pending'",
  'create index holds_of_job on holds (instance, project_id, job, pipeline_id)',
  'create index holds_of_pipeline on holds (instance, project_id, pipeline_id)',
  'create index holds_of_state on holds (state, pipeline_id)',
];
