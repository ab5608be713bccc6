import { inspectApproval } from '../../app/inspect.ts';
import { revoke } from '../../app/revoke.ts';
import { sightOf } from '../../app/see.ts';
import * as api from '../../wire/api.ts';
import { asks, idParam, page, paged, pageOf, project, type Route, route } from '../route.ts';
import * as views from '../views.ts';
import { type RouteContext, VOTES } from './context.ts';

const approvalQuery = page.extend({ project });

/** Approvals: look, revoke. */
export function approvalRoutes({ hub }: RouteContext): readonly Route[] {
  const { store, clock } = hub;
  return [
    route('GET', '/api/v1/approvals', 'Approvals, oldest first', asks('read'), {
      query: approvalQuery,
      reply: api.pageOf(api.approvalSchema),
      handle: async ({ query, caller }) => {
        const filter = {
          sight: await sightOf(hub, caller),
          ...(query.project !== undefined && { project: query.project }),
        };
        return paged(
          await store.approvals(filter, pageOf(query)),
          query.limit,
          (a) => a.id,
          (a) => views.approvalView(a, clock.now()),
        );
      },
    }),
    route('GET', '/api/v1/approvals/:id', 'One Approval with its configuration', asks('read'), {
      params: idParam,
      reply: api.approvalDetailSchema,
      handle: async ({ params, caller }) => {
        const { approval, configuration } = await inspectApproval(hub, caller, params.id);
        return views.approvalDetail(approval, configuration, clock.now());
      },
    }),
    route('POST', '/api/v1/approvals/:id/revoke', 'Take an Approval back', VOTES, {
      params: idParam,
      body: api.revokeBody.nullish(),
      reply: api.approvalSchema,
      handle: async ({ params, body, caller }) =>
        views.approvalView(await revoke(hub, caller, params.id, body?.comment ?? null), clock.now()),
    }),
  ];
}
