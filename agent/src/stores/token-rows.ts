/** Rows of Tokens and Sessions to domain values and back. */
import type { Session } from '../domain/session.ts';
import type { Token } from '../domain/token.ts';
import type { SessionTable, TokenTable } from './schema.ts';
import type { Row } from './where-rows.ts';

/** A Token of its row. */
export function tokenOf(row: Row<TokenTable>): Token {
  return {
    id: row.id,
    hash: row.hash,
    prefix: row.prefix,
    name: row.name,
    owner: row.owner_id === null ? null : { id: row.owner_id, username: row.owner_username ?? '' },
    scopes: JSON.parse(row.scopes) as Token['scopes'],
    makers: JSON.parse(row.makers) as Token['makers'],
    createdAt: row.created_at,
    expiresAt: row.expires_at,
    lastUsedAt: row.last_used_at,
    lastUsedAddress: row.last_used_address,
    lastUsedClient: row.last_used_client,
    flags: JSON.parse(row.flags) as Token['flags'],
    replacedBy: row.replaced_by,
    revokedAt: row.revoked_at,
    revokedBy: row.revoked_by,
    revokedReason: row.revoked_reason,
  };
}

/** Columns of a Token that may change after it was made. */
export function tokenChanges(token: Omit<Token, 'id'>) {
  return {
    expires_at: token.expiresAt,
    last_used_at: token.lastUsedAt,
    last_used_address: token.lastUsedAddress,
    last_used_client: token.lastUsedClient,
    flags: JSON.stringify(token.flags),
    replaced_by: token.replacedBy,
    revoked_at: token.revokedAt,
    revoked_by: token.revokedBy,
    revoked_reason: token.revokedReason,
  };
}

/** Columns of a Token. */
export function tokenColumns(token: Omit<Token, 'id'>) {
  return {
    hash: token.hash,
    prefix: token.prefix,
    name: token.name,
    owner_id: token.owner?.id ?? null,
    owner_username: token.owner?.username ?? null,
    scopes: JSON.stringify(token.scopes),
    makers: JSON.stringify(token.makers),
    created_at: token.createdAt,
    ...tokenChanges(token),
  };
}

/** A Session of its row. */
export function sessionOf(row: Row<SessionTable>): Session {
  return {
    token: row.token,
    way: row.way as Session['way'],
    madeWith: row.made_with,
    authTime: row.auth_time,
    claimed: row.claimed === null ? null : (JSON.parse(row.claimed) as Session['claimed']),
  };
}

/** Columns of a Session. */
export function sessionColumns(session: Session) {
  return {
    token: session.token,
    way: session.way,
    made_with: session.madeWith,
    auth_time: session.authTime,
    claimed: session.claimed === null ? null : JSON.stringify(session.claimed),
  };
}
