/**
 * What approvals cover beside ref and environment, where the artifacts of a job come from, and who has seen which hidden
 * value. What was decided before is taken for the narrowest that was meant: the exact ref, artifacts of the same pipeline.
 */
const SCOPE = `'{"ref":{"kind":"exact"},"inputs":"same_pipeline","runners":null}'`;

/** The statements of this step, in order. */
export const statements: readonly string[] = [
  `alter table holds add column inputs text not null default 'any' check (inputs in ('admitted', 'same_pipeline', 'any'))`,
  `alter table votes add column scope text not null default ${SCOPE} check (json_valid(scope))`,
  `alter table approvals add column scope text not null default ${SCOPE} check (json_valid(scope))`,
  `create table reveals (
    instance text not null,
    project_id integer not null,
    job text not null,
    digest text not null references configurations (digest),
    name text not null,
    person_id integer not null,
    hold integer not null references holds (id),
    at integer not null,
    primary key (instance, project_id, job, digest, name, person_id)
  )`,
];
