import { z } from 'zod';
import { HoldpointError } from '../../domain/errors.ts';
import type { Person } from '../../domain/principal.ts';
import type { Named } from '../../ports/directory.ts';
import { headerIn } from './headers.ts';
import { type Answer, createUpstream } from './upstream.ts';

/** Somebody waits for the answer: a GitLab that is slower than this counts as away. */
const CALL_MS = 10_000;
/** A hundred members are some 50 KiB. */
const MAX_ANSWER_BYTES = 4 * 1024 * 1024;
const PAGE = 100;
/** 20,000 members of one project or group; more is not read, and said. */
const MAX_PAGES = 200;

const id = z.number().int().positive();
const memberSchema = z.object({
  id,
  username: z.string().min(1).max(255),
  name: z.string().max(1_000).nullish(),
  state: z.string().max(100).nullish(),
  membership_state: z.string().max(100).nullish(),
  access_level: z.number().int().min(0).max(100),
  expires_at: z.string().max(100).nullish(),
});
const userSchema = z.object({
  id,
  username: z.string().min(1).max(255),
  name: z.string().max(1_000).nullish(),
  state: z.string().max(100),
  bot: z.boolean().nullish(),
  // Shown to an administrator's token alone.
  is_admin: z.boolean().nullish(),
});
const groupSchema = z.object({ id, full_path: z.string().min(1).max(1_000), name: z.string().max(1_000) });
const projectSchema = z.object({ id, path_with_namespace: z.string().min(1).max(1_000), name: z.string().max(1_000) });

/** Names that GitLab gives to the users of project, group and service tokens; `bot` stands in the user's own page alone. */
const BOT_NAME = /^(project|group)_\d+_bot(_[0-9a-f]+)?$|^service_account_(group_\d+_)?[0-9a-f]{16,}$/;

/** A membership as GitLab has it now. */
export interface GitlabMember {
  readonly person: Person;
  readonly accessLevel: number;
}
/** What GitLab says of people; null and empty lists for what it does not show. Rejects with `ci_unreachable` when it cannot be asked. */
export interface MembersApi {
  membersOf(
    kind: 'projects' | 'groups',
    of: number,
    all: boolean,
    today: string,
  ): Promise<readonly GitlabMember[] | null>;
  user(userId: number): Promise<Person | null>;
  userNamed(username: string): Promise<Person | null>;
  group(idOrPath: number | string): Promise<Named | null>;
  project(idOrPath: number | string): Promise<Named | null>;
  close(): Promise<void>;
}

const away = (why: string): HoldpointError =>
  new HoldpointError(
    'ci_unreachable',
    `GitLab cannot be asked who belongs to what (${why}): nobody gains a right meanwhile`,
  );

/** Members of projects and groups, users and names over GitLab's API, with a token that goes there and nowhere else (T24). */
export function createMembersApi(options: {
  readonly url: string;
  readonly ca?: string | undefined;
  /** The token, read again at each use; null where its file cannot be used. */
  readonly token: () => string | null;
  /** How long one page may take; default 10,000 ms. */
  readonly timeoutMs?: number;
}): MembersApi {
  const upstream = createUpstream(options);
  const timeoutMs = options.timeoutMs ?? CALL_MS;
  const ask = async (path: string): Promise<Answer> => {
    const token = options.token();
    if (token === null) throw away('the file of hub.gitlab_members_token_file cannot be used: the log says why');
    let answer: Answer;
    try {
      answer = await upstream.call({
        method: 'GET',
        path: `/api/v4${path}`,
        headers: ['Authorization', `Bearer ${token}`, 'User-Agent', 'holdpoint', 'Accept', 'application/json'],
        timeoutMs,
        totalMs: timeoutMs,
        maxBytes: MAX_ANSWER_BYTES,
      });
    } catch (error) {
      // The code alone: a message of the HTTP client may quote what was sent.
      throw away(error instanceof Error && 'code' in error ? String(error.code) : 'no answer');
    }
    if (answer.status === 401 || answer.status === 403)
      throw away(`it does not take the token of hub.gitlab_members_token_file, ${answer.status}`);
    if (answer.status !== 200 && answer.status !== 404) throw away(`it answered ${answer.status}`);
    return answer;
  };
  const read = <T extends z.ZodType>(schema: T, { body, whole }: Answer): z.output<T> => {
    let value: unknown = null;
    try {
      if (whole) value = JSON.parse(body.toString());
    } catch {
      value = null;
    }
    const result = schema.safeParse(value);
    if (!result.success) throw away('its answer was not understood');
    return result.data;
  };
  const segment = (idOrPath: number | string): string => encodeURIComponent(String(idOrPath));

  return {
    async membersOf(kind, of, all, today) {
      const found: GitlabMember[] = [];
      for (let page = 1; page <= MAX_PAGES; page++) {
        const answer = await ask(`/${kind}/${of}/members${all ? '/all' : ''}?per_page=${PAGE}&page=${page}`);
        if (answer.status === 404) return null;
        const members = read(z.array(memberSchema).max(PAGE), answer);
        found.push(...members.flatMap((member) => (counts(member, today) ? [memberOf(member)] : [])));
        const next = headerIn(answer.headers, 'x-next-page');
        if (next === undefined || next === null ? members.length < PAGE : next === '') return found;
      }
      throw away(`${kind.slice(0, -1)} ${of} has more than ${PAGE * MAX_PAGES} members`);
    },
    async user(userId) {
      const answer = await ask(`/users/${userId}`);
      return answer.status === 404 ? null : personOf(read(userSchema, answer));
    },
    async userNamed(username) {
      const found = read(z.array(userSchema).max(PAGE), await ask(`/users?username=${segment(username)}`));
      const user = found.find((one) => one.username.toLowerCase() === username.toLowerCase());
      return user === undefined ? null : personOf(user);
    },
    async group(idOrPath) {
      const answer = await ask(`/groups/${segment(idOrPath)}?with_projects=false`);
      if (answer.status === 404) return null;
      const { id: number, full_path: path, name } = read(groupSchema, answer);
      return moved(idOrPath, path) ? null : { id: number, path, name };
    },
    async project(idOrPath) {
      const answer = await ask(`/projects/${segment(idOrPath)}`);
      if (answer.status === 404) return null;
      const { id: number, path_with_namespace: path, name } = read(projectSchema, answer);
      return { id: number, path, name };
    },
    close: () => upstream.close(),
  };
}

/** GitLab follows old paths after a rename: a rule that names one is not met by whatever answers there now (T17). */
const moved = (wanted: number | string, path: string): boolean =>
  typeof wanted === 'string' && wanted.toLowerCase() !== path.toLowerCase();

/** A membership that waits for its acceptance, or whose last day is over, gives nothing; `expires_at` is a day in UTC. */
function counts(
  { membership_state: state, expires_at: expires, access_level: level }: z.output<typeof memberSchema>,
  today: string,
) {
  const stands = state === null || state === undefined || state === 'active';
  return stands && level > 0 && (expires === null || expires === undefined || expires.slice(0, 10) > today);
}

function memberOf({
  id: number,
  username,
  name,
  state,
  access_level: accessLevel,
}: z.output<typeof memberSchema>): GitlabMember {
  return {
    person: { id: number, username, name: name ?? username, blocked: state !== 'active', bot: BOT_NAME.test(username) },
    accessLevel,
  };
}

function personOf({ id: number, username, name, state, bot, is_admin: admin }: z.output<typeof userSchema>): Person {
  return {
    id: number,
    username,
    name: name ?? username,
    blocked: state !== 'active',
    bot: bot === true || BOT_NAME.test(username),
    admin: admin === true,
  };
}
