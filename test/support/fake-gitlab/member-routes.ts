import { type Answer, json, refuse, type World } from './state.ts';
import type { FakeGroup, FakeMembership, FakePeople, FakeProject, FakeUserRecord } from './types.ts';

/** Nobody and nothing: what a GitLab starts with. */
export const NO_PEOPLE: FakePeople = { users: [], groups: [], projects: [] };

/** Who reads: the token must be one that may. */
function mayRead(world: World, token: string): boolean {
  return token === world.apiToken || world.personTokens.get(token)?.may.has('read') === true;
}

/** Users, groups, projects and their members as GitLab lists them; null if none of these is meant, or no people were given. */
export function memberRoute(world: World, method: string, url: URL, token: string): Answer | null {
  const { people } = world;
  if (method !== 'GET' || people === NO_PEOPLE) return null;
  const match = /^\/api\/v4\/(users|groups|projects)(?:\/([^/]+))?(\/members(\/all)?)?$/.exec(url.pathname);
  if (match === null) return null;
  if (!mayRead(world, token)) return refuse(401, '401 Unauthorized');
  const [, kind, wanted, members, all] = match;
  if (kind === 'users') return userAnswer(people, wanted, url);
  if (wanted === undefined) return null;
  const name = decodeURIComponent(wanted);
  const entry = people[kind as 'groups' | 'projects'].find(
    (one) => String(one.id) === name || one.path.toLowerCase() === name.toLowerCase(),
  );
  if (entry === undefined) return refuse(404, `404 ${kind === 'groups' ? 'Group' : 'Project'} Not Found`);
  const path = kind === 'groups' ? { full_path: entry.path } : { path_with_namespace: entry.path };
  if (members === undefined) return json(200, { id: entry.id, name: entry.path.split('/').at(-1), ...path });
  const listed = all === undefined ? entry.members : allMembers(people, entry);
  return paged(
    url,
    listed.map((one) => memberView(people, one)),
  );
}

function userAnswer(people: FakePeople, wanted: string | undefined, url: URL): Answer {
  if (wanted !== undefined) {
    const user = people.users.find(({ id }) => String(id) === wanted);
    return user === undefined ? refuse(404, '404 User Not Found') : json(200, userView(user));
  }
  const name = url.searchParams.get('username')?.toLowerCase();
  return paged(url, people.users.filter((user) => name === undefined || user.username === name).map(userView));
}

/** Members of the entry, of the groups above it, and of the groups that these invited: the highest level of each. */
function allMembers(people: FakePeople, entry: FakeGroup | FakeProject): readonly FakeMembership[] {
  const above = people.groups.filter((group) => entry.path.toLowerCase().startsWith(`${group.path.toLowerCase()}/`));
  const invited = [entry, ...above].flatMap(({ sharedWith = [] }) =>
    sharedWith.flatMap(({ group, accessLevel }) => {
      const guest = people.groups.find(({ id }) => id === group);
      const parents = people.groups.filter((one) => guest?.path.startsWith(`${one.path}/`));
      return [...(guest?.members ?? []), ...parents.flatMap(({ members }) => members)].map((one) => ({
        ...one,
        accessLevel: Math.min(one.accessLevel, accessLevel),
      }));
    }),
  );
  const highest = new Map<number, FakeMembership>();
  for (const one of [...entry.members, ...above.flatMap(({ members }) => members), ...invited]) {
    const other = highest.get(one.user);
    if (other === undefined || other.accessLevel < one.accessLevel) highest.set(one.user, one);
  }
  return [...highest.values()].sort((a, b) => a.user - b.user);
}

function userView(user: FakeUserRecord) {
  const { id, username, name, state = 'active', bot = false } = user;
  return { id, username, name, state, bot, locked: false, web_url: `https://gitlab.example.com/${username}` };
}

function memberView(people: FakePeople, { user, accessLevel, expiresAt, pending = false }: FakeMembership) {
  const known = people.users.find(({ id }) => id === user);
  if (known === undefined) throw new Error(`member ${user} is none of the users`);
  // GitLab does not say in lists of members that one of them is a bot.
  const { bot: _bot, ...view } = userView(known);
  return {
    ...view,
    access_level: accessLevel,
    expires_at: expiresAt ?? null,
    membership_state: pending ? 'awaiting' : 'active',
  };
}

function paged(url: URL, items: readonly object[]): Answer {
  const size = Math.min(100, Number(url.searchParams.get('per_page') ?? 20));
  const page = Number(url.searchParams.get('page') ?? 1);
  const pages = Math.max(1, Math.ceil(items.length / size));
  return json(200, items.slice((page - 1) * size, page * size), {
    'X-Total': String(items.length),
    'X-Total-Pages': String(pages),
    'X-Page': String(page),
    'X-Per-Page': String(size),
    'X-Next-Page': page < pages ? String(page + 1) : '',
  });
}
