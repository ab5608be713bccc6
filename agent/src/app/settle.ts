import type { Approval } from '../domain/approval.ts';
import type { AuditEntry } from '../domain/audit.ts';
import type { Facts } from '../domain/facts.ts';
import { type Attempt, type Hold, type HoldCommand, liveAttempt, transition } from '../domain/hold.ts';
import type { JsonObject } from '../domain/json.ts';
import type { Policy } from '../domain/policy.ts';
import { printable } from '../domain/printable.ts';
import { type Opener, requirementFor } from '../domain/requirement.ts';
import { closeReview, type Review, type ReviewState } from '../domain/review.ts';
import type { HubPush } from '../ports/gatekeeper.ts';
import type { ChangedEvent } from '../ports/push.ts';
import type { StoreWriter } from '../ports/store.ts';
import { followHold } from './deployments/move.ts';
import { policyFor } from './governing.ts';
import type { HubContext } from './hub-context.ts';
import { nameForSight } from './see.ts';
import { giveUseBack } from './uses.ts';
import { followWatch } from './watching/live-gate.ts';

/** Who decides, at what time and under which policy. */
export interface Deciding {
  readonly actor: string;
  readonly address: string | null;
  /** The program that asked, as it names itself. */
  readonly client?: string | null;
  /** Id of the request, for the log. */
  readonly request?: string | null;
  readonly now: number;
  readonly policy: Policy;
}
/** What an audit row is about. */
export interface About {
  readonly hold?: Hold | null;
  readonly review?: number | null;
  readonly approval?: number | null;
  readonly deployment?: number | null;
  readonly digest?: string | null;
}
/** One transaction in progress: every write of a decision goes through it, so that none is without its audit row. */
export interface Settlement extends Deciding {
  readonly tx: StoreWriter;
  /** HMAC (hex) of a hidden value of this project under this name, as the form has it. */
  tag(projectId: number, name: string, text: string): string;
  audit(event: string, about: About, detail?: JsonObject): Promise<void>;
  /** Moves a Hold and records it; `facts` are those of an attempt that is new. Answers the moved Hold. */
  move(hold: Hold, command: HoldCommand, event: string, detail?: JsonObject, facts?: Facts): Promise<Hold>;
  /** Tells the agent that has this attempt. */
  tell(
    type: HubPush['type'] | 'stop',
    hold: Hold,
    attempt: Attempt | null,
    reason: string | null,
    note?: string | null,
  ): Promise<void>;
  changed(event: ChangedEvent): void;
}

/** Runs `work` as one transaction; agents and viewers are woken after it is stored, never before. */
export async function settle<T>(
  context: HubContext,
  deciding: Deciding,
  work: (s: Settlement) => Promise<T>,
): Promise<T> {
  const pushes = new Map<string, HubPush[]>();
  const changes: ChangedEvent[] = [];
  const result = await context.store.write(async (tx) => {
    pushes.clear();
    changes.length = 0;
    return work(settlement(context, deciding, tx, pushes, changes));
  });
  for (const [agent, all] of pushes) context.push.wake(agent, all);
  for (const change of changes) context.push.changed(change);
  return result;
}

function settlement(
  context: Pick<HubContext, 'tag'>,
  deciding: Deciding,
  tx: StoreWriter,
  pushes: Map<string, HubPush[]>,
  changes: ChangedEvent[],
): Settlement {
  const audit: Settlement['audit'] = async (event, about, detail = {}) => {
    const entry: AuditEntry = {
      at: deciding.now,
      actor: deciding.actor,
      address: deciding.address,
      client: deciding.client ?? null,
      event,
      hold: about.hold?.id ?? null,
      review: about.review ?? about.hold?.review ?? null,
      approval: about.approval ?? about.hold?.approval ?? null,
      deployment: about.deployment ?? null,
      digest: about.digest ?? about.hold?.digest ?? null,
      policy: deciding.policy.version,
      detail,
      ...(deciding.request == null ? {} : { request: deciding.request }),
    };
    await tx.audit(entry);
  };
  const changed: Settlement['changed'] = (event) => {
    changes.push(event);
  };
  return {
    ...deciding,
    tx,
    tag: context.tag,
    audit,
    changed,
    async move(hold, command, event, detail = {}, facts) {
      const moved = transition(hold, command, deciding.now);
      await tx.updateHold(moved, facts);
      await giveUseBack(tx, hold, moved);
      await audit(event, { hold: moved }, { from: hold.state, to: moved.state, ...detail });
      changed({ type: 'hold', id: moved.id, state: moved.state, projectId: moved.subject.projectId });
      await followHold({ tx, audit, changed, now: deciding.now }, moved, command);
      await followWatch({ tx, now: deciding.now, policy: deciding.policy }, moved, command);
      return moved;
    },
    async tell(type, hold, attempt, reason, note = null) {
      if (attempt === null) return;
      const { id, digest } = hold;
      const push = {
        ...(type === 'stop' ? ({ type: 'cancel', stop: true } as const) : { type }),
        hold: id,
        jobId: attempt.jobId,
        digest,
        reason: reason === null ? null : printable(reason),
        note: note === null ? null : note.split('\n').map(printable).join('\n'),
      };
      const seq = await tx.push(attempt.agent, push);
      pushes.set(attempt.agent, [...(pushes.get(attempt.agent) ?? []), { ...push, seq }]);
    },
  };
}

