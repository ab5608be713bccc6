import { Shown } from './shown.tsx';

/** Somebody as the API names them. */
export interface PersonLike {
  readonly id: number | null;
  readonly username: string | null;
  readonly name: string | null;
}

/** User name and name; the id tells twins apart. */
export function personText({ id, username, name }: PersonLike): string {
  const known = username ?? name ?? (id === null ? 'nobody known' : `user ${id}`);
  return username !== null && name !== null && name !== username ? `${name} (@${username})` : known;
}

/** Somebody, their names shown as what others wrote. */
export function PersonName({ person }: { readonly person: PersonLike }) {
  return (
    <span title={person.id === null ? 'not known to the hub' : `user ${person.id}`}>
      <Shown text={personText(person)} />
    </span>
  );
}
