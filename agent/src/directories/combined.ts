import type { Member, Person } from '../domain/principal.ts';
import type { Directory } from '../ports/directory.ts';

/**
 * What a file and the CI server say together: whoever has access by one has it, and whoever one of them blocks has none.
 * The CI server is asked about everybody who votes: whom it does not know or has blocked counts no more, whatever the file
 * says, and while it cannot be asked nobody's vote counts (T19). Names that the file has are taken from the file: a path or
 * name that somebody else took over in the CI server since is not theirs (T17).
 */
export function combined(file: Directory, server: Directory): Directory {
  const person = async (id: number): Promise<Person | null> => {
    const [written, live] = await Promise.all([file.person(id), server.person(id)]);
    if (live !== null) return written === null ? live : merged(written, live);
    // Somebody has to be able to look and to revoke while the CI server is away.
    return server.problem() === null ? null : written;
  };
  return {
    person,
    async personNamed(username) {
      const written = await file.personNamed(username);
      return written === null ? server.personNamed(username) : person(written.id);
    },
    groupNamed: async (path) => (await file.groupNamed(path)) ?? (await server.groupNamed(path)),
    group: async (idOrPath) => (await file.group(idOrPath)) ?? (await server.group(idOrPath)),
    project: async (idOrPath) => (await file.project(idOrPath)) ?? (await server.project(idOrPath)),
    async accessInGroup(personId, groupId) {
      if (!(await stands(file, server, personId))) return 0;
      return Math.max(await file.accessInGroup(personId, groupId), await server.accessInGroup(personId, groupId));
    },
    async members(projectId, also, notBefore) {
      const [written, live] = await Promise.all([
        file.members(projectId, also, notBefore),
        server.members(projectId, also, notBefore),
      ]);
      const voters = new Set(also?.users ?? []);
      const confirmed = new Set(live.map(({ person }) => person.id));
      const members = new Map(live.map((member) => [member.person.id, member]));
      for (const member of written) {
        const { id } = member.person;
        const other = members.get(id);
        if (other !== undefined) members.set(id, mergedMember(member, other));
        else if (!voters.has(id) || confirmed.has(id)) members.set(id, member);
      }
      const blocked = await Promise.all(
        [...members.keys()].map(async (id) => ((await file.person(id))?.blocked === true ? [id] : [])),
      );
      for (const id of blocked.flat()) members.delete(id);
      return [...members.values()].sort((a, b) => (a.person.username < b.person.username ? -1 : 1));
    },
    async projectsOf(personId, atLeast, known) {
      if (!(await stands(file, server, personId))) return [];
      const [written, live] = await Promise.all([
        file.projectsOf(personId, atLeast, known),
        server.projectsOf(personId, atLeast, known),
      ]);
      return [...new Set([...written, ...live])];
    },
    async groupsOf(personId, among) {
      if (!(await stands(file, server, personId))) return [];
      const [written, live] = await Promise.all([file.groupsOf(personId, among), server.groupsOf(personId, among)]);
      return mergedGroups(written, live);
    },
    async keepers(of) {
      const [written, live] = await Promise.all([file.keepers(of), server.keepers(of)]);
      const people = new Map([...written.people, ...live.people].map((person) => [person.id, person]));
      return { people: [...people.values()], where: `${live.where} or ${written.where}` };
    },
    problem: () => server.problem() ?? file.problem(),
  };
}

/** True while neither has blocked the person, and the CI server, where it can be asked, knows them. */
async function stands(file: Directory, server: Directory, id: number): Promise<boolean> {
  const [written, live] = await Promise.all([file.person(id), server.person(id)]);
  if (written?.blocked === true || live?.blocked === true) return false;
  return live !== null || (server.problem() !== null && written !== null);
}

function merged(written: Person, live: Person): Person {
  return {
    ...live,
    ...(written.emails === undefined ? {} : { emails: written.emails }),
    ...(written.notify === undefined ? {} : { notify: written.notify }),
    blocked: written.blocked || live.blocked,
    bot: written.bot === true || live.bot === true,
    admin: written.admin === true || live.admin === true,
  };
}

function mergedGroups(a: Member['groups'], b: Member['groups']): Member['groups'] {
  const groups = new Map(a.map((group) => [group.id, group]));
  for (const { id, inherited } of b)
    groups.set(id, { id, inherited: inherited && groups.get(id)?.inherited !== false });
  return [...groups.values()];
}

function mergedMember(written: Member, live: Member): Member {
  return {
    person: merged(written.person, live.person),
    accessLevel: Math.max(written.accessLevel, live.accessLevel),
    groups: mergedGroups(written.groups, live.groups),
  };
}
