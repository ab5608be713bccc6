import type { AuditRow } from '../../domain/audit.ts';
import type { Hold } from '../../domain/hold.ts';
import { NOTICE_EVENTS, NOTICES, type Notice, type NoticeEvent, noticeOf } from '../../domain/notify/notice.ts';
import type { Person } from '../../domain/principal.ts';
import type { Review } from '../../domain/review.ts';
import type { HubContext } from '../hub-context.ts';
import { aboutHold, aboutReview, changesOf, helpersOfDeployment, helpersOfReview, helpersOfWatch } from './about.ts';
import { PAGES } from './paths.ts';

/** A notice and whom it is for, by the reason. */
export interface Told {
  readonly notice: Notice;
  readonly approvers: readonly Person[];
  /** Ids of people; they are looked up when they are written to. */
  readonly trigger: readonly number[];
  readonly owner: readonly number[];
}

/** So many Holds of one Review are looked at for who triggered them. */
const MAX_TRIGGERS = 100;

/** Events of the audit, with the notice that each may become. */
const BY_ROW: ReadonlyMap<string, readonly NoticeEvent[]> = NOTICE_EVENTS.reduce((found, name) => {
  for (const row of NOTICES[name].from) found.set(row, [...(found.get(row) ?? []), name]);
  return found;
}, new Map<string, readonly NoticeEvent[]>());

/** Events of the audit that people may be told of. */
export const NOTED_EVENTS: readonly string[] = [...BY_ROW.keys()];

const textOf = (value: unknown): string | null => (typeof value === 'string' && value !== '' ? value : null);
const numberOf = (value: unknown): number | null => (Number.isSafeInteger(value) ? Number(value) : null);
/** The user name of `user:12 alice`; anything else as it is. */
const byOf = (actor: string): string => /^user:\d+ (.+)$/.exec(actor)?.[1] ?? actor;

/** Who triggered it, where that is known for sure: what a variable alone says would send mail to anybody (T17). */
export function triggersOf(holds: readonly Hold[]): readonly number[] {
  const ids = holds.flatMap(({ trigger }) =>
    trigger.id !== null && trigger.verified !== 'unverified' ? [trigger.id] : [],
  );
  return [...new Set(ids)];
}

async function holdsOf(context: HubContext, review: number): Promise<readonly Hold[]> {
  const ids = (await context.store.holdIdsOf(review)).slice(-MAX_TRIGGERS);
  return (await Promise.all(ids.map((id) => context.store.hold(id)))).filter((hold) => hold !== null);
}

/** The newest Hold that waits for the answer, else the newest of all. */
async function shownHold(context: HubContext, review: Review): Promise<Hold | null> {
  const waiting = await context.store.waitingOn(review.id);
  return waiting.at(-1) ?? (await holdsOf(context, review.id)).at(-1) ?? null;
}

/**
 * What people are told of one row of the audit, as things are when it is looked at; nothing where there is nothing to tell any
 * more: a question that was answered meanwhile asks nobody.
 */
export async function noticesOfRow(context: HubContext, row: AuditRow): Promise<readonly Told[]> {
  const found: Told[] = [];
  for (const event of BY_ROW.get(row.event) ?? []) {
    const told = await make(context, row, event);
    if (told !== null) found.push(told);
  }
  // Of several each has a key of its own; the first has that of the row alone.
  return found.map((told, i) =>
    i === 0 ? told : { ...told, notice: { ...told.notice, key: `${told.notice.key}-${told.notice.event}` } },
  );
}

