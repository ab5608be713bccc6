import type { Approval } from '../domain/approval.ts';
import type { AuditRow } from '../domain/audit.ts';
import { lifetimeText } from '../domain/lifetime.ts';
import { scopeText } from '../domain/scope.ts';
import type { StoreReader } from '../ports/store.ts';
import { breathe } from './breathe.ts';
import { type HubContext, retrying } from './hub-context.ts';
import { fallBack } from './release.ts';
import { settle } from './settle.ts';

/** Looked at together: two milliseconds, and as much memory however many there are. */
const APPROVALS_AT_A_TIME = 50;

type Counting = Pick<Approval, 'digest' | 'place' | 'lifetime' | 'scope' | 'breakGlass'>;
/** What is wrong with an Approval, in words. */
export interface ApprovalFault {
  readonly approval: number;
  readonly fault: string;
}

function faultIn({ event, digest, detail }: AuditRow, approval: Counting): string | null {
  if (event === 'approval_revoked') return 'the audit says that it was revoked';
  const { ref, environment } = approval.place;
  // Who broke the glass for one run gave nothing else with it.
  const isGlass = event === 'break_glass_used';
  const place = isGlass
    ? approval.breakGlass === true && approval.lifetime.kind === 'run'
    : detail.ref === ref && detail.environment === environment && approval.breakGlass !== true;
  // An older audit does not say it all.
  const says = (name: string, text: string) => detail[name] === undefined || detail[name] === text;
  const width = says('lifetime', lifetimeText(approval.lifetime)) && says('scope', scopeText(approval.scope));
  const fits = digest === approval.digest && place && width;
  return fits ? null : 'the audit says that it covers something else';
}

/**
 * Compares every Approval that counts with what the audit says of it, and revokes those that somebody put or changed
 * there (T28). Whoever can write the store can write the audit as well: it finds who did not, and a store that was put
 * together from two. Answers what it revoked.
 */
export async function verifyApprovals(context: HubContext): Promise<readonly ApprovalFault[]> {
  const struck: ApprovalFault[] = [];
  for (let after = 0; ; ) {
    // Before their rows of the audit: each of these has its own there by then.
    const page = await context.store.approvals({ revoked: false, sight: null }, { after, limit: APPROVALS_AT_A_TIME });
    if (page.length === 0) return struck;
    after = page.at(-1)!.id;
    for (const [approval, fault] of await faultsOf(context.store, page))
      if (await strike(context, approval, fault)) struck.push({ approval, fault });
    await breathe();
  }
}

/** What is wrong with some of these, as the newest row that tells of each has it. */
async function faultsOf(
  store: Pick<StoreReader, 'auditOfApprovals'>,
  approvals: readonly Approval[],
): Promise<ReadonlyMap<number, string>> {
  const counting = new Map(approvals.map((approval) => [approval.id, approval]));
  const faults = new Map<number, string>([...counting.keys()].map((id) => [id, 'the audit knows of no such approval']));
  for (const row of await store.auditOfApprovals([...counting.keys()])) {
    const approval = row.approval === null ? undefined : counting.get(row.approval);
    if (approval === undefined) continue;
    const fault = faultIn(row, approval);
    if (fault === null) faults.delete(approval.id);
    else faults.set(approval.id, fault);
  }
  return faults;
}

/** False when it was revoked meanwhile as it should be. */
async function strike(context: HubContext, id: number, fault: string): Promise<boolean> {
  const [now, policy] = [context.clock.now(), await context.policy()];
  return retrying(() =>
    settle(context, { actor: 'system', address: null, now, policy }, async (s) => {
      const approval = await s.tx.approval(id);
      if (approval === null || approval.revoked !== null) return false;
      const reason = `its row does not fit the audit: ${fault}`;
      const revoked = { at: now, by: 'system', reason };
      await s.tx.updateApproval({ ...approval, version: approval.version + 1, revoked });
      await s.audit('approval_revoked', { approval: id, review: approval.review, digest: approval.digest }, { reason });
      s.changed({ type: 'approval', id, state: 'revoked', projectId: approval.subject.projectId });
      for (const hold of await s.tx.passedWith(id)) await fallBack(s, hold, `approval ${id}: ${reason}`);
      return true;
    }),
  );
}
