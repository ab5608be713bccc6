import type { AuditRow } from '../domain/audit.ts';
import type { Member, Person } from '../domain/principal.ts';
import type { Directory } from '../ports/directory.ts';

/** So many people are looked up beside those who belong to the project; a history names fewer. */
const MAX_LOOKED_UP = 50;

/** Id of the person who did it, as the audit has it; null for an agent or the system. */
function personOf(actor: string): number | null {
  const id = /^user:(\d+) /.exec(actor)?.[1];
  return id === undefined ? null : Number(id);
}

/**
 * The people of a history and those of these user names, as they are known now: a row has the user name of its time alone.
 * Whom nobody knows any more is left out.
 */
export async function peopleTold(
  directory: Directory,
  members: readonly Member[],
  history: readonly AuditRow[],
  usernames: readonly string[],
): Promise<readonly Person[]> {
  const known = members.map(({ person }) => person);
  const ids = new Set(history.map(({ actor }) => personOf(actor)).filter((id) => id !== null));
  const names = new Set(usernames);
  const found = known.filter(({ id, username }) => ids.has(id) || names.has(username));
  for (const { id, username } of found) {
    ids.delete(id);
    names.delete(username);
  }
  const looked = await Promise.all([
    ...[...ids].slice(0, MAX_LOOKED_UP).map((id) => directory.person(id)),
    ...[...names].slice(0, MAX_LOOKED_UP).map((name) => directory.personNamed(name)),
  ]);
  const all = [...found, ...looked.filter((person) => person !== null)];
  return [...new Map(all.map((person) => [person.id, person])).values()];
}
