import { MAX_NAMED } from '../../../src/domain/names.ts';
import { type KnownPerson, personWords } from '../../../src/domain/person-words.ts';
import { session } from '../lib/who.ts';
import { Shown } from './shown.tsx';

/** Somebody as the API names them. */
export type PersonLike = KnownPerson;

/** User name and name, as text. */
export const personText = personWords;

/** Who did something, as the audit has it (`user:22 jonas`, `agent:embedded`), for people; `people`: who they are now. */
export function actorText(actor: string, people: readonly PersonLike[]): string {
  const [, id, username] = /^user:(\d+) (.*)$/.exec(actor) ?? [];
  if (id === undefined) return actor.replace(/^(agent|system):/, '$1 ');
  const known = people.find((one) => one.id === Number(id));
  return personText(known ?? { id: Number(id), username: username ?? null, name: null });
}

/** Somebody, their names shown as what others wrote. */
export function PersonName({ person }: { readonly person: PersonLike }) {
  return (
    <span title={person.id === null ? 'not known to the hub' : `user ${person.id}`}>
      <Shown text={personText(person)} />
    </span>
  );
}

/** Several people one after the other; of many the first, and how many more there are. */
export function PeopleNames({
  people,
  total = people.length,
  word = 'and',
  isYou = false,
}: {
  readonly people: readonly PersonLike[];
  /** How many there are, where not all of them were told. */
  readonly total?: number;
  readonly word?: 'and' | 'or';
  /** The reader is “you” among them. */
  readonly isYou?: boolean;
}) {
  const me = session.value?.person?.id ?? null;
  const shown = people.slice(0, MAX_NAMED);
  const more = Math.max(0, total - shown.length);
  return (
    <>
      {shown.map((person, index) => (
        <span key={person.id}>
          {index > 0 && (index === shown.length - 1 && more === 0 ? ` ${word} ` : ', ')}
          {isYou && person.id !== null && person.id === me ? 'you' : <PersonName person={person} />}
        </span>
      ))}
      {more > 0 && ` ${word} ${more} more`}
    </>
  );
}
