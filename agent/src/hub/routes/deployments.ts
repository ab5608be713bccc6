import { z } from 'zod';
import { liftBroken, markBroken } from '../../app/deployments/broken.ts';
import { currentDeployments } from '../../app/deployments/current.ts';
import { inspectDeployment, listDeployments } from '../../app/deployments/look.ts';
import { runDeployment } from '../../app/deployments/run.ts';
import { approveDeployment, rejectDeployment } from '../../app/deployments/vote.ts';
import { holdUrl } from '../../app/hub-context.ts';
import { noteDeploymentSeen } from '../../app/note-seen.ts';
import { DEPLOYMENT_STATES } from '../../domain/deployment.ts';
import { pageOf as pageSchema } from '../../wire/api.ts';
import * as wire from '../../wire/deployments.ts';
import type { Demand } from '../auth.ts';
import { brokenView, currentView, deploymentDetail, deploymentView, listedView } from '../deployment-views.ts';
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
  states,
  text,
} from '../route.ts';
import type { RouteContext } from './context.ts';

/** A right of its own: a token that approves configurations deploys nothing. */
const DEPLOYS: Demand = { scope: 'deploy', vote: true };
/** A vote, as GitLab's own API takes it: by whoever votes, or by whoever deploys (T23). */
const REVIEWS: Demand = { scope: ['approve', 'deploy'], vote: true };

const query = orderedPage.extend({
  state: states(DEPLOYMENT_STATES),
  project,
  environment: z.string().max(1_000).optional(),
  text: text.describe('a part of job, project, environment, ref or commit, whatever its letter case'),
});
const currentQuery = page.extend({ project, environment: z.string().max(1_000).optional() });

/** Deployments: look, approve, reject, run, mark as broken. */
export function deploymentRoutes({ hub, detached }: RouteContext): readonly Route[] {
  const own = '/api/v1/deployments/:id';
  return [
    route(
      'GET',
      '/api/v1/deployments',
      'Deployments that the caller may see, oldest first unless asked otherwise',
      asks('read'),
      {
        query,
        reply: pageSchema(wire.listedDeploymentSchema),
        handle: async ({ query: asked, caller }) => {
          const { state, project: of, environment, text: part } = asked;
          const filter = {
            ...(state && { states: state }),
            ...(of !== undefined && { project: of }),
            ...(environment !== undefined && { environment }),
            ...(part !== undefined && { text: part }),
          };
          const found = await listDeployments(hub, caller, filter, orderedPageOf(asked));
          return paged(
            found,
            asked.limit,
            ({ deployment }) => deployment.id,
            (one) => listedView(one, detached.advice(one.hold)),
          );
        },
      },
    ),
    route(
      'GET',
      '/api/v1/deployments/current',
      'What runs in each environment now, and who approved it',
      asks('read'),
      {
        query: currentQuery,
        reply: pageSchema(wire.currentDeploymentSchema),
        handle: async ({ query: { project: of, environment, ...asked }, caller }) => {
          const filter = {
            ...(of !== undefined && { project: of }),
            ...(environment !== undefined && { environment }),
          };
          const found = await currentDeployments(hub, caller, filter, pageOf(asked));
          return paged(found, asked.limit, ({ deployment }) => deployment.environment.id, currentView);
        },
      },
    ),
    route('GET', own, 'One deployment: what it waits for, rules, votes, rights, history', asks('read'), {
      params: idParam,
      reply: wire.deploymentDetailSchema,
      handle: async ({ params, caller }) => {
        const found = await inspectDeployment(hub, caller, params.id);
        await noteDeploymentSeen(hub, caller, found);
        return deploymentDetail(found, holdUrl(hub, found.hold.id), detached.advice(found.hold));
      },
    }),
    route('POST', `${own}/approve`, 'Approve this one deployment', REVIEWS, {
      params: idParam,
      body: wire.approveDeploymentBody.nullish(),
      reply: wire.deploymentSchema,
      handle: async ({ params, body, caller }) => {
        const representedAs = body?.represented_as ?? null;
        const wish = { deployment: params.id, comment: body?.comment ?? null, representedAs };
        const assertion = body?.assertion ?? null;
        return deploymentView(await approveDeployment(hub, caller, { ...wish, assertion }));
      },
    }),
    route('POST', `${own}/reject`, 'Reject this one deployment: its Hold ends', REVIEWS, {
      params: idParam,
      body: wire.rejectDeploymentBody,
      reply: wire.deploymentSchema,
      handle: async ({ params, body, caller }) => {
        const wish = { deployment: params.id, comment: body.comment, representedAs: null };
        return deploymentView(await rejectDeployment(hub, caller, wish));
      },
    }),
    route('POST', `${own}/run`, 'Run a deployment whose approvals are complete', DEPLOYS, {
      params: idParam,
      body: z.strictObject({}).nullish(),
      reply: wire.deploymentSchema,
      handle: async ({ params, caller }) => deploymentView(await runDeployment(hub, caller, params.id)),
    }),
    route('POST', `${own}/mark-broken`, 'Keep its commit out of its environment until the mark is lifted', DEPLOYS, {
      params: idParam,
      body: wire.markBrokenBody,
      reply: wire.brokenSchema,
      handle: async ({ params, body, caller }) => brokenView(await markBroken(hub, caller, params.id, body.reason)),
    }),
    route('POST', `${own}/lift-broken`, 'Lift the mark of its commit', DEPLOYS, {
      params: idParam,
      body: wire.liftBrokenBody.nullish(),
      reply: wire.brokenSchema,
      handle: async ({ params, body, caller }) =>
        brokenView(await liftBroken(hub, caller, params.id, body?.reason ?? null)),
    }),
  ];
}
