import type { Kysely } from 'kysely';
import type { StoreReader } from '../ports/store.ts';
import type { Schema } from './schema.ts';

const WAITS = ['waiting_for_approval', 'pending'] as const;

/** How much of everything is open, in a handful of counts that indexes answer. */
export function censusReads(db: Kysely<Schema>): Pick<StoreReader, 'census'> {
  return {
    async census(now) {
      const open = await db
        .selectFrom('holds')
        .leftJoin('attempts', (join) =>
          join.onRef('attempts.hold', '=', 'holds.id').on('attempts.ended_at', 'is', null),
        )
        .select(['holds.state', (eb) => eb.fn.countAll<number>().as('all')])
        .select((eb) => eb.fn.count<number>('attempts.hold').as('live'))
        .where('holds.state', 'in', [...WAITS, 'running'])
        .groupBy('holds.state')
        .execute();
      const oldest = await db
        .selectFrom('holds')
        .select((eb) => eb.fn.min('opened_at').as('at'))
        .where('state', '=', 'waiting_for_approval')
        .executeTakeFirst();
      const { reviews } = await db
        .selectFrom('reviews')
        .select((eb) => eb.fn.countAll<number>().as('reviews'))
        .where('state', '=', 'open')
        .executeTakeFirstOrThrow();
      const { denials } = await db
        .selectFrom('denials')
        .select((eb) => eb.fn.countAll<number>().as('denials'))
        .where('lifted_at', 'is', null)
        .where('until', '>', now)
        .executeTakeFirstOrThrow();
      const { pushes } = await db
        .selectFrom('outbox')
        .select((eb) => eb.fn.countAll<number>().as('pushes'))
        .executeTakeFirstOrThrow();
      const { blocked } = await db
        .selectFrom('deployments')
        .select((eb) => eb.fn.countAll<number>().as('blocked'))
        .where('state', '=', 'blocked')
        .executeTakeFirstOrThrow();
      return {
        holds: open.map(({ state, all, live }) => ({
          state,
          live: Number(live),
          detached: Number(all) - Number(live),
        })),
        oldestWaitingAt: oldest?.at == null ? null : Number(oldest.at),
        openReviews: Number(reviews),
        denials: Number(denials),
        unacknowledged: Number(pushes),
        blockedDeployments: Number(blocked),
      };
    },
  };
}
