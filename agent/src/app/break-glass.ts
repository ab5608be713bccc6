import type { Approval } from '../domain/approval.ts';
import { type BreakGlass, closeBreakGlass, type Finding } from '../domain/break-glass.ts';
import { recognised } from '../domain/commit-people.ts';
import { HoldpointError } from '../domain/errors.ts';
import { freezeAt, frozenWords } from '../domain/freeze.ts';
import { type Hold, wrongState } from '../domain/hold.ts';
import type { Member } from '../domain/principal.ts';
import { requirementFor } from '../domain/requirement.ts';
import { type ApprovalRule, satisfies, whoWords } from '../domain/rule.ts';
import type { Sight } from '../ports/store.ts';
import { membersFor, policyFor, targetOf } from './governing.ts';
import { byCaller, type Caller, type HubContext, retrying } from './hub-context.ts';
import { askingOf, fallBack, releaseHold } from './release.ts';
import { notFound, sightOf, visibleHold } from './see.ts';
import { closeIfEmpty, type Settlement, settle } from './settle.ts';
import { proveStepUp, signedDecision } from './step-up.ts';

/** The rule by which a person may do something alone, if any. */
function ruleOf(rules: readonly ApprovalRule[], member: Member | undefined): ApprovalRule | undefined {
  return rules.find((rule) => satisfies(rule, member));
}

/** A request to run one Hold without its approval. */
export interface BreakGlassWish {
  readonly hold: number;
  /** The full digest that was shown (T13). */
  readonly digest: string;
  readonly reason: string;
}

/**
 * Lets one Hold go without its approval: for this run only, by whom the policy names, with a reason, and never silently.
 * It opens a record that somebody else has to close. Rejects with `not_found`, `digest_mismatch`, `wrong_state`,
 * `not_eligible`, `step_up_required`, `frozen`, `hold_conflict`.
 */
export async function breakGlass(context: HubContext, caller: Caller, wish: BreakGlassWish): Promise<BreakGlass> {
  return retrying(async () => {
    const hold = await visibleHold(context, caller, wish.hold);
    if (hold.digest !== wish.digest) {
      throw new HoldpointError(
        'digest_mismatch',
        `hold ${hold.id} has digest ${hold.digest}, you decided on ${wish.digest}: look at it again and decide on what it shows`,
      );
    }
    if (hold.state !== 'waiting_for_approval') throw wrongState(hold, 'breaking the glass');
    const policy = await context.policy();
    const now = context.clock.now();
    const { breakGlass: allowed, stepUp } = policyFor(policy, hold);
    const members = await membersFor(context.directory, hold.subject.projectId, [allowed], [caller.person.id], now);
    const rule = ruleOf(
      allowed.rules,
      members.find(({ person }) => person.id === caller.person.id),
    );
    if (rule === undefined) {
      const who = allowed.rules.map((each) => whoWords(each.who)).join(' or ') || 'nobody';
      throw new HoldpointError(
        'not_eligible',
        `hold ${hold.id}: the policy lets ${who} break the glass here: ask them, or get it approved`,
      );
    }
    // Where a vote asks for more than a token, so does this: a token that somebody found must not run anything (T24).
    const about = { hold: hold.id, review: hold.review ?? 0, digest: hold.digest };
    const signed = signedDecision(caller, about, { lifetime: 'run', scope: null });
    (await proveStepUp(context, caller, stepUp === 'none' ? 'none' : 'fresh_sign_in', signed, null)).require();
    const frozen = freezeAt(policy.freezes, targetOf(hold), now).hard;
    if (frozen !== null && !allowed.duringFreeze) {
      throw new HoldpointError(
        'frozen',
        `hold ${hold.id} is ${frozenWords(frozen)}; the policy lets nobody break the glass during a freeze`,
      );
    }
    return settle(context, { ...byCaller(caller), now, policy }, async (s) => {
      const same = await s.tx.hold(hold.id);
      if (same?.version !== hold.version) {
        throw new HoldpointError('hold_conflict', `hold ${hold.id} was changed by somebody else: look at it again`);
      }
      // Somebody has said no to exactly this, and that is in force: no one person is above it (T15).
      const denial = await s.tx.denial(hold.subject, hold.digest, now);
      if (denial !== null) {
        throw new HoldpointError(
          'wrong_state',
          `hold ${hold.id}: ${denial.by} rejected this configuration (${denial.reason}): the glass is not broken for it; change the job`,
        );
      }
      const approval = await approvalFor(s, hold, caller, wish.reason);
      const { id, username, name } = caller.person;
      const glass = await s.tx.insertBreakGlass({
        version: 1,
        hold: hold.id,
        approval: approval.id,
        subject: hold.subject,
        projectPath: hold.projectPath,
        digest: hold.digest,
        place: hold.place,
        person: { id, username, name },
        rule: rule.name,
        reason: wish.reason,
        policy: policy.version,
        at: now,
        until: now + allowed.forMs,
        reviewBy: now + allowed.reviewWithinMs,
        frozen: frozen !== null,
        overdueNoted: false,
        closed: null,
      });
      const released = await releaseHold(s, hold, { approval, tolerated: null });
      await s.audit(
        'break_glass_used',
        { hold: released, approval: approval.id },
        {
          break_glass: glass.id,
          person: id,
          token: caller.token.id,
          rule: rule.name,
          reason: wish.reason,
          until: new Date(glass.until).toISOString(),
          review_by: new Date(glass.reviewBy).toISOString(),
          frozen: glass.frozen,
        },
      );
      await closeIfEmpty(s, hold.review, 'canceled');
      s.changed({ type: 'break_glass', id: glass.id, state: 'open', projectId: hold.subject.projectId });
      return glass;
    });
  });
}

