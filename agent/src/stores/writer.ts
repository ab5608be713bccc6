import type { Kysely } from 'kysely';
import { HoldpointError } from '../domain/errors.ts';
import type { Facts } from '../domain/facts.ts';
import type { Attempt, Hold } from '../domain/hold.ts';
import { lifetimeText } from '../domain/lifetime.ts';
import type { StoreWriter } from '../ports/store.ts';
import { acknowledge, agentWrites, putAgent } from './agents.ts';
import { auditWrites } from './audit-writes.ts';
import { breakGlassWrites } from './break-glass.ts';
import { deploymentWrites } from './deployments.ts';
import { attemptColumns, holdChanges, holdColumns, retryColumns } from './hold-rows.ts';
import { keyCheckWrites } from './key-checks.ts';
import { noticeWrites } from './notices.ts';
import { lazily } from './parts.ts';
import { passkeyWrites } from './passkeys.ts';
import { protectedWrites } from './protected-environments.ts';
import { READS } from './reader.ts';
import { retentionWrites } from './retention.ts';
import { approvalColumns, reviewColumns, voteColumns } from './review-rows.ts';
import type { Schema } from './schema.ts';
import { sightingWrites } from './sightings.ts';
import { sessionColumns, tokenChanges, tokenColumns } from './token-rows.ts';
import { watchWrites } from './watching.ts';

/** An agent that reports more than this of one Hold is broken or hostile; a Hold that is honest needs about ten. */
const MAX_REPORTS_PER_HOLD = 10_000;

function requireOne(result: { readonly numUpdatedRows: bigint }, what: string): void {
  if (result.numUpdatedRows !== 1n) {
    throw new HoldpointError(
      'hold_conflict',
      `${what} was changed by somebody else in the meantime: look at it and try again`,
    );
  }
}

const PARTS = [
  ...READS,
  breakGlassWrites,
  watchWrites,
  sightingWrites,
  deploymentWrites,
  protectedWrites,
  retentionWrites,
  keyCheckWrites,
  agentWrites,
  passkeyWrites,
  auditWrites,
  noticeWrites,
  otherWrites,
] as const;
const lazyWriter = lazily<Kysely<Schema>, typeof PARTS>(PARTS);

/** The work of one transaction, with all that it has to write. */
export async function written<T>(db: Kysely<Schema>, work: (tx: StoreWriter) => Promise<T>): Promise<T> {
  const tx = lazyWriter(db);
  const result = await work(tx);
  await tx.putAudit();
  return result;
}

type OtherWrites = Pick<
  StoreWriter,
  | 'insertHold'
  | 'updateHold'
  | 'insertReview'
  | 'updateReview'
  | 'putVote'
  | 'putNamed'
  | 'dropNamed'
  | 'removeVote'
  | 'insertApproval'
  | 'updateApproval'
  | 'putReveal'
  | 'insertDenial'
  | 'liftDenial'
  | 'putConfiguration'
  | 'noteReport'
  | 'push'
  | 'acknowledge'
  | 'acknowledgeOne'
  | 'putAgent'
  | 'putRetry'
  | 'putCiStatus'
  | 'insertToken'
  | 'updateToken'
  | 'insertSession'
