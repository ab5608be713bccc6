import { z } from 'zod';
import { importConfigurations } from '../../app/import-configurations.ts';
import { inspectApproval, inspectReview } from '../../app/inspect.ts';
import { tellApprovals } from '../../app/list-approvals.ts';
import { renameList, voteOnRename } from '../../app/rename.ts';
import { compareApprovals, renew, renewals } from '../../app/renew.ts';
import { revoke } from '../../app/revoke.ts';
import { revokeMany } from '../../app/revoke-many.ts';
import { sightOf } from '../../app/see.ts';
import type { JsonObject } from '../../domain/json.ts';
import * as api from '../../wire/api.ts';
import * as wire from '../../wire/approvals.ts';
import { approvalDetailSchema, approvalSchema, revokeBody } from '../../wire/approvals.ts';
import { digestSchema } from '../../wire/digest.ts';
import { askedView, importedView, listedApprovalView, renamedView, revokedView } from '../approval-views.ts';
import {
  asks,
  idParam,
  orderedPage,
  orderedPageOf,
  page,
  paged,
  pageOf,
  project,
  type Route,
  route,
  text,
} from '../route.ts';
import * as views from '../views.ts';
import { type RouteContext, VOTES } from './context.ts';

const approvalQuery = orderedPage.extend({
  project,
  text: text.describe('a part of job, project, ref, environment or digest, whatever its letter case'),
  valid: z
    .literal('true')
    .optional()
    .describe('only those that let another job go; a page may have fewer items than asked for'),
  unused_days: z.coerce.number().int().min(1).max(3_650).optional().describe('nothing has used them for so many days'),
  job: z.string().max(1_000).optional(),
  digest: digestSchema.optional(),
});
const DAY_MS = 86_400_000;
const diffQuery = z.object({ with: z.coerce.number().int().positive() });

/** Approvals: look, compare, revoke, renew, import, carry over to a renamed project. */
export function approvalRoutes({ hub }: RouteContext): readonly Route[] {
  const { store, clock } = hub;
  return [
    route('GET', '/api/v1/approvals', 'Approvals, oldest first unless asked otherwise', asks('read'), {
      query: approvalQuery,
      reply: api.pageOf(wire.listedApprovalSchema),
      handle: async ({
        query: { project: of, job, digest, text: part, valid, unused_days: unused, ...query },
        caller,
      }) => {
        const now = clock.now();
        const filter = {
          sight: await sightOf(hub, caller),
          ...(of !== undefined && { project: of }),
          ...(job !== undefined && { job }),
          ...(digest !== undefined && { digest }),
          ...(part !== undefined && { text: part }),
          ...(valid !== undefined && { revoked: false as const, endsAfter: now }),
          ...(unused !== undefined && { unusedSince: now - unused * DAY_MS }),
        };
        const found = await store.approvals(filter, orderedPageOf(query));
        const told = await tellApprovals(hub, found);
        const listed = paged(
          found,
          query.limit,
          (a) => a.id,
          (a) => listedApprovalView(a, told, now),
        );
        // Uses that are all taken are known by counting; the cursor goes on from what was read.
        return valid === undefined ? listed : { ...listed, items: listed.items.filter((one) => one.valid) };
      },
    }),
    route('GET', '/api/v1/approvals/renewals', 'Approvals that end within two weeks', asks('read'), {
      query: page,
      reply: api.pageOf(wire.renewalSchema),
      handle: async ({ query, caller }) => {
        const found = await renewals(hub, caller, pageOf(query));
        const shown = await Promise.all(
          found.map(async ({ approval, review }) => ({
            approval: views.approvalView(approval, clock.now()),
            review: review && views.reviewView(await inspectReview(hub, review, caller.person.id)),
          })),
        );
        return paged(
          shown,
          query.limit,
          ({ approval }) => approval.id,
          (one) => one,
        );
      },
    }),
    route('POST', '/api/v1/approvals/revoke', 'Take back all Approvals that fit a filter, or tell which', VOTES, {
      body: wire.revokeManyBody,
      reply: wire.revokedManySchema,
      handle: async ({ body, caller }) => {
        const { comment = null, dry_run: dryRun = false, unused_days, voter_left, ...rest } = body;
        const filter = { ...rest, unusedDays: unused_days, voterLeft: voter_left };
        const { items, more } = await revokeMany(hub, caller, filter, { comment, dryRun });
        return { dry_run: dryRun, items: items.map((item) => revokedView(item, clock.now())), more };
      },
    }),
    route(
      'POST',
      '/api/v1/approvals/import',
      'Ask whether configurations from elsewhere may run; approves none',
      VOTES,
      {
        body: wire.importBody,
        reply: wire.importedSchema,
        handle: async ({ body, caller }) => {
          const items = body.items.map(({ project_id, ref, ref_protected, environment, configuration, ...rest }) => ({
            ...rest,
            projectId: project_id,
            place: { ref, refProtected: ref_protected, environment },
            configuration: configuration as JsonObject,
          }));
          return { items: (await importConfigurations(hub, caller, items, body.instance ?? null)).map(importedView) };
        },
      },
    ),
    route(
      'POST',
      '/api/v1/approvals/rename',
      'What the Approvals of a renamed project or group become; with the digest of that list, one vote for all of it',
      VOTES,
      {
        body: wire.renameBody,
        reply: wire.renamedSchema,
        handle: async ({ body: { from, to, list, comment = null }, caller }) =>
          renamedView(
            list === undefined
              ? await renameList(hub, caller, { from, to })
              : await voteOnRename(hub, caller, { from, to }, { list, comment }),
          ),
      },
    ),
    route('GET', '/api/v1/approvals/:id', 'One Approval with its configuration', asks('read'), {
      params: idParam,
      reply: approvalDetailSchema,
      handle: async ({ params, caller }) =>
        views.approvalDetail(await inspectApproval(hub, caller, params.id), clock.now()),
    }),
    route('GET', '/api/v1/approvals/:id/diff', 'How what it lets run differs from what another does', asks('read'), {
      params: idParam,
      query: diffQuery,
      reply: wire.approvalDiffSchema,
      handle: async ({ params, query, caller }) => {
        const { from, to, summary, changes } = await compareApprovals(hub, caller, [params.id, query.with]);
        return {
          from: views.approvalView(from, clock.now()),
          to: views.approvalView(to, clock.now()),
          summary,
          changes: changes.map((change) => ({ ...change })),
        };
      },
    }),
    route('POST', '/api/v1/approvals/:id/revoke', 'Take an Approval back', VOTES, {
      params: idParam,
      body: revokeBody.nullish(),
      reply: approvalSchema,
      handle: async ({ params, body, caller }) =>
        views.approvalView(await revoke(hub, caller, params.id, body?.comment ?? null), clock.now()),
    }),
    route('POST', '/api/v1/approvals/:id/renew', 'Vote that an Approval goes on when its date comes', VOTES, {
      params: idParam,
      body: wire.renewBody,
      reply: wire.askedSchema,
      handle: async ({ params, body, caller }) => {
        const { digest, lifetime = null, comment = null } = body;
        const outcome = await renew(hub, caller, params.id, { digest, lifetime, comment });
        return askedView(outcome, await inspectReview(hub, outcome.review, caller.person.id), clock.now());
      },
    }),
  ];
}
