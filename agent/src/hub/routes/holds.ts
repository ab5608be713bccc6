import { z } from 'zod';
import { decide, decideAll } from '../../app/decide.ts';
import { holdUrl } from '../../app/hub-context.ts';
import { inspectHold } from '../../app/inspect.ts';
import { noteSeen } from '../../app/note-seen.ts';
import { reveal } from '../../app/reveal.ts';
import { sightOf, visibleHold } from '../../app/see.ts';
import { stillWaits } from '../../app/still-waits.ts';
import { withdraw } from '../../app/withdraw.ts';
import { HOLD_STATES, type Hold } from '../../domain/hold.ts';
import { parseScopeWish } from '../../domain/scope.ts';
import * as api from '../../wire/api.ts';
import type { Demand } from '../auth.ts';
import { asks, idParam, orderedPage, orderedPageOf, paged, project, type Route, route, states } from '../route.ts';
import * as views from '../views.ts';
import { type RouteContext, VOTES } from './context.ts';

const holdQuery = orderedPage.extend({
  state: states(HOLD_STATES as unknown as [Hold['state'], ...Hold['state'][]]),
  project,
  job: z.string().max(1_000).optional(),
  ref: z.string().max(1_000).optional(),
});

/** One's own job that others have approved: no vote, and as few as votes. */
const RETRIES: Demand = { scope: 'read', vote: true };

/** A body that decides on a Hold, as the verbs take it. */
export function decisionOf(
  hold: number,
  b: {
    digest: string;
    comment?: string | undefined;
    lifetime?: string | undefined;
    scope?: string | undefined;
    represented_as?: string | undefined;
    assertion?: Readonly<Record<string, unknown>> | undefined;
    remember?: boolean | undefined;
  },
) {
  return {
    hold,
    digest: b.digest,
    comment: b.comment ?? null,
    lifetime: b.lifetime ?? null,
    scope: b.scope === undefined ? null : parseScopeWish([b.scope]),
    remember: b.remember ?? false,
    representedAs: b.represented_as ?? null,
    assertion: b.assertion ?? null,
  };
}

/** Holds: look, decide, reveal, retry. */
export function holdRoutes({ hub, reach, detached }: RouteContext): readonly Route[] {
  const { store } = hub;
  const view = (hold: Hold) => views.holdView(hold, holdUrl(hub, hold.id));
  return [
    route('GET', '/api/v1/holds', 'Holds that the caller may see, oldest first unless asked otherwise', asks('read'), {
      query: holdQuery,
      reply: api.pageOf(api.holdSchema),
      handle: async ({ query, caller }) => {
        const { state, project: of, job, ref } = query;
        const filter = {
          sight: await sightOf(hub, caller),
          ...(state && { states: state }),
          ...(of !== undefined && { project: of }),
          ...(job !== undefined && { job }),
          ...(ref !== undefined && { ref }),
        };
        return paged(await store.holds(filter, orderedPageOf(query)), query.limit, (hold) => hold.id, view);
      },
    }),
    route('GET', '/api/v1/holds/:id', 'One Hold: configuration, difference, votes, rules, history', asks('read'), {
      params: idParam,
      reply: api.holdDetailSchema,
      handle: async ({ params, caller }) => {
        const found = await inspectHold(hub, caller, params.id);
        await noteSeen(hub, caller, found);
        return views.holdDetail(found, holdUrl(hub, params.id), detached.advice(found.hold), hub.clock.now());
      },
    }),
    route('POST', '/api/v1/holds/:id/approve', 'Approve the configuration that was shown', VOTES, {
      params: idParam,
      body: api.approveBody,
      reply: api.holdSchema,
      handle: async ({ params, body, caller }) =>
        view(await decide(hub, caller, { ...decisionOf(params.id, body), decision: 'approve' })),
    }),
    route('POST', '/api/v1/holds/:id/reject', 'Reject the configuration that was shown', VOTES, {
      params: idParam,
      body: api.rejectBody,
      reply: api.holdSchema,
      handle: async ({ params, body, caller }) =>
        view(await decide(hub, caller, { ...decisionOf(params.id, body), decision: 'reject' })),
    }),
    route('POST', '/api/v1/holds/:id/withdraw', "Take one's own vote back while the review is open", VOTES, {
      params: idParam,
      body: api.withdrawBody.nullish(),
      reply: api.holdSchema,
      handle: async ({ params, body, caller }) =>
        view(await withdraw(hub, caller, { hold: params.id, comment: body?.comment ?? null })),
    }),
    route('POST', '/api/v1/holds/:id/reveal', 'Hidden values of a parked job, for whoever may approve it', VOTES, {
      params: idParam,
      body: api.revealBody,
      reply: api.revealedSchema,
      handle: async ({ params, body, caller }) => {
        const wished = { hold: params.id, digest: body.digest, names: body.names ?? null };
        const values = await reveal(hub, reach, caller, wished);
        return {
          hold: params.id,
          digest: body.digest,
          values: values.map(({ name, value, hidden }) => ({ name, value, hidden: [...hidden] })),
        };
      },
    }),
    route('POST', '/api/v1/holds/:id/retry', "Have one's own approved Hold retried in GitLab now", RETRIES, {
      params: idParam,
      body: api.retryBody.nullish(),
      reply: api.retriedSchema,
      handle: async ({ params, body, caller }) => {
        await detached.retryNow(caller, params.id, body?.gitlab_token ?? null);
        const hold = await visibleHold(hub, caller, params.id);
        const advice = detached.advice(hold);
        return { id: hold.id, state: hold.state, retry: advice && views.retryView(advice) };
      },
    }),
    route('POST', '/api/v1/holds/:id/cancel', "Cancel the job in GitLab, with a GitLab token of one's own", RETRIES, {
      params: idParam,
      body: api.retryBody.nullish(),
      reply: api.holdSchema,
      handle: async ({ params, body, caller }) =>
        view(await detached.cancelJob(caller, params.id, body?.gitlab_token ?? null)),
    }),
    route('POST', '/api/v1/reviews/decide', 'Decide several Holds, each by its own rules', VOTES, {
      body: api.decideBody,
      reply: api.decidedSchema,
      handle: async ({ body, caller }) => {
        const outcomes = await decideAll(
          hub,
          caller,
          body.decisions.map((d) => ({ ...decisionOf(d.hold, d), decision: d.decision })),
        );
        const items = outcomes.map(async ({ hold, after, error }) => ({
          hold,
          after: after && view(after),
          waits: after && (await stillWaits(hub, after)),
          problem: error && views.problemOf(error),
        }));
        return { items: await Promise.all(items) };
      },
    }),
  ];
}
