/** The whole HTTP surface. Every route names what it asks of the caller, what it takes and what it answers. */
import { z } from 'zod';
import { decide, decideAll } from '../app/decide.ts';
import type { Caller, HubContext } from '../app/hub-context.ts';
import { holdUrl } from '../app/hub-context.ts';
import { inspectApproval, inspectHold, inspectReview, visibleReview } from '../app/inspect.ts';
import { issueToken, revokeToken } from '../app/issue-token.ts';
import { reveal } from '../app/reveal.ts';
import { revoke } from '../app/revoke.ts';
import { sightOf, visibleHold } from '../app/see.ts';
import { verifyAudit } from '../app/verify-audit.ts';
import type { AgentProblem } from '../domain/agent-problem.ts';
import { HOLD_STATES, type Hold } from '../domain/hold.ts';
import type { RetryAdvice } from '../domain/retrying.ts';
import { REVIEW_STATES } from '../domain/review.ts';
import { parseScopeWish } from '../domain/scope.ts';
import type { Agents } from '../ports/agents.ts';
import * as api from '../wire/api.ts';
import type { Demand } from './auth.ts';
import { readiness } from './readiness.ts';
import { asks, idParam, none, page, paged, pageOf, project, type Route, route, states } from './route.ts';
import * as views from './views.ts';

/** What routes need besides the verbs. */
export interface RouteContext {
  readonly hub: HubContext;
  readonly agents: Agents;
  /** Since when an agent is connected (epoch ms), null when it is not. */
  readonly connectedSince: (agent: string) => number | null;
  /** What a connected agent says is wrong on its side. */
  readonly problems: (agent: string) => readonly AgentProblem[];
  /** Agents of this very process: it is not ready while one of them is not. */
  readonly local: readonly string[];
  /** The whole chain as lines of JSON. */
  readonly exportAudit: () => NodeJS.ReadableStream;
  /** Holds whose job GitLab has ended. */
  readonly detached: DetachedRoutes;
  /** Text of the metrics. */
  readonly metrics: () => Promise<string>;
}
/** What routes ask about detached Holds. */
export interface DetachedRoutes {
  advice(hold: Hold): RetryAdvice | null;
  retryNow(caller: Caller, hold: number, own: string | null): Promise<void>;
  /** Epoch ms of the end of what was lent. */
  lend(caller: Caller, text: string, livesMs: number | null): Promise<number>;
  until(caller: Caller): number | null;
  forget(caller: Caller): Promise<void>;
}
const holdQuery = page.extend({
  state: states(HOLD_STATES as unknown as [Hold['state'], ...Hold['state'][]]),
  project,
  job: z.string().max(1_000).optional(),
  ref: z.string().max(1_000).optional(),
});
const reviewQuery = page.extend({
  state: states(REVIEW_STATES as unknown as ['open', ...('approved' | 'rejected' | 'expired' | 'canceled')[]]),
});
const approvalQuery = page.extend({ project });
const auditQuery = page.extend({ hold: z.coerce.number().int().positive().optional() });

const votes: Demand = { scope: 'approve', vote: true };

/** One's own job that others have approved: no vote, and as few as votes. */
const retries: Demand = { scope: 'read', vote: true };

/** Nothing of the hold itself: whoever opens the link has not said who they are. */
function holdHelp(id: number): string {
  return [
    `Look at hold ${id}:    holdpoint holds show ${id}`,
    `Approve it:         holdpoint approve ${id} --digest SHA256`,
    `Reject it:          holdpoint reject ${id} --comment WHY`,
    '',
  ].join('\n');
}

