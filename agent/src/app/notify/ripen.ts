import { digestOfText } from '../../domain/digest.ts';
import { escalationsDue, type Waiting } from '../../domain/notify/escalate.ts';
import { moment } from '../../domain/notify/message.ts';
import { noticeOf } from '../../domain/notify/notice.ts';
import { type Escalation, NO_NOTIFY, type NotifyPolicy } from '../../domain/notify/notify-policy.ts';
import type { HubContext } from '../hub-context.ts';
import { aboutHold, aboutReview, helpersOfReview } from './about.ts';
import { asking, askingOfDeployment, type Told, triggersOf } from './make.ts';
import { PAGES } from './paths.ts';

/** Questions and Deployments that are looked at in one go; the oldest first, so that none is missed for long. */
const MAX_WAITING = 2_000;
/** An agent that is away for less than this has restarted. */
const AGENT_AWAY_MS = 5 * 60_000;
/** That a link is gone is noted, and noticed, at not quite the same moment. */
const COMES_BACK_MS = 30_000;

/** Something that time alone has made, and the escalation that it is of. */
export interface Ripe {
  readonly told: Told;
  readonly escalation: Escalation | null;
}

/** What is said before a Hold expires: once for each end that it has, and not before half of its time is over. */
async function expiring(context: HubContext, { expiringMs }: NotifyPolicy): Promise<readonly Ripe[]> {
  const { store, clock } = context;
  const now = clock.now();
  const found: Ripe[] = [];
  for (const hold of await store.dueHolds(now + expiringMs, MAX_WAITING)) {
    const key = `expiring-${hold.id}-${hold.expiresAt}`;
    const half = hold.openedAt + (hold.expiresAt - hold.openedAt) / 2;
    if (hold.state !== 'waiting_for_approval' || hold.expiresAt <= now || half > now || (await store.isNoted(key)))
      continue;
    const review = hold.review === null ? null : await store.review(hold.review);
    const { people, needs } = review === null ? { people: [], needs: null } : await helpersOfReview(context, review);
    const helpers = people.map(({ username }) => username);
    const notice = noticeOf(key, 'hold_expiring', now, { ...aboutHold(hold), needs, helpers });
    found.push({ told: { notice, approvers: people, trigger: triggersOf([hold]), owner: [] }, escalation: null });
  }
  return found;
}

const sinceWords = (at: number): string => `it waits since ${moment(at)}`;

/** What has waited for too long, by the policy's escalations. */
async function escalating(context: HubContext, policy: NotifyPolicy): Promise<readonly Ripe[]> {
  if (policy.escalations.length === 0) return [];
  const { store, clock } = context;
  const now = clock.now();
  const soonest = Math.min(...policy.escalations.map(({ afterMs }) => afterMs));
  const waiting: Waiting[] = [];
  const reviews = await store.reviews({ states: ['open'], sight: null }, { after: 0, limit: MAX_WAITING });
  for (const review of reviews) {
    if (review.openedAt + soonest > now) continue;
    const hold = (await store.waitingOn(review.id)).at(-1) ?? null;
    // Approved, and only the calendar keeps it back: nobody has to do anything.
    if (hold !== null && hold.frozenUntil !== null) continue;
    const notice = noticeOf('', 'waits_long', now, {
      ...aboutReview(review, hold),
      reason: sinceWords(review.openedAt),
    });
    waiting.push({ key: `review-${review.id}`, since: review.openedAt, notice });
  }
  const blocked = await store.deployments({ states: ['blocked'], sight: null }, { after: 0, limit: MAX_WAITING });
  for (const deployment of blocked) {
    const hold = await store.hold(deployment.hold);
    if (deployment.createdAt + soonest > now || hold?.state !== 'waiting_for_approval') continue;
    const reason = sinceWords(deployment.createdAt);
    const about = { ...aboutHold(hold), deployment: deployment.id, environment: deployment.environment.name, reason };
    const notice = noticeOf('', 'waits_long', now, about);
    waiting.push({ key: `deployment-${deployment.id}`, since: deployment.createdAt, notice });
  }
  const found: Ripe[] = [];
  for (const { escalation, notice } of escalationsDue(policy, waiting, now)) {
    if (await store.isNoted(notice.key)) continue;
    const review = notice.deployment !== null || notice.review === null ? null : await store.review(notice.review);
    const told =
      notice.deployment !== null
        ? await askingOfDeployment(context, notice, notice.deployment)
        : review === null
          ? null
          : await asking(context, notice, review);
    if (told !== null) found.push({ told: { ...told, notice: { ...told.notice, key: notice.key } }, escalation });
  }
  return found;
}

/** A policy file that cannot be read, and agents that are away: once for each time. */
async function broken(context: HubContext, awaySince: (agent: string) => number | null): Promise<readonly Ripe[]> {
  const { store, clock } = context;
  const now = clock.now();
  const nobody = { approvers: [], trigger: [], owner: [] };
  const found: Ripe[] = [];
  const problem = context.policyStatus?.().problem ?? null;
  if (problem !== null) {
    const key = `policy-broken-${digestOfText(`${context.policyStatus?.().loadedAt} ${problem}`).slice(7, 23)}`;
    // The problem itself quotes the file; the page shows it to who may see it.
    const reason = 'the page and the log of the hub say what is wrong';
    if (!(await store.isNoted(key)))
      found.push({
        told: { ...nobody, notice: noticeOf(key, 'policy_broken', now, { reason, path: PAGES.policy }) },
        escalation: null,
      });
  }
  for (const { name, seenAt, parked } of await store.agents()) {
    const since = awaySince(name);
    if (seenAt === null || since === null || since + AGENT_AWAY_MS > now) continue;
    // It came back since, to another hub on the same store; or nobody expects it any more.
    if (seenAt > since + COMES_BACK_MS || (await store.enrolled(name))?.revokedAt != null) continue;
    const key = `agent-away-${name}-${seenAt}`;
    if (await store.isNoted(key)) continue;
    const reason = `${name} is away since ${moment(since)} at the latest, with ${parked} jobs parked`;
    found.push({
      told: { ...nobody, notice: noticeOf(key, 'agent_away', now, { reason, path: PAGES.agents }) },
      escalation: null,
    });
  }
  return found;
}

/** Everything that time alone has made since it was last looked at. */
export async function ripeNotices(
  context: HubContext,
  awaySince: (agent: string) => number | null,
): Promise<readonly Ripe[]> {
  const policy = (await context.policy()).notify ?? NO_NOTIFY;
  return [
    ...(await expiring(context, policy)),
    ...(await escalating(context, policy)),
    ...(await broken(context, awaySince)),
  ];
}
