/** A person as people are told of them: user name and name; the id tells twins apart. */
export function personText(person: { id: number | null; username: string | null; name: string | null }): string {
  const known = person.username ?? person.name ?? (person.id === null ? 'nobody known' : `user ${person.id}`);
  const about = [person.username === null ? null : person.name, person.id === null ? null : `user ${person.id}`];
  const shown = about.filter((part) => part !== null && part !== known);
  return shown.length > 0 ? `${known} (${shown.join(', ')})` : known;
}
