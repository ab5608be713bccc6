import { inspectAsk } from '../../app/asks.ts';
import { waitingChanges } from '../../app/changes.ts';
import { decideAsk } from '../../app/decide-ask.ts';
import { inspectReview, visibleReview } from '../../app/inspect.ts';
import { sightOf } from '../../app/see.ts';
import { REVIEW_STATES } from '../../domain/review.ts';
import { parseScopeWish } from '../../domain/scope.ts';
import * as api from '../../wire/api.ts';
import * as wire from '../../wire/approvals.ts';
import { askedView, askView, changeView } from '../approval-views.ts';
import { asks, idParam, page, paged, pageOf, type Route, route, states } from '../route.ts';
import * as views from '../views.ts';
import { type RouteContext, VOTES } from './context.ts';

const reviewQuery = page.extend({
  state: states(REVIEW_STATES as unknown as ['open', ...('approved' | 'rejected' | 'expired' | 'canceled')[]]),
});

/** Somebody who looks once a second; more is a loop. */
const MAX_CHANGES_PER_MINUTE = 60;

/** Reviews: look, those that ask the same together; decide where no job waits. */
export function reviewRoutes({ hub }: RouteContext): readonly Route[] {
  const { store } = hub;
  return [
    route('GET', '/api/v1/reviews', 'Reviews, oldest first', asks('read'), {
      query: reviewQuery,
      reply: api.pageOf(api.reviewSchema),
      handle: async ({ query, caller }) => {
        const filter = { sight: await sightOf(hub, caller), ...(query.state && { states: query.state }) };
        const found = await store.reviews(filter, pageOf(query));
        return paged(
          await Promise.all(found.map((review) => inspectReview(hub, review, caller.person.id))),
          query.limit,
          (r) => r.review.id,
          views.reviewView,
        );
      },
    }),
    {
      // Each costs a comparison of everything that waits with everything that is approved.
      ...route('GET', '/api/v1/reviews/changes', 'Open Reviews, those that ask the same together', asks('read'), {
        reply: wire.changesSchema,
        handle: async ({ caller }) => {
          const { groups, more } = await waitingChanges(hub, caller);
          return { items: groups.map(changeView), more };
        },
      }),
      perMinute: MAX_CHANGES_PER_MINUTE,
    },
    route('GET', '/api/v1/reviews/:id/ask', 'What a Review asks that no job waits on', asks('read'), {
      params: idParam,
      reply: wire.askSchema,
      handle: async ({ params, caller }) => askView(await inspectAsk(hub, caller, params.id)),
    }),
    route('POST', '/api/v1/reviews/:id/decide', 'Decide on a Review that no job waits on', VOTES, {
      params: idParam,
      body: wire.decideAskBody,
      reply: wire.askedSchema,
      handle: async ({ params, body, caller }) => {
        const { digest, decision, comment = null, lifetime = null, scope } = body;
        const asked = {
          digest,
          decision,
          comment,
          lifetime,
          scope: scope === undefined ? null : parseScopeWish([scope]),
        };
        const outcome = await decideAsk(hub, caller, { review: params.id, ...asked });
        return askedView(outcome, await inspectReview(hub, outcome.review, caller.person.id), hub.clock.now());
      },
    }),
    route('GET', '/api/v1/reviews/:id', 'One Review', asks('read'), {
      params: idParam,
      reply: api.reviewSchema,
      handle: async ({ params, caller }) =>
        views.reviewView(await inspectReview(hub, await visibleReview(hub, caller, params.id), caller.person.id)),
    }),
  ];
}
