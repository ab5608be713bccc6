import { expressionBuilder, type Kysely, type RawBuilder, type Selectable, type SqlBool, sql } from 'kysely';
import type { EnrolledAgent } from '../domain/enrolment.ts';
import { HoldpointError } from '../domain/errors.ts';
import type { AgentReads, AgentWrites, ArrivedAgent, AskedSnapshot } from '../ports/agent-store.ts';
import type { AgentRecord } from '../ports/store.ts';
import type { Schema } from './schema.ts';
import { among } from './statements.ts';

/** Reads of agents that have enrolled. */
export function agentReads(db: Kysely<Schema>): AgentReads {
  return {
    async enrolled(agent) {
      const row = await db.selectFrom('agents').selectAll().where('name', '=', agent).executeTakeFirst();
      return row === undefined ? null : enrolledOf(row);
    },
    async enrolledAmong(agents) {
      const rows = await db.selectFrom('agents').selectAll().where('name', 'in', among(agents)).execute();
      return rows.map(enrolledOf).filter((each) => each !== null);
    },
    async projectsOfAgents(agents) {
      const isAsked = expressionBuilder<Schema, 'agents'>()('name', 'in', among(agents));
      // A step through the index for each project of an agent, however many jobs it has brought of it.
      const least = (after: RawBuilder<SqlBool>) =>
        sql`(select min(project_id) from attempts where agent = brought.agent and ${after})`;
      const { rows } = await sql<{ agent: string; project_id: number }>`with recursive brought(agent, project) as (
          select agent, ${least(sql<SqlBool>`true`)} from (select name as agent from agents where ${isAsked}) as brought
          union all
          select agent, ${least(sql<SqlBool>`project_id > brought.project`)} from brought where project is not null
        ) select agent, project as project_id from brought where project is not null order by project`.execute(db);
      const projects = new Map<string, number[]>();
      for (const { agent, project_id } of rows) projects.set(agent, [...(projects.get(agent) ?? []), project_id]);
      return projects;
    },
    async enrolmentOfHash(hash) {
      const row = await db.selectFrom('enrolments').selectAll().where('hash', '=', hash).executeTakeFirst();
      if (row === undefined) return null;
      return {
        hash: row.hash,
        agent: row.agent,
        madeBy: row.made_by,
        createdAt: row.created_at,
        expiresAt: row.expires_at,
        usedAt: row.used_at,
      };
    },
  };
}

/** Notes what an agent says of itself. */
export async function putAgent(
  db: Kysely<Schema>,
  { name, version, runners, seenAt }: Pick<AgentRecord, 'name' | 'version' | 'runners' | 'seenAt'>,
): Promise<void> {
  const known = { version, runners: JSON.stringify(runners), seen_at: seenAt };
  await db
    .insertInto('agents')
    .values({ name, ...known, last_seq: 0 })
    .onConflict((conflict) => conflict.column('name').doUpdateSet(known))
    .execute();
}

/** Forgets pushes up to this number; true where the store had never given it. */
export async function acknowledge(db: Kysely<Schema>, agent: string, seq: number): Promise<boolean> {
  await db.deleteFrom('outbox').where('agent', '=', agent).where('seq', '<=', seq).execute();
  const moved = await db
    .updateTable('agents')
    .set({ last_seq: seq })
    .where('name', '=', agent)
    .where('last_seq', '<', seq)
    .executeTakeFirst();
  return moved.numUpdatedRows > 0n;
}

