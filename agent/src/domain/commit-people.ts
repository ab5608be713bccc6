import type { CommitPerson } from './facts.ts';
import type { Member, Person } from './principal.ts';

const same = (a: string, b: string): boolean => a.trim().toLowerCase() === b.trim().toLowerCase();

/** GitLab's private commit address: `12-alice@users.noreply.gitlab.example.com`. */
const NOREPLY = /^(\d{1,15})-[^@]*@users\.noreply\./i;

function isOne(person: Person, named: CommitPerson): boolean {
  if (named.id !== null) return named.id === person.id;
  const email = named.email ?? '';
  const noreply = NOREPLY.exec(email);
  if (noreply !== null && Number(noreply[1]) === person.id) return true;
  if ((person.emails ?? []).some((known) => same(known, email))) return true;
  const local = email.split('@')[0] ?? '';
  return [named.name, local].some((text) => text !== '' && (same(text, person.username) || same(text, person.name)));
}

/**
 * Those named in a commit, each with the id of whom of these people it is; one who could be several stands for each of
 * them. A commit says what its maker typed, so every match counts, by id, private address, e-mail, user name or full
 * name: excluding one too many asks somebody else, one too few lets authors approve their own work (T18).
 */
export function identified(named: readonly CommitPerson[], people: readonly Person[]): readonly CommitPerson[] {
  return named.flatMap((one) => {
    const found = people.filter((person) => isOne(person, one));
    return found.length === 0 ? [one] : found.map(({ id }) => ({ ...one, id }));
  });
}

/**
 * Who caused something, with those of the commit whom these members are: whoever could not be told when it was asked, while
 * the directory was away or before they belonged here, is no less its author for that (T18).
 */
export function recognised<T extends { readonly people: readonly CommitPerson[] | null }>(
  opener: T,
  members: readonly Pick<Member, 'person'>[],
): T {
  const { people } = opener;
  const known = members.map(({ person }) => person);
  return people === null ? opener : { ...opener, people: identified(people, known) };
}