/** Every route of the hub but the two websockets. */
export function routes({
  hub,
  agents,
  connectedSince,
  problems,
  local,
  exportAudit,
  detached,
  metrics,
}: RouteContext): readonly Route[] {
  const { store, clock } = hub;
  const view = (hold: Hold) => views.holdView(hold, holdUrl(hub, hold.id));
  const wish = (
    hold: number,
    b: {
      digest: string;
      comment?: string | undefined;
      lifetime?: string | undefined;
      scope?: string | undefined;
      remember?: boolean | undefined;
    },
  ) => ({
    hold,
    digest: b.digest,
    comment: b.comment ?? null,
    lifetime: b.lifetime ?? null,
    scope: b.scope === undefined ? null : parseScopeWish([b.scope]),
    remember: b.remember ?? false,
  });
  return [
    route('GET', '/api/v1/holds', 'Holds that the caller may see, oldest first', asks('read'), {
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
        return paged(await store.holds(filter, pageOf(query)), query.limit, (hold) => hold.id, view);
      },
    }),
    route('GET', '/api/v1/holds/:id', 'One Hold: configuration, difference, votes, rules, history', asks('read'), {
      params: idParam,
      reply: api.holdDetailSchema,
      handle: async ({ params, caller }) => {
        const found = await inspectHold(hub, caller, params.id);
        return views.holdDetail(found, holdUrl(hub, params.id), detached.advice(found.hold));
      },
    }),
    route('POST', '/api/v1/holds/:id/approve', 'Approve the configuration that was shown', votes, {
      params: idParam,
      body: api.approveBody,
      reply: api.holdSchema,
      handle: async ({ params, body, caller }) =>
        view(await decide(hub, caller, { ...wish(params.id, body), decision: 'approve' })),
    }),
    route('POST', '/api/v1/holds/:id/reject', 'Reject the configuration that was shown', votes, {
      params: idParam,
      body: api.rejectBody,
      reply: api.holdSchema,
      handle: async ({ params, body, caller }) =>
        view(await decide(hub, caller, { ...wish(params.id, body), decision: 'reject' })),
    }),
    route('POST', '/api/v1/holds/:id/reveal', 'Hidden values of a parked job, for whoever may approve it', votes, {
      params: idParam,
      body: api.revealBody,
      reply: api.revealedSchema,
      handle: async ({ params, body, caller }) => {
        const wished = { hold: params.id, digest: body.digest, names: body.names ?? null };
        const values = await reveal(hub, agents, caller, wished);
        return {
          hold: params.id,
          digest: body.digest,
          values: values.map(({ name, value, hidden }) => ({ name, value, hidden: [...hidden] })),
        };
      },
    }),
    route('POST', '/api/v1/holds/:id/retry', "Have one's own approved Hold retried in GitLab now", retries, {
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
    route('POST', '/api/v1/reviews/decide', 'Decide several Holds, each by its own rules', votes, {
      body: api.decideBody,
      reply: api.decidedSchema,
      handle: async ({ body, caller }) => {
        const outcomes = await decideAll(
          hub,
          caller,
          body.decisions.map((d) => ({ ...wish(d.hold, d), decision: d.decision })),
        );
        return {
          items: outcomes.map(({ hold, after, error }) => ({
            hold,
            after: after && view(after),
            problem: error && views.problemOf(error),
          })),
        };
      },
    }),
    route('GET', '/api/v1/reviews', 'Reviews, oldest first', asks('read'), {
      query: reviewQuery,
      reply: api.pageOf(api.reviewSchema),
      handle: async ({ query, caller }) => {
        const filter = { sight: await sightOf(hub, caller), ...(query.state && { states: query.state }) };
        const found = await store.reviews(filter, pageOf(query));
        return paged(
          await Promise.all(found.map((review) => inspectReview(hub, review))),
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
        views.reviewView(await inspectReview(hub, await visibleReview(hub, caller, params.id))),
    }),
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
    route('POST', '/api/v1/approvals/:id/revoke', 'Take an Approval back', votes, {
      params: idParam,
      body: api.revokeBody.nullish(),
      reply: api.approvalSchema,
      handle: async ({ params, body, caller }) =>
        views.approvalView(await revoke(hub, caller, params.id, body?.comment ?? null), clock.now()),
    }),
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
    route('GET', '/api/v1/agents', 'Agents that this hub knows', asks('read'), {
      query: page,
      reply: api.pageOf(api.agentSchema),
      handle: async () => ({
        items: (await store.agents()).map((agent) =>
          views.agentView(agent, connectedSince(agent.name), problems(agent.name)),
        ),
        next_cursor: null,
      }),
    }),
    route('GET', '/api/v1/audit', 'What happened, newest last; with scope admin all of it', asks('read'), {
      query: auditQuery,
      reply: api.pageOf(api.auditRowSchema),
      handle: async ({ query, caller }) => {
        const sight = caller.token.scopes.includes('admin') ? null : await sightOf(hub, caller);
        const filter = { sight, ...(query.hold !== undefined && { hold: query.hold }) };
        return paged(await store.auditRows(filter, pageOf(query)), query.limit, (row) => row.seq, views.auditView);
      },
    }),
    route('GET', '/api/v1/audit/verify', 'Whether the chain in the store verifies', asks('admin'), {
      reply: api.auditReportSchema,
      handle: async () => views.auditReport(await verifyAudit(store)),
    }),
    {
      method: 'GET',
      url: '/api/v1/audit/export',
      summary: 'The whole chain as lines of JSON, to be verified elsewhere',
      demand: asks('admin'),
      params: none,
      query: none,
      body: null,
      reply: null,
      type: 'application/x-ndjson',
      handle: async () => exportAudit(),
    },
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
        reply: api.lentSchema,
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
        body: api.lendBody,
        reply: api.lentSchema,
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
        reply: api.lentSchema,
        handle: async ({ caller }) => {
          await detached.forget(caller);
          return views.lentView(null);
        },
      },
    ),
    route('GET', '/healthz', 'The process answers', null, {
      reply: api.statusSchema,
      handle: async () => ({ status: 'ok' as const }),
    }),
    route('GET', '/readyz', 'The store answers, and no agent of this process makes jobs wait', null, {
      reply: api.readySchema,
      handle: async () => {
        await store.auditHead();
        return readiness(local, connectedSince, problems);
      },
    }),
    {
      method: 'GET',
      url: '/holds/:id',
      summary: 'What a link in a job log leads to: how to look at the hold, and nothing of it',
      demand: null,
      params: idParam,
      query: none,
      body: null,
      reply: null,
      type: 'text/plain; charset=utf-8',
      handle: async ({ params }) => holdHelp((params as z.output<typeof idParam>).id),
    },
    {
      method: 'GET',
      url: '/metrics',
      summary: 'Prometheus metrics; no names of projects, jobs or people in labels',
      demand: null,
      params: none,
      query: none,
      body: null,
      reply: null,
      type: 'text/plain; version=0.0.4; charset=utf-8',
      handle: async () => metrics(),
    },
  ];
}
