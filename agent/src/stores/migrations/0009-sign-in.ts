/** Sessions of the page: each has a token that is never shown, its end and its person are there. */

/** The statements of this step, in order. */
export const statements: readonly string[] = [
  `create table sessions (
    token integer primary key references tokens (id),
    way text not null check (way in ('token', 'first_start', 'oidc')),
    made_with integer references tokens (id),
    auth_time integer,
    claimed text check (claimed is null or json_valid(claimed))
  )`,
];
