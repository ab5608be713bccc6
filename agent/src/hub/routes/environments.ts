import { z } from 'zod';
import {
  confirmEnvironmentChange,
  environmentChangesOf,
  environmentsOf,
  protectEnvironment,
  setProjectOptions,
  unprotectEnvironment,
  updateEnvironment,
  withdrawEnvironmentChange,
} from '../../app/deployments/edit-environment.ts';
import * as wire from '../../wire/deployments.ts';
import type { Demand } from '../auth.ts';
import { changeView, outcomeView, protectedView, wishOf } from '../deployment-views.ts';
import { asks, idParam, type Route, route } from '../route.ts';
import type { RouteContext } from './context.ts';

/** Whoever changes rules must mean it: a token that only reads or approves cannot. */
const EDITS: Demand = { scope: 'deploy', vote: true };

const place = z.object({ level: z.enum(['project', 'group']), owner: z.coerce.number().int().positive() });
const key = place.extend({ name: z.string().min(1).max(255) });

/** Protected environments of projects (by name) and groups (by tier): look, protect, change, unprotect, confirm. */
export function environmentRoutes({ hub }: RouteContext): readonly Route[] {
  const all = '/api/v1/environments/:level/:owner';
  const one = `${all}/:name`;
  return [
    route('GET', all, 'What protects environments of a project or group through the API', asks('read'), {
      params: place,
      reply: wire.environmentsSchema,
      handle: async ({ params: { level, owner }, caller }) => {
        const items = await environmentsOf(hub, caller, level, owner);
        const pending = await environmentChangesOf(hub, caller, level, owner);
        const options = level === 'project' ? await hub.store.projectOptions(owner) : null;
        return {
          items: items.map(protectedView),
          pending: pending.map(changeView),
          allow_pipeline_trigger_approve: options?.allowPipelineTriggerApprove ?? null,
        };
      },
    }),
    route('POST', one, 'Protect an environment, or a tier of a group', EDITS, {
      params: key,
      body: wire.protectBody,
      reply: wire.environmentOutcomeSchema,
      handle: async ({ params, body, caller }) =>
        outcomeView(await protectEnvironment(hub, caller, params, wishOf(body))),
    }),
    route('PUT', one, 'Change what protects an environment; elements keep their ids', EDITS, {
      params: key,
      body: wire.protectBody,
      reply: wire.environmentOutcomeSchema,
      handle: async ({ params, body, caller }) =>
        outcomeView(await updateEnvironment(hub, caller, params, wishOf(body))),
    }),
    route('DELETE', one, 'Take the protection of an environment away', EDITS, {
      params: key,
      reply: wire.environmentOutcomeSchema,
      handle: async ({ params, caller }) => outcomeView(await unprotectEnvironment(hub, caller, params)),
    }),
    route('PUT', '/api/v1/environments/project/:owner', 'What holds for all environments of a project', EDITS, {
      params: z.object({ owner: z.coerce.number().int().positive() }),
      body: wire.projectOptionsBody,
      reply: wire.environmentOutcomeSchema,
      handle: async ({ params, body, caller }) => {
        const options = { allowPipelineTriggerApprove: body.allow_pipeline_trigger_approve };
        return outcomeView(await setProjectOptions(hub, caller, params.owner, options));
      },
    }),
    route('POST', '/api/v1/environment-changes/:id/confirm', 'Confirm what somebody else asked for', EDITS, {
      params: idParam,
      reply: wire.environmentOutcomeSchema,
      handle: async ({ params, caller }) => outcomeView(await confirmEnvironmentChange(hub, caller, params.id)),
    }),
    route('POST', '/api/v1/environment-changes/:id/withdraw', 'Withdraw or refuse a change', EDITS, {
      params: idParam,
      reply: wire.environmentOutcomeSchema,
      handle: async ({ params, caller }) => outcomeView(await withdrawEnvironmentChange(hub, caller, params.id)),
    }),
  ];
}
