import { type Kysely, type RawBuilder, type SqlBool, sql } from 'kysely';
import type { Cutoffs, EndedClass } from '../domain/retention.ts';
import { ALL_REVOKED } from '../domain/token.ts';
import type { RetentionReads, RetentionWrites } from '../ports/retention-store.ts';
import type { Schema } from './schema.ts';
import { among } from './statements.ts';

/** Rows that are looked at in one step: some milliseconds, so that nobody waits for it. */
const AT_ONCE = 500;

/** No time at all is before this one: what is kept for ever never ended early enough. */
const NEVER = 0;

/** A time as a parameter in the place of a type that a database would have to guess. */
const time = (at: number | null) => sql<number>`cast(${at ?? NEVER} as bigint)`;

/** Holds whose time is over. What runs somewhere now, and what somebody still has to look at, is no matter of time. */
function spent({ ran, notRun }: Cutoffs): RawBuilder<SqlBool> {
  return sql<SqlBool>`holds.ended_at < (case when holds.approval is not null or holds.configured is not null
      or exists (select 1 from attempts where attempts.hold = holds.id and attempts.handed_out_at is not null)
      then ${time(ran)} else ${time(notRun)} end)
    and not exists (select 1 from break_glass where break_glass.hold = holds.id and break_glass.closed_at is null)
    and not exists (select 1 from deployments where deployments.hold = holds.id and deployments.state = 'success'
      and deployments.id = (select newest.id from deployments as newest
        where newest.environment_id = deployments.environment_id and newest.state = 'success'
        order by newest.finished_at desc, newest.id desc limit 1))`;
}

/** Configurations that nothing needs any more whose time is not over. */
function unused(cut: Cutoffs): RawBuilder<SqlBool> {
  const { now, ran, notRun } = cut;
  return sql<SqlBool>`not exists (select 1 from removed_configurations gone where gone.digest = configurations.digest)
    and not exists (select 1 from holds where holds.digest = configurations.digest
      and (holds.ended_at is null or not (${spent(cut)})))
    and not exists (select 1 from approvals where approvals.digest = configurations.digest
      and (approvals.revoked_at is null or approvals.revoked_at >= ${ran ?? NEVER}) and approvals.ends_at >= ${ran ?? NEVER})
    and not exists (select 1 from reviews where reviews.digest = configurations.digest
      and (reviews.closed_at is null or reviews.closed_at >= ${notRun ?? NEVER}))
    and not exists (select 1 from denials where denials.digest = configurations.digest
      and denials.lifted_at is null and denials.until > ${now})
    and not exists (select 1 from sightings where sightings.digest = configurations.digest)`;
}

/** Rows of a class: in which table, by which column they are taken a few at a time, and which of them are over. */
interface Ended {
  readonly table: 'tokens' | 'challenges' | 'enrolments' | 'outbox' | 'deliveries' | 'notices' | 'sightings';
  readonly by: string;
  readonly over: (cut: Cutoffs) => RawBuilder<SqlBool>;
}

const ENDED: Readonly<Record<EndedClass, Ended>> = {
  // One of them stays whatever its age: a store without any would give the next start a first token, as a new store does (T24).
  tokens: {
    table: 'tokens',
    by: 'id',
    over: ({ ended }) => sql`coalesce(tokens.revoked_at, tokens.expires_at) < ${ended}
      and tokens.id <> coalesce((select min(first.id) from tokens as first
        left join sessions as theirs on theirs.token = first.id
        where first.owner_id is not null and coalesce(first.revoked_reason, '') <> ${ALL_REVOKED}
        and (theirs.token is null or first.scopes like '%"admin"%')), 0)
      and not exists (select 1 from tokens as older where older.replaced_by = tokens.id)
      and not exists (select 1 from sessions as made where made.made_with = tokens.id and made.token <> tokens.id)`,
  },
  challenges: {
    table: 'challenges',
    by: 'challenge',
    over: ({ ended }) => sql`challenges.expires_at < ${ended}`,
  },
  enrolments: { table: 'enrolments', by: 'hash', over: ({ ended }) => sql`enrolments.expires_at < ${ended}` },
  // An agent that was revoked takes nothing any more; one that is enrolled under its name again asks about all that it parks.
  pushes: {
    table: 'outbox',
    by: 'agent',
    over: ({ ended }) =>
      sql`exists (select 1 from agents where agents.name = outbox.agent and agents.revoked_at < ${ended})`,
  },
  notifications: {
    table: 'deliveries',
    by: 'id',
    over: ({ notifications }) => sql`deliveries.state in ('sent', 'dead') and deliveries.created_at < ${notifications}`,
  },
  // One that went to nobody is kept as long: its key says that it was made.
  notices: {
    table: 'notices',
    by: 'id',
    over: ({ notifications }) => sql`notices.at < ${notifications}
      and not exists (select 1 from deliveries where deliveries.notice = notices.id)`,
  },
  sightings: { table: 'sightings', by: 'digest', over: ({ sightings }) => sql`sightings.last_at < ${sightings}` },
};

