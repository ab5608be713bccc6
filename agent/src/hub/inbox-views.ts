import type { Background } from '../app/background.ts';
import type { InboxItem } from '../app/inbox.ts';
import { lifetimeText } from '../domain/lifetime.ts';
import type { BackgroundView, InboxItemView } from '../wire/inbox.ts';

const time = (at: number): string => new Date(at).toISOString();

/** An open Review as it stands in an inbox. */
export function inboxItemView(item: InboxItem): InboxItemView {
  const { review, mayVote } = item;
  return {
    review: review.id,
    lane: item.lane,
    digest: review.digest,
    project_id: review.subject.projectId,
    project_path: review.projectPath,
    job: review.subject.job,
    ref: review.place.ref,
    ref_protected: review.place.refProtected,
    environment: review.place.environment,
    opened_at: time(review.openedAt),
    expires_at: item.expiresAt === null ? null : time(item.expiresAt),
    holds: item.waiting,
    hold: item.hold?.id ?? null,
    trigger: { ...item.trigger },
    rules: item.rules.map((rule) => ({ ...rule })),
    may_vote: mayVote.allowed ? { allowed: true, reason: null } : { allowed: false, reason: mayVote.reason },
    voted: item.voted,
    summary: item.summary,
  };
}

/** What a Hold can be compared with. */
export function backgroundView({ approved, lastRun, lifetime, isFirstTimeAuthor }: Background): BackgroundView {
  const { max } = lifetime;
  return {
    approved: approved.map(({ id, digest, place, createdAt, votes }) => ({
      approval: id,
      digest,
      ref: place.ref,
      environment: place.environment,
      created_at: time(createdAt),
      by: votes
        .filter(({ decision }) => decision === 'approve')
        .map(({ person }) => ({ id: person.id, username: person.username, name: person.name })),
    })),
    last_run:
      lastRun === null
        ? null
        : { hold: lastRun.id, digest: lastRun.digest, at: time(lastRun.attempts.at(-1)?.at ?? lastRun.openedAt) },
    lifetime: { usual: lifetimeText(lifetime.usual), max: max.kind === 'days' ? `days:${max.days}` : max.kind },
    first_time_author: isFirstTimeAuthor,
  };
}
