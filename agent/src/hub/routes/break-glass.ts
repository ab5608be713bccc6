import { z } from 'zod';
import { breakGlass, reviewBreakGlass, visibleBreakGlass } from '../../app/break-glass.ts';
import { sightOf } from '../../app/see.ts';
import { pageOf as pagesOf } from '../../wire/api.ts';
import { breakGlassBody, breakGlassSchema, closeBreakGlassBody } from '../../wire/break-glass.ts';
import { breakGlassView } from '../policy-views.ts';
import { asks, idParam, page, paged, pageOf, type Route, route } from '../route.ts';
import { type RouteContext, VOTES } from './context.ts';

const listQuery = page.extend({ state: z.enum(['open', 'all']).default('open') });

/** What was run without its approval: break the glass, look at it, close it. */
export function breakGlassRoutes({ hub }: RouteContext): readonly Route[] {
  const { store, clock } = hub;
  return [
    route('POST', '/api/v1/holds/:id/break-glass', 'Run this one job without its approval', VOTES, {
      params: idParam,
      body: breakGlassBody,
      reply: breakGlassSchema,
      handle: async ({ params, body, caller }) =>
        breakGlassView(await breakGlass(hub, caller, { hold: params.id, ...body }), clock.now()),
    }),
    route('GET', '/api/v1/break-glass', 'What was run without its approval, oldest first', asks('read'), {
      query: listQuery,
      reply: pagesOf(breakGlassSchema),
      handle: async ({ query, caller }) => {
        const { projects } = await sightOf(hub, caller);
        const found = await store.breakGlasses({ projects, open: query.state === 'open' }, pageOf(query));
        return paged(
          found,
          query.limit,
          (glass) => glass.id,
          (glass) => breakGlassView(glass, clock.now()),
        );
      },
    }),
    route('GET', '/api/v1/break-glass/:id', 'One run without its approval', asks('read'), {
      params: idParam,
      reply: breakGlassSchema,
      handle: async ({ params, caller }) =>
        breakGlassView(await visibleBreakGlass(hub, caller, params.id), clock.now()),
    }),
    route('POST', '/api/v1/break-glass/:id/close', 'Say what was found when looking at it', VOTES, {
      params: idParam,
      body: closeBreakGlassBody,
      reply: breakGlassSchema,
      handle: async ({ params, body, caller }) =>
        breakGlassView(await reviewBreakGlass(hub, caller, params.id, body.finding, body.comment), clock.now()),
    }),
  ];
}
