/** Tokens of the CI server that an operator gave: what each is for, and whether it is fit for that. */

/** `facts`: asks what a job's own token may not; `members`: asks who is in which project and group; `retry`: retries approved jobs and sets commit statuses. */
export const GITLAB_PURPOSES = ['facts', 'members', 'retry'] as const;
/** One of the purposes. */
export type GitlabPurpose = (typeof GITLAB_PURPOSES)[number];

/**
 * `missing`: not set; `unreadable`: its file cannot be used; `refused`: GitLab does not know it (ended, revoked or mistyped);
 * `inactive`: GitLab knows it as ended; `unknown`: it works, and GitLab tells nothing of it; `unreachable`: GitLab could not be asked.
 */
export const GITLAB_TOKEN_STATES = [
  'valid',
  'missing',
  'unreadable',
  'refused',
  'inactive',
  'unknown',
  'unreachable',
] as const;
/** One of the states. */
export type GitlabTokenState = (typeof GITLAB_TOKEN_STATES)[number];

/** What one purpose needs. */
export interface PurposeNeeds {
  /** Key in agent.yml. */
  readonly setting: string;
  readonly does: string;
  readonly least: readonly string[];
}
/** What each purpose needs, least first: anything more is a risk without a use (T24). */
export const PURPOSES: Readonly<Record<GitlabPurpose, PurposeNeeds>> = {
  facts: {
    setting: 'gitlab.token_file',
    does: 'asks who wrote the commits of a run, and where its artifacts come from; changes nothing, so its owner shows in no history',
    least: ['read_api'],
  },
  members: {
    setting: 'hub.gitlab_members_token_file',
    does: 'asks who belongs to which project and group; changes nothing, so its owner shows in no history',
    least: ['read_api'],
  },
  retry: {
    setting: 'hub.gitlab_token_file',
    does: 'retries approved jobs that GitLab has ended, and sets the commit status; its owner shows as who retried the job',
    least: ['api'],
  },
};

/** What GitLab says of a token itself; ids and names as GitLab has them. */
export interface GitlabTokenRecord {
  readonly id: number;
  readonly name: string;
  readonly scopes: readonly string[];
  readonly active: boolean;
  readonly revoked: boolean;
  /** RFC 3339, null where GitLab did not say. */
  readonly createdAt: string | null;
  readonly lastUsedAt: string | null;
  /** `YYYY-MM-DD`, null for a token without an end. */
  readonly expiresAt: string | null;
}
/** Whose a token is. */
export interface GitlabTokenOwner {
  readonly id: number;
  readonly username: string;
  readonly name: string;
  readonly bot: boolean;
}

const DAY_MS = 86_400_000;
/** As long ahead as approvals are renewed: both want somebody with a calendar. */
const SOON_MS = 14 * DAY_MS;
/** Scopes that hold more than one purpose ever needs; GitLab's words. */
const WIDE = ['sudo', 'admin_mode', 'api', 'write_repository', 'write_registry', 'create_runner', 'manage_runner'];
/** A wider scope has what a narrower one asks for. */
const INCLUDES: Readonly<Record<string, readonly string[]>> = { api: ['read_api'] };

/** What somebody should look at, in words: a missing scope, one too many, an end that is near, a person's own token. */
export function problemsOf(
  purpose: GitlabPurpose,
  record: GitlabTokenRecord,
  owner: GitlabTokenOwner | null,
  now: number,
): readonly string[] {
  const { least } = PURPOSES[purpose];
  const has = new Set(record.scopes.flatMap((scope) => [scope, ...(INCLUDES[scope] ?? [])]));
  const lacking = least.filter((scope) => !has.has(scope));
  const tooMuch = record.scopes.filter((scope) => WIDE.includes(scope) && !least.includes(scope));
  const end = record.expiresAt === null ? null : Date.parse(`${record.expiresAt}T00:00:00Z`);
  return [
    ...(lacking.length > 0 ? [`it lacks the scope ${lacking.join(', ')}: it does not do what it is for`] : []),
    ...(tooMuch.length > 0
      ? [`it has the scope ${tooMuch.join(', ')}, ${least.join(', ')} is enough: make one with less`]
      : []),
    ...(end === null ? ['it has no end: make one that ends within a year'] : []),
    ...(end !== null && end > now && end - now <= SOON_MS
      ? [`it ends in ${Math.ceil((end - now) / DAY_MS)} days: rotate it in GitLab and put the new one into the file`]
      : []),
    ...(owner !== null && !owner.bot
      ? [`it is ${owner.username}'s own: it ends when they leave; a project or group token is nobody's`]
      : []),
  ];
}