/** What stands for a broken glass: an Approval of this one run that nobody voted for, and that is never found as one (T16). */
async function approvalFor(s: Settlement, hold: Hold, caller: Caller, reason: string): Promise<Approval> {
  const { id, username, name } = caller.person;
  const scope = { ref: { kind: 'exact' }, inputs: hold.inputs, runners: null } as const;
  const vote = {
    review: hold.review ?? 0,
    person: { id, username, name },
    decision: 'approve',
    hold: hold.id,
    lifetime: { kind: 'run' },
    scope,
    representedAs: null,
    comment: reason,
    at: s.now,
  } as const;
  // One that was given for this very run and is kept back by a freeze would stand in its way: nothing but this run had it.
  const asking = await askingOf(s, hold);
  for (const own of await s.tx.approvalsOf(hold.subject, hold.digest, 1_000)) {
    if (own.hold !== hold.id || own.revoked !== null) continue;
    const revoked = { at: s.now, by: username, reason: 'the glass was broken for this run' };
    await s.tx.updateApproval({ ...own, version: own.version + 1, revoked });
    const about = { hold, approval: own.id, review: own.review };
    await s.audit('approval_revoked', about, { comment: revoked.reason, token: caller.token.id });
    s.changed({ type: 'approval', id: own.id, state: 'revoked', projectId: own.subject.projectId });
  }
  return s.tx.insertApproval({
    version: 1,
    review: hold.review ?? 0,
    subject: hold.subject,
    projectPath: hold.projectPath,
    digest: hold.digest,
    place: hold.place,
    scope: { ...scope, inputs: asking.question.inputs },
    lifetime: { kind: 'run' },
    hold: hold.id,
    votes: [vote],
    policy: s.policy.version,
    createdAt: s.now,
    lastUsedAt: null,
    timesUsed: 0,
    revoked: null,
    breakGlass: true,
  });
}

/** True once what was let go without its approval should have started. */
export async function glassIsOver(s: Settlement, hold: Hold): Promise<boolean> {
  const glass = (await s.tx.breakGlassOf(hold.id)).at(-1);
  return glass === undefined || glass.approval !== hold.approval || glass.until <= s.now;
}

/** True for a Hold that this let go and that has not started: it waits for its runner, or for its deployment gate alone. */
function goesBy(hold: Hold, { approval }: BreakGlass): boolean {
  if (hold.state === 'pending') return hold.approval === approval;
  return hold.state === 'waiting_for_approval' && hold.configured === approval;
}

/** Takes back what did not start in time: the Hold waits for people again. */
export async function endGlass(s: Settlement, hold: Hold, approval: Approval): Promise<Hold> {
  const reason = 'the glass was broken for it, and it did not start in time';
  const revoked = { at: s.now, by: 'system', reason };
  await s.tx.updateApproval({ ...approval, version: approval.version + 1, revoked });
  await s.audit('break_glass_over', { hold }, { reason });
  return fallBack(s, hold, reason);
}

/** So many in one transaction; the rest comes with the next one. */
const BATCH = 100;

