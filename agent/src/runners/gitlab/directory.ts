import { HoldpointError } from '../../domain/errors.ts';
import { ACCESS_LEVELS, type Member, type Person } from '../../domain/principal.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Directory } from '../../ports/directory.ts';
import type { Log } from '../../ports/log.ts';
import { type Freshness, freshAnswers } from './fresh-answers.ts';
import type { GitlabMember, MembersApi } from './members-api.ts';

/** A decision never stands on an older answer. */
const CACHE_MS = 30_000;
/** What a list shows may be this old: one question for each project that the hub knows would be many every half minute. */
const SIGHT_MS = 300_000;
/** A question that nobody has put again for so long tells nothing of GitLab as it is now. */
const TROUBLE_MS = 60_000;
/** Names that a policy and its environments have; whoever asks the API for others must not fill the memory. */
const MAX_NAMES = 10_000;
/** Projects and groups that are looked through for one person; who may see more than that is seldom one person. */
const MAX_LOOKED_THROUGH = 2_000;

/**
 * The directory that GitLab is: members, groups and users as it has them at this moment, by number; names show only (T17).
 * Where GitLab cannot be asked, answers are empty and `problem` says so: nobody gains a right (T19, T30).
 */
export function gitlabDirectory(options: {
  readonly api: MembersApi;
  readonly clock: Clock;
  readonly log: Log;
  /** How old an answer may be; default 30,000 ms. */
  readonly cacheMs?: number;
}): Directory {
  const { api, clock, log, cacheMs = CACHE_MS } = options;
  const answers = freshAnswers(clock);
  /** What could not be asked, by question; a question that is answered again takes its own away. */
  const troubles = new Map<string, { readonly message: string; readonly at: number }>();
  const names = new Map<string, unknown>();

  const problem = (): string | null => {
    for (const [key, { at }] of troubles) if (clock.now() - at > TROUBLE_MS) troubles.delete(key);
    return [...troubles.values()].at(-1)?.message ?? null;
  };
  /** The answer, or `otherwise` where GitLab cannot be asked: said once when it begins and once when it is over. */
  const asked = async <V>(key: string, freshness: Freshness, otherwise: V, ask: () => Promise<V>): Promise<V> => {
    const before = problem();
    try {
      const answer = await answers.get(key, freshness, ask);
      if (troubles.delete(key) && problem() === null) log.info({}, 'GitLab can be asked again who belongs to what');
      return answer;
    } catch (error) {
      if (!(error instanceof HoldpointError) || error.code !== 'ci_unreachable') throw error;
      if (before !== error.message) log.error({ reason: error.message }, 'who belongs to what cannot be asked');
      troubles.delete(key);
      troubles.set(key, { message: error.message, at: clock.now() });
      return otherwise;
    }
  };
  /** What a name stands for. Ids never change: while GitLab cannot be asked, a name means whom it meant last. */
  const meant = async <V>(key: string, ask: () => Promise<V>): Promise<V | null> => {
    const last = (names.get(key) ?? null) as V | null;
    const answer = await asked<V | null>(key, usual, last, ask);
    if (names.size < MAX_NAMES) names.set(key, answer);
    return answer;
  };
  const usual: Freshness = { maxAgeMs: cacheMs };
  const nobody: readonly GitlabMember[] = [];
  const list = (kind: 'projects' | 'groups', of: number, all: boolean, freshness: Freshness) =>
    asked(`${kind} ${of} ${all}`, freshness, nobody, async () => {
      const today = new Date(clock.now()).toISOString().slice(0, 10);
      return (await api.membersOf(kind, of, all, today)) ?? nobody;
    });
  /** Bots that lists of members do not tell from people, as their own pages told. */
  const bots = new Set<number>();
  const user = async (id: number, freshness: Freshness): Promise<Person | null> => {
    const person = await asked(`user ${id}`, freshness, null, () => api.user(id));
    if (person?.bot === true && bots.size < MAX_NAMES) bots.add(id);
    else if (person !== null) bots.delete(id);
    return person;
  };
  const levelsOf = async (kind: 'projects' | 'groups', of: number, freshness: Freshness) =>
    new Map((await list(kind, of, true, freshness)).map(({ person, accessLevel }) => [person.id, accessLevel]));
  const standing = async (id: number): Promise<Person | null> => {
    const person = await user(id, usual);
    return person === null || person.blocked ? null : person;
  };

  return {
    person: (id) => user(id, usual),
    personNamed: (username) => meant(`name ${username}`, () => api.userNamed(username)),
    group: (idOrPath) => meant(`group ${idOrPath}`, () => api.group(idOrPath)),
    project: (idOrPath) => asked(`project ${idOrPath}`, usual, null, () => api.project(idOrPath)),
    async groupNamed(path) {
      return (await meant(`group ${path}`, () => api.group(path)))?.id ?? null;
    },
    async accessInGroup(personId, groupId) {
      if ((await standing(personId)) === null) return 0;
      return (await levelsOf('groups', groupId, usual)).get(personId) ?? 0;
    },
    async members(projectId, also = { users: [], groups: [] }, notBefore) {
      const freshness = { maxAgeMs: cacheMs, notBefore };
      const [project, users, groups] = await Promise.all([
        list('projects', projectId, true, freshness),
        Promise.all(also.users.map(async (id) => ({ id, person: await user(id, freshness) }))),
        Promise.all(
          also.groups.map(async (id) => ({
            id,
            all: await list('groups', id, true, freshness),
            direct: new Set((await list('groups', id, false, freshness)).map(({ person }) => person.id)),
          })),
        ),
      ]);
      const people = new Map<number, Person>();
      for (const { person } of [...project, ...groups.flatMap(({ all }) => all)])
        people.set(person.id, bots.has(person.id) ? { ...person, bot: true } : person);
      // The user's own page knows what a list of members does not: that it is a bot, and that it is gone.
      for (const { id, person } of users) {
        if (person === null) people.delete(id);
        else people.set(id, person);
      }
      const levels = new Map(project.map(({ person, accessLevel }) => [person.id, accessLevel]));
      const inGroups = groups.map(({ id, all, direct }) => ({
        id,
        direct,
        all: new Set(all.map(({ person }) => person.id)),
      }));
      return [...people.values()]
        .filter((person) => !person.blocked)
        .sort((a, b) => (a.username < b.username ? -1 : 1))
        .map(
          (person): Member => ({
            person,
            accessLevel: levels.get(person.id) ?? 0,
            groups: inGroups.flatMap(({ id, all, direct }) =>
              direct.has(person.id) || all.has(person.id) ? [{ id, inherited: !direct.has(person.id) }] : [],
            ),
          }),
        );
    },
    async projectsOf(personId, atLeast, known = async () => []) {
      if ((await standing(personId)) === null) return [];
      const projects = (await known()).slice(-MAX_LOOKED_THROUGH);
      // One alone is what is about to be acted on; many are a list.
      const freshness = projects.length === 1 ? usual : { maxAgeMs: Math.max(cacheMs, SIGHT_MS) };
      const levels = await Promise.all(
        projects.map(async (id) => (await levelsOf('projects', id, freshness)).get(personId) ?? 0),
      );
      return projects.filter((_, i) => levels[i]! >= Math.max(atLeast, 1));
    },
    async groupsOf(personId, among) {
      if ((await standing(personId)) === null) return [];
      const found = await Promise.all(
        among.slice(-MAX_LOOKED_THROUGH).map(async (id) => {
          const has = async (all: boolean) =>
            (await list('groups', id, all, usual)).some(({ person }) => person.id === personId);
          const direct = await has(false);
          return direct || (await has(true)) ? [{ id, inherited: !direct }] : [];
        }),
      );
      return found.flat();
    },
    async keepers(of) {
      const least = 'project' in of ? ACCESS_LEVELS.maintainer : ACCESS_LEVELS.owner;
      const all = 'project' in of ? list('projects', of.project, true, usual) : list('groups', of.group, true, usual);
      const people = (await all)
        .filter(({ person, accessLevel }) => !person.blocked && person.bot !== true && accessLevel >= least)
        .map(({ person }) => person);
      return { people, where: 'GitLab' };
    },
    problem,
  };
}
