import { ownersOf, stateNow, tokenPolicy } from '../../app/authenticate.ts';
import { issueToken, revokeToken } from '../../app/issue-token.ts';
import { revokeTokens } from '../../app/revoke-tokens.ts';
import { rotateToken } from '../../app/rotate-token.ts';
import { HoldpointError } from '../../domain/errors.ts';
import type { Token } from '../../domain/token.ts';
import * as api from '../../wire/api.ts';
import { revokedTokensSchema, revokeTokensBody } from '../../wire/revoke-tokens.ts';
import {
  createdTokenSchema,
  createTokenBody,
  gitlabTokensSchema,
  rotateTokenBody,
  tokenSchema,
} from '../../wire/tokens.ts';
import type { Demand } from '../auth.ts';
import { asks, idParam, none, page, paged, pageOf, type Route, route } from '../route.ts';
import { useOf } from '../token-use.ts';
import { gitlabTokenView, tokenView } from '../token-views.ts';
import type { RouteContext } from './context.ts';

/** Making tokens is as rare as voting, and as worth a limit. */
const MAKES: Demand = { scope: null, vote: true };

/** Tokens: list, make, rotate, end; and those of GitLab's that the operator gave. */
export function tokenRoutes({ hub, gitlabTokens }: RouteContext): readonly Route[] {
  const { store } = hub;
  const shown = async (tokens: readonly Token[]) => {
    const { idleMs } = await tokenPolicy(hub);
    const owners = await ownersOf(hub, tokens);
    return (token: Token) => tokenView(token, stateNow(hub, token, owners, idleMs), idleMs);
  };
  const view = async (token: Token) => (await shown([token]))(token);
  const livesMs = (body: { expires_in_s?: number | undefined } | null | undefined) =>
    body?.expires_in_s === undefined ? null : body.expires_in_s * 1_000;
  return [
    route(
      'GET',
      '/api/v1/tokens',
      "The caller's tokens; with scope admin everybody's",
      { scope: null },
      {
        query: page,
        reply: api.pageOf(tokenSchema),
        handle: async ({ query, caller }) => {
          const owner = caller.token.scopes.includes('admin') ? null : caller.person.id;
          const tokens = await store.tokens(owner, pageOf(query));
          return paged(tokens, query.limit, (t) => t.id, await shown(tokens));
        },
      },
    ),
    route(
      'POST',
      '/api/v1/tokens',
      'Make a token; its text is in this answer only',
      { ...MAKES, bootstrap: true },
      {
        body: createTokenBody,
        reply: createdTokenSchema,
        status: 201,
        handle: async ({ body, identity, address, headers }) => {
          const { user = null, scopes = null, name = null } = body;
          const asked = { user, scopes, livesMs: livesMs(body), name };
          const { text, token } = await issueToken(hub, identity.token, useOf(headers, address), asked);
          return { ...(await view(token)), token: text };
        },
      },
    ),
    route(
      'GET',
      '/api/v1/tokens/gitlab',
      "GitLab's own tokens that the operator gave; never their text",
      asks('admin'),
      {
        reply: gitlabTokensSchema,
        handle: async () => ({ items: (await gitlabTokens()).map(gitlabTokenView) }),
      },
    ),
    route(
      'POST',
      '/api/v1/tokens/revoke',
      "End many tokens at once: one's own, with scope admin a person's or everybody's",
      { scope: null },
      {
        body: revokeTokensBody,
        reply: revokedTokensSchema,
        handle: async ({ body, identity, address, headers }) => {
          const { user, everybody, this_too: thisToo = false, reason = null } = body;
          if (user !== undefined && everybody === true)
            throw new HoldpointError('bad_input', "say either whose tokens end, or that everybody's do");
          const whose = everybody === true ? 'everybody' : user === undefined ? null : { user };
          const from = useOf(headers, address);
          return { revoked: await revokeTokens(hub, identity.token, from, { whose, thisToo, reason }) };
        },
      },
    ),
    route('POST', '/api/v1/tokens/:id/rotate', 'Put a new token in the place of an old one', MAKES, {
      params: idParam,
      body: rotateTokenBody.nullish(),
      reply: createdTokenSchema,
      status: 201,
      handle: async ({ params, body, identity, address, headers }) => {
        const asked = { id: params.id, overlapMs: (body?.overlap_s ?? 0) * 1_000, livesMs: livesMs(body) };
        const { text, token } = await rotateToken(hub, identity.token, useOf(headers, address), asked);
        return { ...(await view(token)), token: text };
      },
    }),
    route(
      'POST',
      '/api/v1/tokens/:id/revoke',
      "End a token: one's own, with scope admin anybody's",
      { scope: null },
      {
        params: idParam,
        body: none.nullish(),
        reply: tokenSchema,
        handle: async ({ params, identity, address, headers }) =>
          view(await revokeToken(hub, identity.token, useOf(headers, address), params.id)),
      },
    ),
  ];
}
