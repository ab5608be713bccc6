import {
  type GitlabPurpose,
  type GitlabTokenOwner,
  type GitlabTokenRecord,
  type GitlabTokenState,
  problemsOf,
} from '../domain/gitlab-token.ts';
import type { CiApi } from '../ports/ci-api.ts';
import type { Clock } from '../ports/clock.ts';

/** A token that an operator gave, as it stands in its file at each use. */
export interface GitlabTokenSource {
  readonly purpose: GitlabPurpose;
  /** Null where none is set. */
  readonly read: (() => { readonly ok: true; readonly value: string } | { readonly ok: false }) | null;
}
/** What is known of one; never its text. */
export interface GitlabTokenRow {
  readonly purpose: GitlabPurpose;
  readonly state: GitlabTokenState;
  readonly record: GitlabTokenRecord | null;
  readonly owner: GitlabTokenOwner | null;
  readonly problems: readonly string[];
}

/** Whoever reloads a page does not ask GitLab each time. */
const KEPT_MS = 60_000;

/** Asks GitLab about each token that an operator gave, with that token; answers are kept for a minute. */
export function gitlabTokens(
  ci: Pick<CiApi, 'tokenOf' | 'ownerOf'>,
  sources: readonly GitlabTokenSource[],
  clock: Clock,
): () => Promise<readonly GitlabTokenRow[]> {
  const kept = new Map<GitlabPurpose, { readonly text: string; readonly at: number; readonly row: GitlabTokenRow }>();
  return () =>
    Promise.all(
      sources.map(async ({ purpose, read }) => {
        if (read === null) return empty(purpose, 'missing', []);
        const reading = read();
        if (!reading.ok) return empty(purpose, 'unreadable', ['its file cannot be used: the log of the hub says why']);
        const text = reading.value;
        const known = kept.get(purpose);
        const now = clock.now();
        if (known !== undefined && known.text === text && now - known.at < KEPT_MS) return known.row;
        const row = await lookAt(ci, purpose, text, now);
        kept.set(purpose, { text, at: now, row });
        return row;
      }),
    );
}

const empty = (
  purpose: GitlabPurpose,
  state: Exclude<GitlabTokenState, 'valid'>,
  problems: readonly string[],
): GitlabTokenRow => ({ purpose, state, record: null, owner: null, problems });

async function lookAt(
  ci: Pick<CiApi, 'tokenOf' | 'ownerOf'>,
  purpose: GitlabPurpose,
  text: string,
  now: number,
): Promise<GitlabTokenRow> {
  try {
    const [token, user] = [await ci.tokenOf(text), await ci.ownerOf(text)];
    const owner = user.ok ? user.value : null;
    if (token.ok) {
      const { active, revoked } = token.value;
      const isOver = !active || revoked;
      const ended = isOver ? ['GitLab says that it has ended: make another and put it into the file'] : [];
      return {
        purpose,
        state: isOver ? 'inactive' : 'valid',
        record: token.value,
        owner,
        problems: [...ended, ...problemsOf(purpose, token.value, owner, now)],
      };
    }
    if (owner === null) {
      return empty(purpose, 'refused', [
        `GitLab does not take it (${token.status}): it has ended, was revoked or is mistyped; make another`,
      ]);
    }
    // Tokens of an application, for one: they work, and GitLab tells nothing of them.
    const why = `GitLab tells nothing of it (${token.status}): give a personal, project or group access token instead`;
    return { ...empty(purpose, 'unknown', [why]), owner };
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    return empty(purpose, 'unreachable', [why]);
  }
}
