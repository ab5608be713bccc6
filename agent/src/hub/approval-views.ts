/** What is done with approvals beside voting, as the API shows it. */
import type { AskInspection } from '../app/asks.ts';
import type { ChangeGroup } from '../app/changes.ts';
import type { AskOutcome } from '../app/decide-ask.ts';
import { isInForce } from '../app/denials.ts';
import type { ImportOutcome } from '../app/import-configurations.ts';
import type { ReviewInspection } from '../app/inspect.ts';
import type { ApprovalsTold } from '../app/list-approvals.ts';
import type { RenameList } from '../app/rename.ts';
import type { RevokedOne } from '../app/revoke-many.ts';
import type { Approval } from '../domain/approval.ts';
import type { MayVote } from '../domain/may-vote.ts';
import type { Denial } from '../domain/review.ts';
import type { AskView, ChangeGroupView, DenialView, ListedApproval, RenamedView } from '../wire/approvals.ts';
import { approvalView, problemOf, reviewView } from './views.ts';

const time = (at: number): string => new Date(at).toISOString();
const timeOrNull = (at: number | null): string | null => (at === null ? null : time(at));
const mayView = (may: MayVote) => ({ allowed: may.allowed, reason: may.allowed ? null : may.reason });

/** More than anybody looks at in one answer. */
const MAX_SHOWN = 200;

/** An Approval as a list tells it. */
export function listedApprovalView(approval: Approval, told: ApprovalsTold, now: number): ListedApproval {
  const brief = told.briefs.get(approval.digest);
  const by = approval.revoked?.by ?? null;
  const revoker = told.people.find(({ username }) => username === by);
  return {
    ...approvalView(approval, now),
    runners: [...(told.runners.get(approval.id) ?? [])],
    summary:
      brief === undefined
        ? null
        : {
            image: brief.image,
            services: [...brief.services],
            script_lines: brief.scriptLines,
            first_line: brief.firstLine,
          },
    revoker: by === null ? null : { id: revoker?.id ?? null, username: by, name: revoker?.name ?? null },
    revoked_reason: approval.revoked?.reason ?? null,
  };
}

/** A question that no job waits on. */
export function askView({ inspection, ask, configuration, mayVote }: AskInspection): AskView {
  return {
    review: reviewView(inspection),
    kind: ask.kind,
    approval: ask.approval,
    asked_by: ask.by.username,
    note: ask.note,
    configuration,
    may_vote: mayView(mayVote),
  };
}

/** What became of such a question. */
export function askedView({ approval }: AskOutcome, review: ReviewInspection, now: number) {
  return { review: reviewView(review), approval: approval && approvalView(approval, now) };
}

/** What was revoked, or would be. */
export function revokedView({ approval, revoked, error }: RevokedOne, now: number) {
  return { approval: approvalView(approval, now), revoked, problem: error && problemOf(error) };
}

/** What became of what was imported. */
export function importedView({ error, ...outcome }: ImportOutcome) {
  return { ...outcome, problem: error && problemOf(error) };
}

/** The approvals of a renamed project or group. */
export function renamedView({ from, to, list, items, more }: RenameList): RenamedView {
  return {
    from,
    to,
    list,
    items: items.map(({ approval, digest, changes, review, renewedBy, error }) => ({
      approval: approval.id,
      project_id: approval.subject.projectId,
      job: approval.subject.job,
      ref: approval.place.ref,
      environment: approval.place.environment,
      old_digest: approval.digest,
      digest,
      changes: changes.map((change) => ({ ...change })),
      review,
      renewed_by: renewedBy,
      problem: error && problemOf(error),
    })),
    more,
  };
}

/** A remembered reject. */
export function denialView(denial: Denial, now: number): DenialView {
  return {
    id: denial.id,
    digest: denial.digest,
    review: denial.review,
    instance: denial.subject.instance,
    project_id: denial.subject.projectId,
    job: denial.subject.job,
    by: denial.by,
    reason: denial.reason,
    at: time(denial.at),
    until: time(denial.until),
    lifted_at: timeOrNull(denial.lifted?.at ?? null),
    lifted_by: denial.lifted?.by ?? null,
    lifted_reason: denial.lifted?.reason ?? null,
    in_force: isInForce(denial, now),
  };
}

/** Open questions that ask the same, 200 of them at most. */
export function changeView({ key, summary, changes, reviews }: ChangeGroup): ChangeGroupView {
  return {
    change: key,
    summary,
    changes: changes.map((change) => ({ ...change })),
    items: reviews.slice(0, MAX_SHOWN).map(({ review, holds, mayVote, own }) => ({
      review: review.id,
      digest: review.digest,
      holds: holds.map(({ id }) => id),
      project_id: review.subject.projectId,
      project_path: review.projectPath,
      job: review.subject.job,
      ref: review.place.ref,
      environment: review.place.environment,
      opened_at: time(review.openedAt),
      may_vote: mayView(mayVote),
      own: own.map((one) => ({ ...one })),
    })),
    left_off: Math.max(0, reviews.length - MAX_SHOWN),
  };
}