async function make(context: HubContext, row: AuditRow, event: NoticeEvent): Promise<Told | null> {
  const { store } = context;
  const key = `audit-${row.seq}`;
  const { detail } = row;
  const by = row.actor.startsWith('agent:') ? null : byOf(row.actor);
  const reason = textOf(detail.reason) ?? textOf(detail.comment);
  const nobody = { approvers: [], trigger: [], owner: [] };
  const hold = row.hold === null ? null : await store.hold(row.hold);
  const ofHold = (more: Partial<Notice> = {}): Told | null =>
    hold === null
      ? null
      : {
          ...nobody,
          notice: noticeOf(key, event, row.at, { ...aboutHold(hold), by, reason, ...more }),
          trigger: triggersOf([hold]),
        };
  const ofReview = async (id: number | null): Promise<Told | null> => {
    const review = id === null ? null : await store.review(id);
    if (review?.state !== 'open') return null;
    return asking(context, noticeOf(key, event, row.at, { by, reason }), review);
  };
  const ofDeployment = async (): Promise<Told | null> => {
    const deployment = row.deployment == null ? null : await store.deployment(row.deployment);
    if (deployment === null) return null;
    const told = ofHold({ deployment: deployment.id, environment: deployment.environment.name });
    if (told === null || event !== 'deployment_waits') return told;
    if (deployment.state !== 'blocked') return null;
    const { people, needs } = await helpersOfDeployment(context, deployment, hold);
    const helpers = people.map(({ username }) => username);
    return { ...told, notice: { ...told.notice, by: null, needs, helpers }, approvers: people, trigger: [] };
  };

  switch (event) {
    case 'hold_parked': {
      if (hold?.state !== 'waiting_for_approval' || hold.frozenUntil !== null) return null;
      const told = ofHold({ by: null });
      const review = hold.review === null ? null : await store.review(hold.review);
      if (told === null || review === null) return told;
      const { people, needs } = await helpersOfReview(context, review);
      const changes = await changesOf(context, hold);
      const helpers = people.map(({ username }) => username);
      return { ...told, notice: { ...told.notice, changes, needs, helpers } };
    }
    case 'watcher_wanted': {
      const wanted = hold === null ? null : await helpersOfWatch(context, hold);
      const told = wanted === null ? null : ofHold({ by: null, reason: null });
      if (wanted === null || told === null) return null;
      const { people, needs } = wanted;
      const helpers = people.map(({ username }) => username);
      return { ...told, notice: { ...told.notice, needs, helpers }, approvers: people, trigger: [] };
    }
    case 'review_opened':
      return ofReview(row.review);
    case 'review_lacks':
      return row.event === 'vote_approve' ? ofReview(row.review) : askingDeployment(context, row, event);
    case 'deployment_start_wanted':
      return askingDeployment(context, row, event);
    case 'help_asked':
      return row.deployment != null && detail.gate === 'deployment'
        ? askingDeployment(context, row, event)
        : ofReview(row.review);
    case 'review_approved':
    case 'review_rejected':
    case 'review_expired': {
      if (detail.state !== event.slice('review_'.length) || row.review === null) return null;
      const review = await store.review(row.review);
      if (review === null) return null;
      const holds = await holdsOf(context, review.id);
      const votes = await store.votes(review.id);
      const wanted = event === 'review_rejected' ? 'reject' : 'approve';
      const said = event === 'review_expired' ? [] : votes.filter(({ decision }) => decision === wanted);
      const notice = noticeOf(key, event, row.at, {
        ...aboutReview(review, holds.at(-1) ?? null),
        by: said.map(({ person }) => person.username).join(', ') || null,
        reason: said.findLast(({ comment }) => comment !== null)?.comment ?? null,
        expiresAt: null,
      });
      return { ...nobody, notice, trigger: triggersOf(holds) };
    }
    case 'job_detached':
    case 'job_retried':
    case 'job_stopped':
    case 'break_glass_used':
    case 'break_glass_overdue':
    case 'exception_used':
      return ofHold();
    case 'hold_changed':
      return ofHold({ reason: hold?.state ?? null, by: null, expiresAt: null });
    case 'deployment_failed':
      return detail.to === 'failed' ? ofDeployment() : null;
    case 'deployment_waits':
    case 'deployment_approved':
    case 'deployment_rejected':
    case 'deployment_started':
      return ofDeployment();
    case 'approval_revoked': {
      const approval = row.approval === null ? null : await store.approval(row.approval);
      if (approval === null) return null;
      const { subject, projectPath, place, review } = approval;
      return {
        ...nobody,
        notice: noticeOf(key, event, row.at, {
          project: { id: subject.projectId, path: projectPath },
          job: subject.job,
          ref: place.ref,
          refProtected: place.refProtected,
          environment: place.environment,
          review,
          approval: approval.id,
          by,
          reason,
          path: PAGES.approvals,
        }),
      };
    }
    case 'token_elsewhere':
    case 'token_misused': {
      const owner = numberOf(detail.owner);
      const notice = noticeOf(key, event, row.at, {
        by: null,
        reason: `token ${numberOf(detail.token) ?? 'unknown'}${row.address === null ? '' : `, from ${row.address}`}`,
        path: PAGES.inbox,
      });
      return { ...nobody, notice, owner: owner === null ? [] : [owner] };
    }
    case 'policy_changed':
      return { ...nobody, notice: noticeOf(key, event, row.at, { by: null, path: PAGES.policy }) };
    case 'receipt_refused': {
      const about = hold === null ? {} : aboutHold(hold);
      const notice = noticeOf(key, event, row.at, { ...about, by: null, reason, path: PAGES.audit });
      return { ...nobody, notice };
    }
    case 'audit_broken':
      return { ...nobody, notice: noticeOf(key, event, row.at, { reason, path: PAGES.audit }) };
    case 'hold_expiring':
    case 'waits_long':
    case 'policy_broken':
    case 'agent_away':
    case 'test':
      return null;
    default:
      return event satisfies never;
  }
}