/** Who stands in the commit of a Hold, as its first job had it. */
export async function peopleOf(s: Settlement, hold: Hold): Promise<Opener['people']> {
  const [first] = hold.attempts;
  return first === undefined ? null : ((await s.tx.facts(hold.id, first.jobId))?.commit.people ?? null);
}

/** The open Review of the Hold's question: the one that is open for exactly its Place, or a new one that this Hold opens. */
export async function reviewFor(
  s: Settlement,
  hold: Pick<Hold, 'subject' | 'digest' | 'place' | 'projectPath' | 'trigger'>,
  people: Opener['people'],
): Promise<Review> {
  const { ref, refProtected, environment } = hold.place;
  // What somebody asked apart from any job was asked under other rules: nobody is excluded there who is here.
  const open = (await s.tx.openReviews(hold.subject, hold.digest)).find(
    ({ place, ask = null }) =>
      ask === null && place.ref === ref && place.refProtected === refProtected && place.environment === environment,
  );
  if (open !== undefined) return open;
  const requirement = requirementFor(policyFor(s.policy, hold), { trigger: hold.trigger, people });
  const review = await s.tx.insertReview({
    version: 1,
    state: 'open',
    subject: hold.subject,
    projectPath: hold.projectPath,
    digest: hold.digest,
    place: hold.place,
    requirement,
    openedAt: s.now,
    closedAt: null,
  });
  await nameForSight(s.tx, { review: review.id }, requirement.rules);
  await s.audit(
    'review_opened',
    { review: review.id, digest: review.digest },
    {
      ref,
      ref_protected: refProtected,
      environment,
      rules: requirement.rules.map(({ name, who, count }) => ({ name, who: { ...who }, count })),
      self_approval: requirement.selfApproval,
      excluded: requirement.excluded,
      unknown: requirement.unknown,
    },
  );
  s.changed({ type: 'review', id: review.id, state: 'open', projectId: review.subject.projectId });
  return review;
}

/** Closes a Review and records it. */
export async function close(s: Settlement, review: Review, state: Exclude<ReviewState, 'open'>): Promise<void> {
  await s.tx.updateReview(closeReview(review, state, s.now));
  await s.audit('review_closed', { review: review.id, digest: review.digest }, { state });
  s.changed({ type: 'review', id: review.id, state, projectId: review.subject.projectId });
}

/** Closes the Review that a Hold has left when no other Hold waits on it any more. */
export async function closeIfEmpty(
  s: Settlement,
  id: number | null,
  state: Exclude<ReviewState, 'open'>,
): Promise<void> {
  const review = id === null ? null : await s.tx.review(id);
  if (review?.state !== 'open' || (await s.tx.waitingOn(review.id)).length > 0) return;
  await close(s, review, state);
}

/** Counts a use of an Approval: unused ones lapse. */
export async function noteUse(s: Settlement, approval: Approval, uses: number): Promise<void> {
  if (uses === 0) return;
  await s.tx.updateApproval({
    ...approval,
    version: approval.version + 1,
    lastUsedAt: s.now,
    timesUsed: approval.timesUsed + uses,
  });
}

/** Ends a Hold that waits or is pending with `cancel`, and tells the agent that has its live job. */
export async function cancelHold(s: Settlement, hold: Hold, reason: string): Promise<Hold> {
  const canceled = await s.move(hold, { type: 'cancel', reason }, 'hold_canceled', { reason });
  await s.tell('cancel', canceled, liveAttempt(hold), reason);
  await closeIfEmpty(s, hold.review, 'canceled');
  return canceled;
}
