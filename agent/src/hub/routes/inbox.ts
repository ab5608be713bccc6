import { z } from 'zod';
import { background } from '../../app/background.ts';
import { INBOX_LANES, inbox } from '../../app/inbox.ts';
import { pageOf as listOf } from '../../wire/api.ts';
import { backgroundSchema, inboxItemSchema } from '../../wire/inbox.ts';
import { backgroundView, inboxItemView } from '../inbox-views.ts';
import { asks, idParam, page, paged, pageOf, project, type Route, route } from '../route.ts';
import type { RouteContext } from './context.ts';

const inboxQuery = page.extend({
  lane: z.enum(INBOX_LANES).default('me'),
  project,
  environment: z.string().max(255).optional(),
  text: z.string().max(200).optional(),
});

/** What waits for whom, and what an approver may want to know beside a Hold. */
export function inboxRoutes({ hub }: RouteContext): readonly Route[] {
  return [
    route('GET', '/api/v1/inbox', 'Open Reviews that wait for the caller, or for others, oldest first', asks('read'), {
      query: inboxQuery,
      reply: listOf(inboxItemSchema),
      handle: async ({ query, caller }) => {
        const { lane, project: of, environment, text } = query;
        const filter = {
          lane,
          ...(of !== undefined && { project: of }),
          ...(environment !== undefined && { environment }),
          ...(text !== undefined && { text }),
        };
        const found = await inbox(hub, caller, filter, pageOf(query));
        return paged(found, query.limit, (item) => item.review.id, inboxItemView);
      },
    }),
    route(
      'GET',
      '/api/v1/holds/:id/background',
      'What a Hold can be compared with, and how far an approve may reach',
      asks('read'),
      {
        params: idParam,
        reply: backgroundSchema,
        handle: async ({ params, caller }) => backgroundView(await background(hub, caller, params.id)),
      },
    ),
  ];
}