/** Takes back what did not start in time, and says once of each record that somebody should have looked at it. Answers how many. */
export async function watchBreakGlass(context: HubContext): Promise<number> {
  const now = context.clock.now();
  const policy = await context.policy();
  if ((await context.store.breakGlasses({ projects: null, open: true }, { after: 0, limit: 1 })).length === 0) return 0;
  return retrying(() =>
    settle(context, { actor: 'system', address: null, now, policy }, async (s) => {
      let moved = 0;
      const open = await s.tx.breakGlasses({ projects: null, open: true }, { after: 0, limit: 10_000 });
      for (const glass of open.filter((each) => each.until <= now).slice(0, BATCH)) {
        const hold = await s.tx.hold(glass.hold);
        const approval = await s.tx.approval(glass.approval);
        if (hold === null || approval === null || !goesBy(hold, glass)) continue;
        await endGlass(s, hold, approval);
        moved += 1;
      }
      for (const glass of open.filter((each) => each.reviewBy <= now && !each.overdueNoted).slice(0, BATCH)) {
        await s.tx.updateBreakGlass({ ...glass, version: glass.version + 1, overdueNoted: true });
        await s.audit('break_glass_overdue', { hold: await s.tx.hold(glass.hold) }, { break_glass: glass.id });
        s.changed({ type: 'break_glass', id: glass.id, state: 'overdue', projectId: glass.subject.projectId });
        moved += 1;
      }
      return moved;
    }),
  );
}

/** Records that somebody else should have looked at by now. */
export async function overdueGlasses(context: Pick<HubContext, 'store' | 'clock'>): Promise<readonly BreakGlass[]> {
  return context.store.breakGlasses({ projects: null, dueBefore: context.clock.now() }, { after: 0, limit: 1_000 });
}

/** A record that the caller may see: of a project with reporter access. Rejects with `not_found`. */
export async function visibleBreakGlass(context: HubContext, caller: Caller, id: number): Promise<BreakGlass> {
  const glass = await context.store.breakGlass(id);
  const sight: Sight = await sightOf(context, caller);
  const sees =
    glass !== null && (sight.projects.includes(glass.subject.projectId) || glass.person.id === sight.trigger);
  if (!sees) throw notFound('break-glass', id);
  return glass;
}

/**
 * Closes a record: somebody else who may approve for the job says what they found. Rejects with `not_found`,
 * `not_eligible`, `self_approval`, `wrong_state`.
 */
export async function reviewBreakGlass(
  context: HubContext,
  caller: Caller,
  id: number,
  finding: Finding,
  comment: string,
): Promise<BreakGlass> {
  return retrying(async () => {
    const glass = await visibleBreakGlass(context, caller, id);
    const policy = await context.policy();
    const here = policyFor(policy, glass);
    const { rules } = here;
    const now = context.clock.now();
    const { projectId } = glass.subject;
    const members = await membersFor(context.directory, projectId, [{ rules }], [caller.person.id], now);
    const { id: person, username, name } = caller.person;
    const closed = closeBreakGlass(glass, { at: now, by: { id: person, username, name }, finding, comment });
    if (
      ruleOf(
        rules,
        members.find((member) => member.person.id === person),
      ) === undefined
    ) {
      const who = rules.map((each) => whoWords(each.who)).join(' or ') || 'nobody';
      throw new HoldpointError('not_eligible', `break-glass ${id}: ${who} may close it: ask somebody of them`);
    }
    const hold = await context.store.hold(glass.hold);
    const review = hold?.review == null ? null : await context.store.review(hold.review);
    // Whoever opened the question caused the configuration; whose run this was caused what is looked at here.
    const facts = hold === null ? null : await context.store.facts(hold.id, hold.attempts[0]?.jobId ?? 0);
    const own = hold && recognised({ trigger: hold.trigger, people: facts?.commit.people ?? null }, members);
    const excluded = [...(review?.requirement.excluded ?? []), ...(own ? requirementFor(here, own).excluded : [])];
    if (excluded.includes(person)) {
      throw new HoldpointError(
        'self_approval',
        `break-glass ${id}: you triggered or wrote what ran, and the policy forbids to approve that oneself: ask somebody else`,
      );
    }
    return settle(context, { ...byCaller(caller), now, policy }, async (s) => {
      await s.tx.updateBreakGlass(closed);
      await s.audit('break_glass_review', { hold }, { break_glass: id, person, finding, comment });
      s.changed({ type: 'break_glass', id, state: 'closed', projectId });
      return closed;
    });
  });
}
