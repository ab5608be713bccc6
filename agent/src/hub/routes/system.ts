import { overdueGlasses } from '../../app/break-glass.ts';
import type { HubProblemCode } from '../../domain/agent-problem.ts';
import * as api from '../../wire/api.ts';
import { readiness } from '../readiness.ts';
import { none, type Route, route } from '../route.ts';
import type { RouteContext } from './context.ts';

/** Health, metrics. */
export function systemRoutes(context: RouteContext): readonly Route[] {
  const { hub, connectedSince, awaySince, problems, local, writable, backupAge, metrics } = context;
  const { clock } = hub;
  const agents = { names: local, connectedSince, awaySince, problems, now: () => clock.now() };
  return [
    route('GET', '/healthz', 'The process answers', null, {
      reply: api.statusSchema,
      handle: async () => ({ status: 'ok' as const }),
    }),
    route('GET', '/readyz', 'The store takes writes, and no agent of this process makes jobs wait', null, {
      reply: api.readySchema,
      handle: async () => {
        // With a store that cannot even be read nothing else is asked of it.
        if (!(await writable())) return { ...readiness(agents, ['store']), backup_age_seconds: null };
        const own: HubProblemCode[] = [
          ...(hub.directory.problem() === null ? [] : ['people' as const]),
          ...(hub.policyStatus?.().problem == null ? [] : ['policy' as const]),
          ...((await overdueGlasses(hub)).length === 0 ? [] : ['break_glass' as const]),
        ];
        const age = backupAge();
        return { ...readiness(agents, own), backup_age_seconds: age === null ? null : Math.floor(age) };
      },
    }),
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
