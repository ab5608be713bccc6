/** Somebody as far as they are known. */
export interface KnownPerson {
  readonly id: number | null;
  readonly username: string | null;
  readonly name: string | null;
}

/** Name and user name; where one is missing or both are the same, that alone: `Jonas Berg (@jonas)`. */
export function personWords({ id, username, name }: KnownPerson): string {
  const known = username ?? name ?? (id === null ? 'nobody known' : `user ${id}`);
  return username !== null && name !== null && name !== username ? `${name} (@${username})` : known;
}
