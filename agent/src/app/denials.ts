import { recognised } from '../domain/commit-people.ts';
import { HoldpointError } from '../domain/errors.ts';
import { type Hold, liveAttempt } from '../domain/hold.ts';
import { ACCESS_LEVELS } from '../domain/principal.ts';
import { entitled } from '../domain/quorum.ts';
import { requirementFor } from '../domain/requirement.ts';
import type { Denial } from '../domain/review.ts';
import { membersFor, policyFor } from './governing.ts';
import { byCaller, type Caller, type HubContext, retrying } from './hub-context.ts';
import { notFound } from './see.ts';
import { type Settlement, settle } from './settle.ts';

/** True while it refuses jobs. */
export function isInForce(denial: Denial, now: number): boolean {
  return denial.lifted === null && now < denial.until;
}

/**
 * Ends a Hold that no runner has, since somebody said that what it runs must not run (T15): nobody could approve it while that
 * lasts. Who broke the glass for it said so against everybody else's word.
 */
export async function rejectDenied(
  s: Settlement,
  hold: Hold,
  { by, reason }: Pick<Denial, 'by' | 'reason'>,
): Promise<Hold> {
  const approval = hold.approval === null ? null : await s.tx.approval(hold.approval);
  if (approval?.breakGlass === true) return hold;
  const rejected = await s.move(hold, { type: 'reject', reason }, 'hold_rejected', { reason });
  await s.tell('reject', rejected, liveAttempt(hold), `${by}: ${reason}`);
  return rejected;
}

/**
 * Lifts a denial: jobs with that configuration wait for approval again instead of being refused. It approves nothing. Who may
 * approve there may lift it, and not for what they caused themselves (T18). Rejects with `not_found`, `not_eligible`,
 * `self_approval`, `wrong_state`.
 */
export async function liftDenial(
  context: HubContext,
  caller: Caller,
  id: number,
  comment: string | null,
): Promise<Denial> {
  return retrying(async () => {
    const denial = await context.store.denialWithId(id);
    const known = () => context.store.knownProjects();
    const visible = await context.directory.projectsOf(caller.person.id, ACCESS_LEVELS.reporter, known);
    if (denial === null) throw notFound('denial', id);
    const review = await context.store.review(denial.review);
    if (review === null) throw new HoldpointError('internal', `denial ${id}: the store lacks its review`);
    const policy = await context.policy();
    const here = policyFor(policy, review);
    const members = await membersFor(context.directory, denial.subject.projectId, [here], [caller.person.id]);
    const current = requirementFor(here, recognised(review.requirement, members));
    const member = members.find(({ person }) => person.id === caller.person.id);
    if (!entitled(current, member)) {
      if (!visible.includes(denial.subject.projectId)) throw notFound('denial', id);
      throw new HoldpointError('not_eligible', `denial ${id}: only who may approve there may lift it: ask one of them`);
    }
    if (current.excluded.includes(caller.person.id)) {
      throw new HoldpointError(
        'self_approval',
        `denial ${id}: you caused what was rejected, and the policy forbids to decide on it oneself: ask somebody else`,
      );
    }
    const now = context.clock.now();
    if (!isInForce(denial, now)) {
      const why = denial.lifted === null ? 'is over' : `was lifted by ${denial.lifted.by}`;
      throw new HoldpointError('wrong_state', `denial ${id} ${why} already: nothing is left to lift`);
    }
    const lifted = { at: now, by: caller.person.username, reason: comment };
    await settle(context, { ...byCaller(caller), now, policy }, async (s) => {
      await s.tx.liftDenial(id, lifted);
      await s.audit(
        'denial_lifted',
        { review: denial.review, digest: denial.digest },
        { denial: id, comment, token: caller.token.id },
      );
    });
    return { ...denial, lifted };
  });
}