/** A notice of an open Review for whoever can still help with it. */
export async function asking(context: HubContext, notice: Notice, review: Review): Promise<Told> {
  const hold = await shownHold(context, review);
  const { people, needs } = await helpersOfReview(context, review);
  const waiting = hold?.state === 'waiting_for_approval' ? hold : null;
  return {
    notice: {
      ...notice,
      ...aboutReview(review, waiting),
      by: notice.event === 'review_opened' ? null : notice.by,
      reason: notice.reason,
      needs,
      changes: await changesOf(context, review),
      helpers: people.map(({ username }) => username),
    },
    approvers: people,
    trigger: waiting === null ? [] : triggersOf([waiting]),
    owner: [],
  };
}

/** The same of a Deployment that waits; null where none does. */
export async function askingOfDeployment(context: HubContext, notice: Notice, id: number): Promise<Told | null> {
  const deployment = await context.store.deployment(id);
  const hold = deployment === null ? null : await context.store.hold(deployment.hold);
  if (deployment === null || hold?.state !== 'waiting_for_approval') return null;
  const { people, needs } = await helpersOfDeployment(context, deployment, hold);
  return {
    notice: {
      ...notice,
      ...aboutHold(hold),
      by: notice.by,
      reason: notice.reason,
      deployment: id,
      environment: deployment.environment.name,
      needs,
      helpers: people.map(({ username }) => username),
    },
    approvers: people,
    trigger: triggersOf([hold]),
    owner: [],
  };
}

/** Asks about the Deployment of a row, where that is still what it waits for. */
async function askingDeployment(context: HubContext, row: AuditRow, event: NoticeEvent): Promise<Told | null> {
  const deployment = row.deployment == null ? null : await context.store.deployment(row.deployment);
  if (deployment === null) return null;
  if (event === 'review_lacks' && deployment.state !== 'blocked') return null;
  if (event === 'deployment_start_wanted' && (deployment.state !== 'created' || deployment.started !== null))
    return null;
  const by = event === 'deployment_start_wanted' ? null : byOf(row.actor);
  const notice = noticeOf(`audit-${row.seq}`, event, row.at, { by, reason: textOf(row.detail.comment) });
  return askingOfDeployment(context, notice, deployment.id);
}
