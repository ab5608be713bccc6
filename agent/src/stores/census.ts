import type { Kysely } from 'kysely';
import type { StoreReader } from '../ports/store.ts';
import type { Schema } from './schema.ts';

const WAITS = ['waiting_for_approval', 'pending'] as const;

/** How much of everything is open, in a handful of counts that indexes answer. */
export function censusReads(db: Kysely<Schema>): Pick<StoreReader, 'census'> {
  return {
    async census(now) {
      const open = db
        .selectFrom('holds')
        .select(['holds.state', (eb) => eb.fn.countAll<number>().as('count')])
        .where('holds.state', 'in', [...WAITS, 'running'])
        .groupBy('holds.state');
      const all = await open.execute();
      // Those that no job stands for are looked for in an index alone; to read the job of each takes ten times as long.
      const without = await open
        .where(({ not, exists, selectFrom }) =>
          not(
            exists(
              selectFrom('attempts')
                .select('attempts.hold')
                .whereRef('attempts.hold', '=', 'holds.id')
                .where('attempts.ended_at', 'is', null),
            ),
          ),
        )
        .execute();
      const detached = new Map(without.map(({ state, count }) => [state, Number(count)]));
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
        holds: all.map(({ state, count }) => ({
          state,
          live: Number(count) - (detached.get(state) ?? 0),
          detached: detached.get(state) ?? 0,
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
