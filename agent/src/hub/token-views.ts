/** Tokens as the API shows them: never a text of one. */
import type { GitlabTokenRow } from '../app/gitlab-tokens.ts';
import { PURPOSES } from '../domain/gitlab-token.ts';
import { idleUntil, isSession } from '../domain/session.ts';
import { idleEndsAt, type Token, type TokenState } from '../domain/token.ts';
import type { GitlabTokenView, TokenView } from '../wire/tokens.ts';

const time = (at: number): string => new Date(at).toISOString();
const timeOrNull = (at: number | null): string | null => (at === null ? null : time(at));

/** What is known of a token; `state` is where it stands now. */
export function tokenView(token: Token, state: TokenState, idleMs: number): TokenView {
  return {
    id: token.id,
    name: token.name,
    owner: token.owner?.username ?? 'bootstrap',
    owner_id: token.owner?.id ?? null,
    scopes: [...token.scopes],
    made_by: [...token.makers],
    created_at: time(token.createdAt),
    expires_at: time(token.expiresAt),
    idle_ends_at: token.owner === null ? null : time(isSession(token) ? idleUntil(token) : idleEndsAt(token, idleMs)),
    last_used_at: timeOrNull(token.lastUsedAt),
    last_used_address: token.lastUsedAddress,
    last_used_client: token.lastUsedClient,
    revoked_at: timeOrNull(token.revokedAt),
    revoked_by: token.revokedBy,
    revoked_reason: token.revokedReason,
    replaced_by: token.replacedBy,
    valid: state === 'valid',
    state,
    flags: token.flags.map((flag) => ({ ...flag, at: time(flag.at) })),
    prefix: token.prefix,
  };
}

/** What GitLab says of a token that the operator gave. */
export function gitlabTokenView({ purpose, state, record, owner, problems }: GitlabTokenRow): GitlabTokenView {
  const { setting, does, least } = PURPOSES[purpose];
  const utc = (text: string | null | undefined): string | null => (text == null ? null : time(Date.parse(text)));
  return {
    purpose,
    setting,
    does,
    state,
    valid: state === 'valid',
    name: record?.name ?? null,
    owner: owner && { id: owner.id, username: owner.username, name: owner.name, bot: owner.bot },
    scopes: [...(record?.scopes ?? [])],
    least_scopes: [...least],
    created_at: utc(record?.createdAt),
    expires_at: record?.expiresAt ?? null,
    last_used_at: utc(record?.lastUsedAt),
    problems: [...problems],
  };
}
