import { byCaller } from '../../app/hub-context.ts';
import { retentionBody, retentionSchema } from '../../wire/retention.ts';
import { asks, type Route, route } from '../route.ts';
import type { RouteContext } from './context.ts';

/** Removing what the retention of the policy lets go. */
export function retentionRoutes({ retention }: RouteContext): readonly Route[] {
  return [
    route('POST', '/api/v1/retention/apply', 'Remove what the retention of the policy lets go', asks('admin'), {
      body: retentionBody.nullish(),
      reply: retentionSchema,
      handle: async ({ body, caller }) => {
        const { counts, next } = await retention.apply(byCaller(caller), {
          cursor: body?.cursor ?? null,
          dryRun: body?.dry_run ?? false,
        });
        return { removed: counts, next };
      },
    }),
  ];
}