/** What may go of a store, and what is gone. */
export function retentionReads(db: Kysely<Schema>): RetentionReads {
  const removalIn = async (rows: Promise<{ at: number; policy: string } | undefined>) => {
    const row = await rows;
    return row === undefined ? null : { at: row.at, policy: row.policy };
  };
  return {
    async countEnded(of, cut) {
      const { table, over } = ENDED[of];
      const { count } = await db
        .selectFrom(table as 'tokens')
        .select((eb) => eb.fn.countAll<number>().as('count'))
        .where(over(cut))
        .executeTakeFirstOrThrow();
      return Number(count);
    },
    async spentHolds(after, cut) {
      const window = await db
        .selectFrom('holds')
        .select('id')
        .where('id', '>', after)
        .orderBy('id')
        .limit(AT_ONCE)
        .execute();
      const ids = window.map(({ id }) => id);
      const of = async (rows: RawBuilder<SqlBool>): Promise<readonly number[]> =>
        (
          await db.selectFrom('holds').select('id').where('id', 'in', among(ids)).where(rows).orderBy('id').execute()
        ).map(({ id }) => id);
      return {
        next: ids.length < AT_ONCE ? null : ids.at(-1)!,
        facts: await of(
          sql`${spent(cut)} and not exists (select 1 from removed_facts gone where gone.hold = holds.id)`,
        ),
        reports: await of(
          sql`holds.ended_at < ${cut.ended} and exists (select 1 from reports where reports.hold = holds.id)`,
        ),
      };
    },
    async spentConfigurations(after, cut) {
      const window = await db
        .selectFrom('configurations')
        .select('digest')
        .where('digest', '>', after)
        .orderBy('digest')
        .limit(AT_ONCE)
        .execute();
      const digests = window.map(({ digest }) => digest);
      return {
        next: digests.length < AT_ONCE ? null : digests.at(-1)!,
        found: await stillUnused(db, digests, cut),
      };
    },
    configurationRemoved: (digest) =>
      removalIn(
        db
          .selectFrom('removed_configurations')
          .select(['at', 'policy'])
          .where('digest', '=', digest)
          .executeTakeFirst(),
      ),
    factsRemoved: (hold) =>
      removalIn(db.selectFrom('removed_facts').select(['at', 'policy']).where('hold', '=', hold).executeTakeFirst()),
  };
}

async function stillUnused(db: Kysely<Schema>, digests: readonly string[], cut: Cutoffs): Promise<readonly string[]> {
  const rows = await db
    .selectFrom('configurations')
    .select('digest')
    .where('digest', 'in', among(digests))
    .where(unused(cut))
    .orderBy('digest')
    .execute();
  return rows.map(({ digest }) => digest);
}

/** Removing it, within one transaction. */
export function retentionWrites(db: Kysely<Schema>): RetentionWrites {
  return {
    async dropEnded(of, cut, limit) {
      const { table, by, over } = ENDED[of];
      const named = sql.ref<string | number>(`${table}.${by}`);
      const found = await db
        .selectFrom(table as 'tokens')
        .select(named.as('named'))
        .distinct()
        .where(over(cut))
        .limit(limit)
        .execute();
      if (found.length === 0) return 0;
      const list = among(found.map((row) => row.named));
      if (of === 'tokens') {
        const tokens = among(found.map((row) => Number(row.named)));
        for (const theirs of ['challenges', 'token_places', 'sessions'] as const)
          await db.deleteFrom(theirs).where('token', 'in', tokens).execute();
      }
      const gone = await db
        .deleteFrom(table as 'tokens')
        .where(named, 'in', list)
        .where(over(cut))
        .executeTakeFirst();
      return Number(gone.numDeletedRows);
    },
    async dropReports(holds, cut) {
      const gone = await db
        .deleteFrom('reports')
        .where('hold', 'in', among(holds))
        .where('hold', 'in', db.selectFrom('holds').select('id').where('ended_at', '<', cut.ended))
        .executeTakeFirst();
      return Number(gone.numDeletedRows);
    },
    async removeFacts(holds, cut, { at, policy }) {
      const rows = await db
        .selectFrom('holds')
        .select('id')
        .where('id', 'in', among(holds))
        .where(spent(cut))
        .orderBy('id')
        .execute();
      const ids = rows.map(({ id }) => id);
      if (ids.length === 0) return [];
      await db.updateTable('attempts').set({ facts: 'null' }).where('hold', 'in', among(ids)).execute();
      await db
        .insertInto('removed_facts')
        .values(ids.map((hold) => ({ hold, at, policy })))
        .onConflict((conflict) => conflict.doNothing())
        .execute();
      return ids;
    },
    async removeConfigurations(digests, cut, { at, policy }) {
      const gone = await stillUnused(db, digests, cut);
      if (gone.length === 0) return [];
      await db.updateTable('configurations').set({ canonical: '' }).where('digest', 'in', among(gone)).execute();
      await db
        .insertInto('removed_configurations')
        .values(gone.map((digest) => ({ digest, at, policy })))
        .execute();
      return gone;
    },
  };
}
