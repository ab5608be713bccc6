import { HoldpointError } from '../domain/errors.ts';
import type { Hold } from '../domain/hold.ts';
import { byCaller, type Caller, type HubContext, retrying } from './hub-context.ts';
import { visibleHold } from './see.ts';
import { settle } from './settle.ts';

/**
 * Takes one's own vote on the Review of a Hold back, as if it had never been cast; the audit keeps both. Only while the
 * Review is open: what was decided is revoked, not withdrawn. Rejects with `not_found`, `wrong_state`.
 */
export async function withdraw(
  context: HubContext,
  caller: Caller,
  wish: { readonly hold: number; readonly comment: string | null },
): Promise<Hold> {
  return retrying(async () => {
    const hold = await visibleHold(context, caller, wish.hold);
    const policy = await context.policy();
    const now = context.clock.now();
    await settle(context, { ...byCaller(caller), now, policy }, async (s) => {
      const review = hold.review === null ? null : await s.tx.review(hold.review);
      if (review?.state !== 'open') {
        const way = hold.approval === null ? 'run the job again to ask again' : `revoke approval ${hold.approval}`;
        throw new HoldpointError(
          'wrong_state',
          `hold ${hold.id} is ${hold.state}, and what was asked is decided: a vote cannot be withdrawn any more; ${way}`,
        );
      }
      const vote = (await s.tx.votes(review.id)).find(({ person }) => person.id === caller.person.id);
      if (vote === undefined) {
        throw new HoldpointError(
          'wrong_state',
          `hold ${hold.id}: you have not voted on it: there is nothing to withdraw`,
        );
      }
      await s.tx.removeVote(review.id, caller.person.id);
      await s.audit(
        'vote_withdrawn',
        { hold },
        { person: caller.person.id, token: caller.token.id, decision: vote.decision, comment: wish.comment },
      );
      s.changed({ type: 'review', id: review.id, state: 'open', projectId: hold.subject.projectId });
    });
    return hold;
  });
}
