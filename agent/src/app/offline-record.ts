import type { Hold } from '../domain/hold.ts';
import { policyFor } from './governing.ts';
import type { Settlement } from './settle.ts';

/** Of the system: nobody of the house let it go, the file of a host did. */
const HOST = { id: 0, username: 'break-glass-file', name: "A host's break-glass file" } as const;

/** A record that is open until somebody who may approve the job has looked at it. */
export async function openRecord(s: Settlement, hold: Hold, review: number, reason: string): Promise<void> {
  const { breakGlass } = policyFor(s.policy, hold);
  const scope = { ref: { kind: 'exact' }, inputs: hold.inputs, runners: null } as const;
  // What stands for it is an Approval of this one run that nobody of the house voted for. It went before it was told: it lets nothing
  // go any more, and is in nobody's way who has let this very run go, or does so yet (one that counts is all that a run may have).
  const over = { at: s.now, by: 'system', reason: 'of a run that had gone already when this hub was told' };
  const approval = await s.tx.insertApproval({
    version: 1,
    review,
    subject: hold.subject,
    projectPath: hold.projectPath,
    digest: hold.digest,
    place: hold.place,
    scope,
    lifetime: { kind: 'run' },
    hold: hold.id,
    votes: [
      {
        review,
        person: HOST,
        decision: 'approve',
        hold: hold.id,
        lifetime: { kind: 'run' },
        scope,
        representedAs: null,
        comment: reason,
        at: s.now,
      },
    ],
    policy: s.policy.version,
    createdAt: s.now,
    lastUsedAt: null,
    timesUsed: 0,
    revoked: over,
    breakGlass: true,
  });
  const glass = await s.tx.insertBreakGlass({
    version: 1,
    hold: hold.id,
    approval: approval.id,
    subject: hold.subject,
    projectPath: hold.projectPath,
    digest: hold.digest,
    place: hold.place,
    person: HOST,
    rule: 'break-glass file',
    reason,
    policy: s.policy.version,
    at: s.now,
    until: s.now,
    reviewBy: s.now + breakGlass.reviewWithinMs,
    frozen: false,
    overdueNoted: false,
    closed: null,
  });
  await s.audit(
    'break_glass_used',
    { hold, approval: approval.id },
    { break_glass: glass.id, rule: glass.rule, reason, review_by: new Date(glass.reviewBy).toISOString() },
  );
  s.changed({ type: 'break_glass', id: glass.id, state: 'open', projectId: hold.subject.projectId });
}
