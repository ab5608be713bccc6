import { inspectReview, visibleReview } from '../../app/inspect.ts';
import { sightOf } from '../../app/see.ts';
import { REVIEW_STATES } from '../../domain/review.ts';
import * as api from '../../wire/api.ts';
import { asks, idParam, page, paged, pageOf, type Route, route, states } from '../route.ts';
import * as views from '../views.ts';
import type { RouteContext } from './context.ts';

const reviewQuery = page.extend({
  state: states(REVIEW_STATES as unknown as ['open', ...('approved' | 'rejected' | 'expired' | 'canceled')[]]),
});

/** Reviews: look. */
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
    route('GET', '/api/v1/reviews/:id', 'One Review', asks('read'), {
      params: idParam,
      reply: api.reviewSchema,
      handle: async ({ params, caller }) =>
        views.reviewView(await inspectReview(hub, await visibleReview(hub, caller, params.id), caller.person.id)),
    }),
  ];
}