/** Writes of agents that have enrolled. */
export function agentWrites(db: Kysely<Schema>): AgentWrites {
  return {
    async insertEnrolment({ hash, agent, madeBy, createdAt, expiresAt, usedAt }) {
      await db.deleteFrom('enrolments').where('agent', '=', agent).where('used_at', 'is', null).execute();
      await db
        .insertInto('enrolments')
        .values({ hash, agent, made_by: madeBy, created_at: createdAt, expires_at: expiresAt, used_at: usedAt })
        .execute();
    },
    async useEnrolment(hash, at) {
      const used = await db
        .updateTable('enrolments')
        .set({ used_at: at })
        .where('hash', '=', hash)
        .where('used_at', 'is', null)
        .executeTakeFirst();
      if (used.numUpdatedRows !== 1n)
        throw new HoldpointError('hold_conflict', 'this enrolment token was used at the same moment: make another');
    },
    async putEnrolled({ name, publicKey, enrolledAt, enrolledBy, revokedAt, revokedBy }) {
      const known = {
        public_key: Buffer.from(publicKey).toString('base64url'),
        enrolled_at: enrolledAt,
        enrolled_by: enrolledBy,
        revoked_at: revokedAt,
        revoked_by: revokedBy,
      };
      await db
        .insertInto('agents')
        .values({ name, version: null, runners: '[]', seen_at: null, last_seq: 0, ...known })
        .onConflict((conflict) => conflict.column('name').doUpdateSet(known))
        .execute();
    },
    async nextSnapshots(asked) {
      const names = asked.map(({ agent }) => agent);
      const rows = await db
        .selectFrom('agents')
        .select(['name', 'snapshot_seq'])
        .where('name', 'in', among(names))
        .execute();
      const given = new Map(rows.map((row) => [row.name, row.snapshot_seq]));
      // Two statements for however many: nearly always the store has given what the agent has.
      const next = (agents: readonly string[]) =>
        db
          .updateTable('agents')
          .set((row) => ({ snapshot_seq: row('snapshot_seq', '+', 1) }))
          .where('name', 'in', among(agents))
          .execute();
      const isBehind = ({ agent, has }: AskedSnapshot): boolean => (given.get(agent) ?? 0) < has;
      await next(asked.filter((each) => !isBehind(each)).map(({ agent }) => agent));
      for (const { agent, has } of asked.filter(isBehind))
        await db
          .updateTable('agents')
          .set({ snapshot_seq: has + 1 })
          .where('name', '=', agent)
          .execute();
      return asked.map(({ agent, has }) => Math.max(given.get(agent) ?? 0, has) + 1);
    },
    async putArrived(agents, at) {
      const names = among(agents.map(({ name }) => name));
      const rows = await db
        .selectFrom('agents')
        .select(['name', 'version', 'runners', 'last_seq'])
        .where('name', 'in', names)
        .execute();
      const known = new Map(rows.map((row) => [row.name, row]));
      // A few statements for however many: nearly always only the time is new, nothing waits, and the numbers are those of the store.
      const isSame = ({ name, version, runners }: ArrivedAgent): boolean =>
        known.get(name)?.version === version && known.get(name)?.runners === JSON.stringify(runners);
      const same = agents.filter(isSame).map(({ name }) => name);
      await db.updateTable('agents').set({ seen_at: at }).where('name', 'in', among(same)).execute();
      for (const { name, version, runners } of agents.filter((each) => !isSame(each)))
        await putAgent(db, { name, version, runners, seenAt: at });
      const waiting = await db.selectFrom('outbox').select('agent').distinct().where('agent', 'in', names).execute();
      const owed = new Set(waiting.map(({ agent }) => agent));
      const behind: string[] = [];
      for (const { name, cursor } of agents)
        if (owed.has(name) || (known.get(name)?.last_seq ?? 0) < cursor)
          if (await acknowledge(db, name, cursor)) behind.push(name);
      return behind;
    },
    async seenAgent(agent, at) {
      await db.updateTable('agents').set({ seen_at: at }).where('name', '=', agent).execute();
    },
  };
}

/** Null for an agent of the hub's own process, which has no key there. */
function enrolledOf(row: Selectable<Schema['agents']>): EnrolledAgent | null {
  if (row.public_key === null) return null;
  return {
    name: row.name,
    publicKey: Uint8Array.from(Buffer.from(row.public_key, 'base64url')),
    enrolledAt: row.enrolled_at ?? 0,
    enrolledBy: row.enrolled_by ?? '',
    revokedAt: row.revoked_at,
    revokedBy: row.revoked_by,
  };
}