>;
function otherWrites(db: Kysely<Schema>): OtherWrites {
  const insertAttempt = async (hold: Hold, attempt: Attempt, position: number, facts?: Facts): Promise<void> => {
    if (facts === undefined) throw new HoldpointError('internal', `hold ${hold.id}: a new attempt has no facts`);
    const columns = attemptColumns(hold, attempt, position);
    await db
      .insertInto('attempts')
      .values({ ...columns, facts: JSON.stringify(facts) })
      .execute();
  };
  const putAttempts = async (hold: Hold, facts: Facts | undefined): Promise<void> => {
    // Only the last two can have changed: a new attempt ends the one before it. The older one first, so that never two live.
    for (const [position, attempt] of [...hold.attempts.entries()].slice(-2)) {
      const columns = attemptColumns(hold, attempt, position);
      const updated = await db
        .updateTable('attempts')
        .set(columns)
        .where('hold', '=', hold.id)
        .where('position', '=', position)
        .executeTakeFirstOrThrow();
      if (updated.numUpdatedRows !== 1n) await insertAttempt(hold, attempt, position, facts);
    }
  };
  const giveSeq = async (agent: string): Promise<number> => {
    const row = await db
      .insertInto('agents')
      .values({ name: agent, version: null, runners: '[]', seen_at: null, last_seq: 1 })
      .onConflict((conflict) =>
        conflict.column('name').doUpdateSet((eb) => ({ last_seq: eb('agents.last_seq', '+', 1) })),
      )
      .returning('last_seq')
      .executeTakeFirstOrThrow();
    return row.last_seq;
  };
  return {
    async insertHold(hold, facts) {
      const { id } = await db.insertInto('holds').values(holdColumns(hold)).returning('id').executeTakeFirstOrThrow();
      const stored = { ...hold, id };
      for (const [position, attempt] of stored.attempts.entries())
        await insertAttempt(stored, attempt, position, facts);
      return stored;
    },
    async updateHold(hold, facts) {
      const result = await db
        .updateTable('holds')
        .set(holdChanges(hold))
        .where('id', '=', hold.id)
        .where('version', '=', hold.version - 1)
        .executeTakeFirstOrThrow();
      requireOne(result, `hold ${hold.id}`);
      await putAttempts(hold, facts);
    },
    async insertReview(review) {
      const { id } = await db
        .insertInto('reviews')
        .values(reviewColumns(review))
        .returning('id')
        .executeTakeFirstOrThrow();
      return { ...review, id };
    },
    async updateReview(review) {
      const result = await db
        .updateTable('reviews')
        .set({ version: review.version, state: review.state, closed_at: review.closedAt })
        .where('id', '=', review.id)
        .where('version', '=', review.version - 1)
        .executeTakeFirstOrThrow();
      requireOne(result, `review ${review.id}`);
    },
    async putVote(vote) {
      const { review: _review, person_id: _person, ...said } = voteColumns(vote);
      await db
        .insertInto('votes')
        .values(voteColumns(vote))
        .onConflict((conflict) => conflict.columns(['review', 'person_id']).doUpdateSet(said))
        .execute();
    },
    async putNamed(about, id, named) {
      if (named.length === 0) return;
      await db
        .insertInto('named_principals')
        .values(named.map((row) => ({ ...row, about, about_id: id })))
        .onConflict((conflict) => conflict.doNothing())
        .execute();
    },
    async dropNamed(about, id) {
      await db.deleteFrom('named_principals').where('about', '=', about).where('about_id', '=', id).execute();
    },
    async removeVote(review, person) {
      await db.deleteFrom('votes').where('review', '=', review).where('person_id', '=', person).execute();
    },
    async insertApproval(approval) {
      const { id } = await db
        .insertInto('approvals')
        .values(approvalColumns(approval))
        .returning('id')
        .executeTakeFirstOrThrow();
      return { ...approval, id };
    },
    async updateApproval(approval) {
      const { version, ends_at, last_used_at, times_used, revoked_at, revoked_by, revoked_reason } =
        approvalColumns(approval);
      const result = await db
        .updateTable('approvals')
        .set({ version, ends_at, last_used_at, times_used, revoked_at, revoked_by, revoked_reason })
        .where('id', '=', approval.id)
        .where('version', '=', approval.version - 1)
        .where('lifetime', '=', lifetimeText(approval.lifetime))
        .executeTakeFirstOrThrow();
      requireOne(result, `approval ${approval.id}`);
    },
    async putReveal({ subject, digest, names, person, hold, at }) {
      const of = { instance: subject.instance, project_id: subject.projectId, job: subject.job, digest };
      for (const name of names) {
        await db
          .insertInto('reveals')
          .values({ ...of, name, person_id: person, hold, at })
          .onConflict((conflict) => conflict.doNothing())
          .execute();
      }
    },
    async insertDenial(denial) {
      const { subject, digest, review, by, reason, at, until } = denial;
      await db
        .insertInto('denials')
        .values({
          instance: subject.instance,
          project_id: subject.projectId,
          job: subject.job,
          digest,
          review,
          denied_by: by,
          reason,
          at,
          until,
        })
        .execute();
    },
    async liftDenial(id, { at, by, reason }) {
      const result = await db
        .updateTable('denials')
        .set({ lifted_at: at, lifted_by: by, lifted_reason: reason })
        .where('id', '=', id)
        .where('lifted_at', 'is', null)
        .executeTakeFirstOrThrow();
      requireOne(result, `denial ${id}`);
    },
    async putConfiguration(digest, canonical) {
      // It was removed for its age, and is in use again.
      const gone = await db.deleteFrom('removed_configurations').where('digest', '=', digest).executeTakeFirst();
      if (gone.numDeletedRows > 0n)
        await db.updateTable('configurations').set({ canonical }).where('digest', '=', digest).execute();
      await db
        .insertInto('configurations')
        .values({ digest, canonical })
        .onConflict((conflict) => conflict.column('digest').doNothing())
        .execute();
    },
    async noteReport({ hold, jobId, event, at }) {
      const { count } = await db
        .selectFrom('reports')
        .select((eb) => eb.fn.countAll<number>().as('count'))
        .where('hold', '=', hold)
        .executeTakeFirstOrThrow();
      if (count >= MAX_REPORTS_PER_HOLD) {
        throw new HoldpointError(
          'rate_limited',
          `hold ${hold} has ${count} reports, more than any job needs: no more are taken`,
        );
      }
      const result = await db
        .insertInto('reports')
        .values({ hold, job_id: jobId, event, at })
        .onConflict((conflict) => conflict.doNothing())
        .executeTakeFirst();
      return result.numInsertedOrUpdatedRows === 1n;
    },
    async push(agent, { type, hold, jobId, digest, reason, note, stop }) {
      const seq = await giveSeq(agent);
      await db
        .deleteFrom('outbox')
        .where('agent', '=', agent)
        .where('hold', '=', hold)
        .where('job_id', '=', jobId)
        .execute();
      const row = { agent, seq, type, hold, job_id: jobId, digest, reason, note, stop: stop === true ? 1 : null };
      await db.insertInto('outbox').values(row).execute();
      return seq;
    },
    acknowledge: (agent, seq) => acknowledge(db, agent, seq),
    async acknowledgeOne(agent, seq) {
      await db.deleteFrom('outbox').where('agent', '=', agent).where('seq', '=', seq).execute();
    },
    putAgent: (agent) => putAgent(db, agent),
    async putRetry(retry) {
      const { hold, job_id, ...said } = retryColumns(retry);
      await db
        .insertInto('retries')
        .values({ hold, job_id, ...said })
        .onConflict((conflict) => conflict.columns(['hold', 'job_id']).doUpdateSet(said))
        .execute();
    },
    async putCiStatus(hold, state, at) {
      await db
        .insertInto('ci_statuses')
        .values({ hold, state, at })
        .onConflict((conflict) => conflict.column('hold').doUpdateSet({ state, at }))
        .execute();
    },
    async insertToken(token) {
      const { id } = await db
        .insertInto('tokens')
        .values(tokenColumns(token))
        .returning('id')
        .executeTakeFirstOrThrow();
      return { ...token, id };
    },
    async updateToken(token) {
      await db.updateTable('tokens').set(tokenChanges(token)).where('id', '=', token.id).execute();
    },
    async insertSession(session) {
      await db.insertInto('sessions').values(sessionColumns(session)).execute();
    },
  };
}
