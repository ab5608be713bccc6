import { z } from 'zod';
import { explainFor } from '../../app/explain-policy.ts';
import { explanationSchema, policyViewSchema } from '../../wire/policy.ts';
import { explanationView, policyView } from '../policy-views.ts';
import { asks, project, type Route, route } from '../route.ts';
import type { RouteContext } from './context.ts';

const name = z.string().min(1).max(4_096);
const explainQuery = z.object({
  project,
  job: name,
  ref: name.default('refs/heads/main'),
  protected: z.enum(['true', 'false']).default('true'),
  environment: name.optional(),
  tier: name.optional(),
  at: z.iso.datetime().optional(),
});

/** The policy in force: for everybody who may read, since rules that nobody can look up are followed by nobody. */
export function policyRoutes({ hub, local }: RouteContext): readonly Route[] {
  const status = () => hub.policyStatus?.() ?? null;
  return [
    route(
      'GET',
      '/api/v1/policy',
      'The policy in force, and whether its file says something else by now',
      asks('read'),
      {
        reply: policyViewSchema,
        handle: async () => {
          // Agents of this process follow the policy by themselves; what others say of their runners is compared with it.
          const others = (await hub.store.agents()).filter(({ name }) => !local.includes(name));
          return policyView(await hub.policy(), status(), others);
        },
      },
    ),
    route('GET', '/api/v1/policy/explain', 'What the policy says of a job, and who could approve it', asks('read'), {
      query: explainQuery,
      reply: explanationSchema,
      handle: async ({ query, caller }) => {
        const { project: of, job, ref, environment = null, tier = null, at } = query;
        const asked = { project: of ?? 0, job, ref, refProtected: query.protected === 'true', environment, tier };
        const now = at === undefined ? hub.clock.now() : Date.parse(at);
        return explanationView(await explainFor(hub, caller, asked, now), status());
      },
    }),
  ];
}
