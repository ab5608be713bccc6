import type { Hold } from '../domain/hold.ts';
import { isFinal } from '../domain/hold.ts';
import type { StoreWriter } from '../ports/store.ts';

/** So many of the newest rows of a Hold are looked at; a Hold has a dozen, and each hand-out few. */
const MAX_ROWS = 10_000;

/**
 * Gives the use back that a Hold had of an Approval with counted uses, where what was handed over provably never reached a
 * runner, or a freeze or its deployment gate sent it back before anything was handed over. A Hold that goes on as pending keeps its use: it is
 * handed out again. Everything else has taken its use, whatever became of the job: nobody gets a second run by cancelling.
 */
export async function giveUseBack(tx: StoreWriter, before: Hold, after: Hold): Promise<void> {
  if (before.state !== 'pending' || before.approval === null || after.state === 'pending') return;
  const waits = after.state === 'waiting_for_approval';
  const frozen = waits && (after.frozenUntil !== null || after.configured !== null);
  if (!frozen && !isFinal(after.state)) return;
  const approval = await tx.approval(before.approval);
  if (approval?.lifetime.kind !== 'uses') return;
  if (!frozen && !(await wasTakenBack(tx, before))) return;
  await tx.updateApproval({
    ...approval,
    version: approval.version + 1,
    timesUsed: Math.max(0, approval.timesUsed - 1),
  });
}

/** True when its last hand-out came back undelivered: it is pending again, so nothing was handed out since. */
async function wasTakenBack(tx: StoreWriter, hold: Hold): Promise<boolean> {
  const rows = await tx.auditRows({ hold: hold.id, sight: null }, { after: 0, limit: MAX_ROWS });
  const last = rows.findLast(({ event }) => event === 'job_undelivered' || event === 'hold_released');
  return last?.event === 'job_undelivered';
}
