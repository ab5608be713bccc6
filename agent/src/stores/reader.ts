import type { Kysely } from 'kysely';
import type { StoreReader } from '../ports/store.ts';
import { agentReads } from './agents.ts';
import { approvalReads } from './approval-reads.ts';
import { askReads } from './ask-reads.ts';
import { auditReads } from './audit-reads.ts';
import { breakGlassReads } from './break-glass.ts';
import { censusReads } from './census.ts';
import { denialReads } from './denial-reads.ts';
import { deploymentReads } from './deployments.ts';
import { detachedReads } from './detached-reads.ts';
import { holdReads, withAttemptsOf } from './hold-reads.ts';
import { pushOf } from './hold-rows.ts';
import { keyCheckReads } from './key-checks.ts';
import { noticeReads } from './notices.ts';
import { atOnce } from './parts.ts';
import { passkeyReads } from './passkeys.ts';
import { protectedReads } from './protected-environments.ts';
import { retentionReads } from './retention.ts';
import { openQuestions, reviewList } from './review-list.ts';
import { reviewOf, voteOf } from './review-rows.ts';
import { runReads } from './run-reads.ts';
import type { Schema } from './schema.ts';
import { sightReads, visible } from './sight.ts';
import { sightingReads } from './sightings.ts';
import { among, ofSubject } from './statements.ts';
import { sessionOf, tokenOf } from './token-rows.ts';
import { watchReads } from './watching.ts';

/** Reads of a store by what they are about. */
export const READS = [
  (db: Kysely<Schema>) => holdReads(db, withAttemptsOf(db)),
  (db: Kysely<Schema>) => detachedReads(db, withAttemptsOf(db)),
  approvalReads,
  denialReads,
  askReads,
  sightReads,
  breakGlassReads,
  censusReads,
  sightingReads,
  (db: Kysely<Schema>) =>
    deploymentReads(db, (sight) => db.selectFrom('holds').select('holds.id').where(visible(db, sight))),
  protectedReads,
  (db: Kysely<Schema>) => runReads(db, withAttemptsOf(db)),
  watchReads,
  otherReads,
  agentReads,
  passkeyReads,
  auditReads,
  noticeReads,
  retentionReads,
  keyCheckReads,
] as const;
/** Reads of a store, on the whole database or within one transaction. */
export function reader(db: Kysely<Schema>): StoreReader {
  return atOnce<Kysely<Schema>, typeof READS>(READS, db);
}

type OtherReads = Pick<
  StoreReader,
  | 'review'
  | 'openReviews'
  | 'reviews'
  | 'openQuestions'
  | 'votes'
  | 'configuration'
  | 'configurationsOf'
  | 'agents'
  | 'outbox'
  | 'token'
  | 'tokenOfHash'
  | 'session'
  | 'claimedSessions'
  | 'liveSessions'
  | 'tokens'
  | 'usableTokens'
  | 'idleTokens'
