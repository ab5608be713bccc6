import { liftDenial } from '../../app/denials.ts';
import { sightOf } from '../../app/see.ts';
import * as api from '../../wire/api.ts';
import * as wire from '../../wire/approvals.ts';
import { denialView } from '../approval-views.ts';
import { asks, idParam, page, paged, pageOf, type Route, route } from '../route.ts';
import { type RouteContext, VOTES } from './context.ts';

/** Remembered rejects: look, lift. */
export function denialRoutes({ hub }: RouteContext): readonly Route[] {
  const { store, clock } = hub;
  return [
    route('GET', '/api/v1/denials', 'Remembered rejects, oldest first, those that are over too', asks('read'), {
      query: page,
      reply: api.pageOf(wire.denialSchema),
      handle: async ({ query, caller }) =>
        paged(
          await store.denials({ sight: await sightOf(hub, caller) }, pageOf(query)),
          query.limit,
          (denial) => denial.id,
          (denial) => denialView(denial, clock.now()),
        ),
    }),
    route('POST', '/api/v1/denials/:id/lift', 'End a remembered reject: later jobs wait for approval again', VOTES, {
      params: idParam,
      body: wire.liftBody.nullish(),
      reply: wire.denialSchema,
      handle: async ({ params, body, caller }) =>
        denialView(await liftDenial(hub, caller, params.id, body?.comment ?? null), clock.now()),
    }),
  ];
}
