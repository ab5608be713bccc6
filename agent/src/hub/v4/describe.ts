/** People, groups and access levels in GitLab's words. */
import { ACCESS_LEVELS, accessWord, type Person } from '../../domain/principal.ts';
import type { Who } from '../../domain/rule.ts';
import type { Directory } from '../../ports/directory.ts';
import { GROUP_INHERITANCE } from '../../wire/v4/bodies.ts';

/** GitLab's words for an access level in a rule: everybody with it or more. */
const LEVEL_WORDS: Readonly<Record<number, string>> = {
  [ACCESS_LEVELS.reporter]: 'Reporters + Developers + Maintainers',
  [ACCESS_LEVELS.developer]: 'Developers + Maintainers',
  [ACCESS_LEVELS.maintainer]: 'Maintainers',
  [ACCESS_LEVELS.owner]: 'Owners',
  [ACCESS_LEVELS.admin]: 'Administrators',
};

/** The words for an access level. */
export function levelWords(level: number): string {
  return LEVEL_WORDS[level] ?? accessWord(level);
}

/** A person as GitLab shows them. `state` is of now, whatever they were when they voted. */
export interface UserView {
  readonly id: number;
  readonly username: string;
  readonly name: string;
  readonly state: 'active' | 'blocked' | 'deactivated';
  readonly avatar_url: null;
  readonly web_url: string;
}

/** Looks each person and group up once in one request. */
export interface Describer {
  user(person: Pick<Person, 'id' | 'username' | 'name'>): Promise<UserView>;
  who(who: Who): Promise<WhoView>;
}
/** Whom an element of a list asks for. */
export interface WhoView {
  readonly user_id: number | null;
  readonly group_id: number | null;
  readonly access_level: number | null;
  readonly access_level_description: string;
  readonly group_inheritance_type: number;
}

/** A describer for one request; `origin` is GitLab's. */
export function describer(directory: Directory, origin: string): Describer {
  const people = new Map<number, Promise<Person | null>>();
  const groups = new Map<number, Promise<string | null>>();
  const once = <T>(known: Map<number, Promise<T>>, id: number, ask: () => Promise<T>): Promise<T> => {
    const asked = known.get(id) ?? ask();
    known.set(id, asked);
    return asked;
  };
  const personOf = (id: number) => once(people, id, () => directory.person(id));
  const groupOf = (id: number) => once(groups, id, async () => (await directory.group(id))?.name ?? null);
  const lastPart = (path: string | null) => path?.slice(path.lastIndexOf('/') + 1);
  return {
    async user({ id, username, name }) {
      const now = await personOf(id);
      return {
        id,
        username: now?.username ?? username,
        name: now?.name ?? name,
        state: now === null ? 'deactivated' : now.blocked ? 'blocked' : 'active',
        avatar_url: null,
        web_url: `${origin}/${encodeURIComponent(now?.username ?? username)}`,
      };
    },
    async who(who) {
      const nobody = {
        user_id: null,
        group_id: null,
        access_level: null,
        group_inheritance_type: GROUP_INHERITANCE.direct,
      };
      switch (who.kind) {
        case 'access_level':
          return { ...nobody, access_level: who.level, access_level_description: levelWords(who.level) };
        case 'user': {
          const person = who.id === null ? null : await personOf(who.id);
          return { ...nobody, user_id: who.id, access_level_description: person?.name ?? who.name ?? `user ${who.id}` };
        }
        case 'group': {
          const name = who.id === null ? null : await groupOf(who.id);
          return {
            ...nobody,
            group_id: who.id,
            access_level_description: name ?? lastPart(who.name) ?? `group ${who.id}`,
            group_inheritance_type: who.inherited ? GROUP_INHERITANCE.all : GROUP_INHERITANCE.direct,
          };
        }
        default:
          return who satisfies never;
      }
    },
  };
}
