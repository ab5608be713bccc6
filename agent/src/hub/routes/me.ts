import * as api from '../../wire/api.ts';
import { lendBody, lentSchema } from '../../wire/tokens.ts';
import { type Route, route } from '../route.ts';
import * as views from '../views.ts';
import type { RouteContext } from './context.ts';

/** What concerns the caller alone. */
export function meRoutes({ detached }: RouteContext): readonly Route[] {
  return [
    route(
      'GET',
      '/api/v1/me',
      'Who the token speaks for',
      { scope: null },
      {
        reply: api.meSchema,
        handle: async ({ caller: { person, token } }) => ({
          person: { id: person.id, username: person.username, name: person.name },
          scopes: [...token.scopes],
          token_expires_at: new Date(token.expiresAt).toISOString(),
        }),
      },
    ),
    route(
      'GET',
      '/api/v1/me/gitlab-credential',
      'Whether the caller has lent a GitLab credential; never the credential',
      { scope: null },
      {
        reply: lentSchema,
        handle: async ({ caller }) => views.lentView(detached.until(caller)),
      },
    ),
    route(
      'PUT',
      '/api/v1/me/gitlab-credential',
      "Lend one's own GitLab credential, kept in memory only, to have one's own approved jobs retried",
      // Guesses at GitLab's tokens through this hub are as few as votes.
      { scope: null, vote: true },
      {
        body: lendBody,
        reply: lentSchema,
        handle: async ({ body, caller }) => {
          const livesMs = body.expires_in_s === undefined ? null : body.expires_in_s * 1_000;
          return views.lentView(await detached.lend(caller, body.token, livesMs));
        },
      },
    ),
    route(
      'DELETE',
      '/api/v1/me/gitlab-credential',
      'Take a lent GitLab credential back',
      { scope: null },
      {
        reply: lentSchema,
        handle: async ({ caller }) => {
          await detached.forget(caller);
          return views.lentView(null);
        },
      },
    ),
  ];
}
