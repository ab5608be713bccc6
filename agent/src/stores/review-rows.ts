/** Rows of Reviews, Votes, Approvals and Denials to domain values and back. */
import { type Approval, endsAt } from '../domain/approval.ts';
import { lifetimeText, parseLifetime } from '../domain/lifetime.ts';
import type { Ask, Denial, Review, ReviewState } from '../domain/review.ts';
import { levelRule } from '../domain/rule.ts';
import type { VoteProof } from '../domain/step-up.ts';
import type { Vote } from '../domain/vote.ts';
import type { ApprovalTable, DenialTable, ReviewTable, VoteTable } from './schema.ts';
import { place, type Row, subject, whereColumns } from './where-rows.ts';

/** A frozen Requirement; rules of rows written before rules could name people ask for an access level. */
function requirementOf(text: string): Review['requirement'] {
  const read = JSON.parse(text) as Review['requirement'];
  type Written = (typeof read.rules)[number] & { readonly accessLevel?: number };
  const rules = (read.rules as readonly Written[]).map((rule) =>
    rule.accessLevel === undefined ? rule : levelRule(rule.name, rule.accessLevel, rule.count),
  );
  // Before it could be asked for otherwise, one reject ended a Review.
  return { ...read, rules, rejectsRequired: read.rejectsRequired ?? 1 };
}

/** A Review of its row. */
export function reviewOf(row: Row<ReviewTable>): Review {
  return {
    id: row.id,
    version: row.version,
    state: row.state as ReviewState,
    subject: subject(row),
    projectPath: row.project_path,
    digest: row.digest,
    place: place(row),
    requirement: requirementOf(row.requirement),
    openedAt: row.opened_at,
    closedAt: row.closed_at,
    ...(row.kind === 'job' ? {} : { ask: askOf(row) }),
  };
}

const askOf = (row: Row<ReviewTable>): Ask => ({
  kind: row.kind as Ask['kind'],
  approval: row.ask_approval,
  by: { id: row.ask_by ?? 0, username: row.ask_by_username ?? '' },
  note: row.ask_note,
});

/** Who opened it; what a variable alone claims is nobody's deed (T17). */
const openedBy = ({ requirement: { trigger } }: Pick<Review, 'requirement'>): number | null =>
  trigger.verified === 'unverified' ? null : trigger.id;

/** What somebody who looks for it may remember of it, in small letters, a line each. */
function wordsOf({ projectPath, subject, place, requirement: { trigger } }: Omit<Review, 'id'>): string {
  const all = [projectPath, subject.job, place.ref, place.environment, trigger.username, trigger.name];
  return all.flatMap((each) => (each === null ? [] : [each.toLowerCase()])).join('\n');
}

/** Columns of a new Review. */
export function reviewColumns(review: Omit<Review, 'id'>) {
  return {
    ...whereColumns(review),
    version: review.version,
    state: review.state,
    requirement: JSON.stringify(review.requirement),
    opened_at: review.openedAt,
    closed_at: review.closedAt,
    opened_by: openedBy(review),
    words: wordsOf(review),
    kind: review.ask?.kind ?? 'job',
    ask_approval: review.ask?.approval ?? null,
    ask_by: review.ask?.by.id ?? null,
    ask_by_username: review.ask?.by.username ?? null,
    ask_note: review.ask?.note ?? null,
  };
}

/** A Vote of its row. */
export function voteOf(row: Row<VoteTable>): Vote {
  return {
    review: row.review,
    person: { id: row.person_id, username: row.username, name: row.name },
    decision: row.decision as Vote['decision'],
    hold: row.hold,
    lifetime: parseLifetime(row.lifetime),
    scope: JSON.parse(row.scope) as Vote['scope'],
    comment: row.comment,
    representedAs: row.represented_as,
    ...(row.proof === null ? {} : { proof: JSON.parse(row.proof) as VoteProof }),
    at: row.at,
  };
}

/** Columns of a Vote. */
export function voteColumns(vote: Vote) {
  return {
    review: vote.review,
    person_id: vote.person.id,
    username: vote.person.username,
    name: vote.person.name,
    decision: vote.decision,
    hold: vote.hold,
    lifetime: lifetimeText(vote.lifetime),
    scope: JSON.stringify(vote.scope),
    comment: vote.comment,
    represented_as: vote.representedAs,
    proof: vote.proof === undefined ? null : JSON.stringify(vote.proof),
    at: vote.at,
  };
}

/** An Approval of its row. */
export function approvalOf(row: Row<ApprovalTable>): Approval {
  return {
    id: row.id,
    version: row.version,
    review: row.review,
    subject: subject(row),
    projectPath: row.project_path,
    digest: row.digest,
    place: place(row),
    scope: JSON.parse(row.scope) as Approval['scope'],
    lifetime: parseLifetime(row.lifetime),
    hold: row.hold,
    votes: row.auto === null ? (JSON.parse(row.votes) as Approval['votes']) : [],
    policy: row.policy,
    createdAt: row.created_at,
    lastUsedAt: row.last_used_at,
    timesUsed: row.times_used,
    revoked:
      row.revoked_at === null ? null : { at: row.revoked_at, by: row.revoked_by ?? '', reason: row.revoked_reason },
    ...(row.break_glass === null ? {} : { breakGlass: true }),
    ...(row.auto === null ? {} : { auto: JSON.parse(row.auto) as NonNullable<Approval['auto']> }),
    ...(row.renews === null ? {} : { renews: row.renews }),
  };
}

/** Columns of an Approval. */
export function approvalColumns(approval: Omit<Approval, 'id'>) {
  return {
    ...whereColumns(approval),
    version: approval.version,
    review: approval.review,
    lifetime: lifetimeText(approval.lifetime),
    scope: JSON.stringify(approval.scope),
    ends_at: endsAt(approval as Approval),
    hold: approval.hold,
    // No row is without a reason to be there: votes, or for whom none were needed.
    votes: JSON.stringify(approval.auto === undefined ? approval.votes : [{ auto: approval.auto.id }]),
    policy: approval.policy,
    created_at: approval.createdAt,
    last_used_at: approval.lastUsedAt,
    times_used: approval.timesUsed,
    revoked_at: approval.revoked?.at ?? null,
    revoked_by: approval.revoked?.by ?? null,
    revoked_reason: approval.revoked?.reason ?? null,
    break_glass: approval.breakGlass === true ? 1 : null,
    auto: approval.auto === undefined ? null : JSON.stringify(approval.auto),
    renews: approval.renews ?? null,
  };
}

/** A Denial of its row. */
export function denialOf(row: Row<DenialTable>): Denial {
  const { id, digest, review, denied_by: by, reason, at, until } = row;
  const lifted =
    row.lifted_at === null ? null : { at: row.lifted_at, by: row.lifted_by ?? '', reason: row.lifted_reason };
  return { id, subject: subject(row), digest, review, by, reason, at, until, lifted };
}
