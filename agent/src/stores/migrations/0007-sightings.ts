/**
 * What ran unguarded on runners that only watch: one row for each configuration of a job at a place; and for whom an approval
 * was written without a vote.
 */
export const statements: readonly string[] = [
  `create table sightings (
    instance text not null,
    project_id integer not null,
    project_path text,
    job text not null,
    digest text not null,
    ref_class text not null,
    ref text not null,
    ref_protected integer not null check (ref_protected in (0, 1)),
    environment text not null,
    inputs text not null,
    runs integer not null check (runs >= 1),
    triggers text not null check (json_valid(triggers)),
    facts text not null check (json_valid(facts)),
    first_at integer not null,
    last_at integer not null,
    primary key (instance, project_id, job, digest, ref_class, ref_protected, environment)
  )`,
  'create index sightings_by_time on sightings (last_at)',
  'alter table approvals add column auto text',
];
