import { issueToken, revokeToken } from '../../app/issue-token.ts';
import * as api from '../../wire/api.ts';
import { idParam, none, page, paged, pageOf, type Route, route } from '../route.ts';
import * as views from '../views.ts';
import type { RouteContext } from './context.ts';

/** Tokens: list, make, end. */
export function tokenRoutes({ hub }: RouteContext): readonly Route[] {
  const { store, clock } = hub;
  return [
    route(
      'GET',
      '/api/v1/tokens',
      "The caller's tokens; with scope admin everybody's",
      { scope: null },
      {
        query: page,
        reply: api.pageOf(api.tokenSchema),
        handle: async ({ query, caller }) => {
          const owner = caller.token.scopes.includes('admin') ? null : caller.person.id;
          return paged(
            await store.tokens(owner, pageOf(query)),
            query.limit,
            (t) => t.id,
            (t) => views.tokenView(t, clock.now()),
          );
        },
      },
    ),
    route(
      'POST',
      '/api/v1/tokens',
      'Make a token; its text is in this answer only',
      { scope: null, bootstrap: true },
      {
        body: api.createTokenBody,
        reply: api.createdTokenSchema,
        status: 201,
        handle: async ({ body, identity, address }) => {
          const livesMs = body.expires_in_s === undefined ? null : body.expires_in_s * 1_000;
          const asked = { user: body.user ?? null, scopes: body.scopes ?? null, livesMs, name: body.name ?? null };
          const { text, token } = await issueToken(hub, identity.token, address, asked);
          return { ...views.tokenView(token, clock.now()), token: text };
        },
      },
    ),
    route(
      'POST',
      '/api/v1/tokens/:id/revoke',
      "End a token: one's own, with scope admin anybody's",
      { scope: null },
      {
        params: idParam,
        body: none.nullish(),
        reply: api.tokenSchema,
        handle: async ({ params, identity, address }) =>
          views.tokenView(await revokeToken(hub, identity.token, address, params.id), clock.now()),
      },
    ),
  ];
}