>;
function otherReads(db: Kysely<Schema>): OtherReads {
  return {
    async review(id) {
      const row = await db.selectFrom('reviews').selectAll().where('id', '=', id).executeTakeFirst();
      return row === undefined ? null : reviewOf(row);
    },
    async openReviews(subject, digest) {
      let query = db.selectFrom('reviews').selectAll().where(ofSubject(subject)).where('state', '=', 'open');
      if (digest !== null) query = query.where('digest', '=', digest);
      return (await query.orderBy('id').execute()).map(reviewOf);
    },
    reviews: (filter, page) => reviewList(db, filter, page),
    openQuestions: (sight, most) => openQuestions(db, sight, most),
    async votes(review) {
      const rows = await db
        .selectFrom('votes')
        .selectAll()
        .where('review', '=', review)
        .orderBy('at')
        .orderBy('person_id')
        .execute();
      return rows.map(voteOf);
    },
    async configuration(digest) {
      const row = await db
        .selectFrom('configurations')
        .select('canonical')
        .where('digest', '=', digest)
        .executeTakeFirst();
      return row === undefined || row.canonical === '' ? null : row.canonical;
    },
    async configurationsOf(digests, maxChars) {
      const rows = await db
        .selectFrom('configurations')
        .select(['digest', 'canonical'])
        .where('digest', 'in', among(digests))
        .where((eb) => eb(eb.fn<number>('length', ['canonical']), '<=', maxChars))
        .where('canonical', '<>', '')
        .execute();
      return new Map(rows.map((row) => [row.digest, row.canonical]));
    },
    async agents() {
      const rows = await db
        .selectFrom('agents')
        .select(['name', 'version', 'runners', 'seen_at', 'enrolled_at', 'revoked_at'])
        .select((eb) =>
          eb
            .selectFrom('attempts')
            .whereRef('attempts.agent', '=', 'agents.name')
            .where('attempts.ended_at', 'is', null)
            .where('attempts.handed_out_at', 'is', null)
            .select((inner) => inner.fn.countAll<number>().as('parked'))
            .as('parked'),
        )
        .orderBy('name')
        .execute();
      return rows.map((row) => ({
        name: row.name,
        version: row.version,
        runners: JSON.parse(row.runners),
        seenAt: row.seen_at,
        enrolledAt: row.enrolled_at,
        revokedAt: row.revoked_at,
        parked: Number(row.parked ?? 0),
      }));
    },
    async outbox(agent, after, limit) {
      const rows = await db
        .selectFrom('outbox')
        .selectAll()
        .where('agent', '=', agent)
        .where('seq', '>', after)
        .orderBy('seq')
        .limit(limit)
        .execute();
      return rows.map(pushOf);
    },
    async token(id) {
      const row = await db.selectFrom('tokens').selectAll().where('id', '=', id).executeTakeFirst();
      return row === undefined ? null : tokenOf(row);
    },
    async tokenOfHash(hash) {
      const row = await db.selectFrom('tokens').selectAll().where('hash', '=', hash).executeTakeFirst();
      return row === undefined ? null : tokenOf(row);
    },
    async session(token) {
      const row = await db.selectFrom('sessions').selectAll().where('token', '=', token).executeTakeFirst();
      return row === undefined ? null : sessionOf(row);
    },
    async claimedSessions(now) {
      const rows = await db
        .selectFrom('tokens')
        .innerJoin('sessions', 'sessions.token', 'tokens.id')
        .selectAll('tokens')
        .select('sessions.claimed')
        .where('claimed', 'is not', null)
        .where('revoked_at', 'is', null)
        .where('expires_at', '>', now)
        .orderBy('tokens.id')
        .execute();
      return rows.map(({ claimed, ...token }) => ({ token: tokenOf(token), claimed: JSON.parse(claimed ?? 'null') }));
    },
    async liveSessions(owner, now) {
      const rows = await db
        .selectFrom('tokens')
        .innerJoin('sessions', 'sessions.token', 'tokens.id')
        .selectAll('tokens')
        .where('owner_id', '=', owner)
        .where('revoked_at', 'is', null)
        .where('expires_at', '>', now)
        .orderBy('id', 'desc')
        .execute();
      return rows.map(tokenOf);
    },
    async tokens(owner, page) {
      let query = db.selectFrom('tokens').selectAll().where('id', '>', page.after).orderBy('id').limit(page.limit);
      if (owner !== null) query = query.where('owner_id', '=', owner);
      return (await query.execute()).map(tokenOf);
    },
    async usableTokens(owner, now) {
      const { count } = await db
        .selectFrom('tokens')
        .select((eb) => eb.fn.countAll<number>().as('count'))
        .where('owner_id', '=', owner)
        .where('revoked_at', 'is', null)
        .where('expires_at', '>', now)
        .executeTakeFirstOrThrow();
      return Number(count);
    },
    async idleTokens(before, now, limit) {
      const rows = await db
        .selectFrom('tokens')
        .selectAll()
        .where('owner_id', 'is not', null)
        .where('revoked_at', 'is', null)
        .where('expires_at', '>', now)
        .where((eb) => eb(eb.fn.coalesce('last_used_at', 'created_at'), '<=', before))
        .orderBy('id')
        .limit(limit)
        .execute();
      return rows.map(tokenOf);
    },
  };
}
