import { isInForce } from '../domain/approval.ts';
import { type Hold, liveAttempt } from '../domain/hold.ts';
import { endGlass, glassIsOver } from './break-glass.ts';
import { countsNow } from './covering.ts';
import { freezeHold, freezeOf } from './freezing.ts';
import { askingOf, fallBack } from './release.ts';
import type { Settlement } from './settle.ts';

/**
 * The Hold as it is at the moment of its hand-over: what the calendar, the clock or a denial has ended since it was released falls
 * back first. The job that is being handed out stays the one that may be crossing: an agent that asks takes it back, and
 * one that has given it out already is shown as running (T29).
 */
export async function stillMayGo(s: Settlement, hold: Hold, jobId: number): Promise<Hold> {
  if (hold.state !== 'pending' || hold.approval === null || liveAttempt(hold)?.jobId !== jobId) return hold;
  const approval = await s.tx.approval(hold.approval);
  if (approval === null) return hold;
  if (approval.breakGlass === true && (await glassIsOver(s, hold))) return endGlass(s, hold, approval);
  // Taken back or over while the job was on its way to a runner that it never reached: nothing that stands lets it go (T29).
  if (!isInForce(approval, s.now)) {
    const { revoked } = approval;
    const why = revoked === null ? 'was over' : `was revoked by ${revoked.by}`;
    return fallBack(s, hold, `approval ${approval.id} ${why} before the job was handed out`);
  }
  // Somebody said no to what it runs since it was let go: what has not begun does not begin (T15).
  const denial = approval.breakGlass === true ? null : await s.tx.denial(hold.subject, hold.digest, s.now);
  if (denial !== null) return fallBack(s, hold, `${denial.by} rejected this configuration since: ${denial.reason}`);
  if (s.policy.freezes.length === 0) return hold;
  const freeze = freezeOf(s, hold, approval);
  if (freeze !== null) return freezeHold(s, hold, freeze);
  if (countsNow(s, await askingOf(s, hold))(approval)) return hold;
  return fallBack(s, hold, 'more people have to agree while a freeze window holds');
}
