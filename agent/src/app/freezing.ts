import type { Approval } from '../domain/approval.ts';
import { type Freeze, freezeAt, frozenWords } from '../domain/freeze.ts';
import { type Hold, liveAttempt } from '../domain/hold.ts';
import { policyFor, targetOf } from './governing.ts';
import { peopleOf, reviewFor, type Settlement } from './settle.ts';

/** The hard freeze that keeps a job back at this moment; null where none does. Live: never frozen into a Review. */
export function hardFreeze(s: Settlement, of: Parameters<typeof targetOf>[0]): Freeze['hard'] {
  return freezeAt(s.policy.freezes, targetOf(of), s.now).hard;
}

/** The same for a Hold that this Approval lets go: a broken glass passes where the policy says that it does. */
export function freezeOf(s: Settlement, hold: Hold, approval: Approval | null): Freeze['hard'] {
  if (approval?.breakGlass === true && policyFor(s.policy, hold).breakGlass.duringFreeze) return null;
  return hardFreeze(s, hold);
}

/**
 * Keeps a Hold back although something covers it: a waiting one goes on waiting, a pending one falls back. The votes stay,
 * and the Hold goes by itself when the freeze is over.
 */
export async function freezeHold(s: Settlement, hold: Hold, freeze: NonNullable<Freeze['hard']>): Promise<Hold> {
  const reason = frozenWords(freeze);
  if (hold.state === 'waiting_for_approval' && hold.frozenUntil === freeze.until && hold.reason === reason) return hold;
  const review = await reviewFor(s, hold, await peopleOf(s, hold));
  const { until, names } = freeze;
  const frozen = await s.move(hold, { type: 'freeze', review: review.id, until, reason }, 'hold_frozen', {
    until: new Date(until).toISOString(),
    windows: [...names],
  });
  if (hold.state === 'pending') await s.tell('revoke', frozen, liveAttempt(frozen), reason);
  return frozen;
}
