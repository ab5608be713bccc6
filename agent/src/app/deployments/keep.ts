import type { Deployment } from '../../domain/deployment.ts';
import { correctionsOf, isThrough } from '../../domain/deployment-gate.ts';
import { type Hold, liveAttempt } from '../../domain/hold.ts';
import { rulesWithin } from '../../domain/protected-environment.ts';
import { coverOf } from '../covering.ts';
import { freezeHold, freezeOf } from '../freezing.ts';
import { policyFor } from '../governing.ts';
import { askingOf, releaseHold, reopen } from '../release.ts';
import { nameForSight } from '../see.ts';
import { cancelHold, closeIfEmpty, noteUse, peopleOf, reviewFor, type Settlement } from '../settle.ts';
import { currentRules, type DeploymentGate, requireSameGate } from './gate.ts';
import { moveTo } from './move.ts';
import { openDeployment, openingFor } from './open.ts';

/** The Deployment after everything that its votes, the rights of people and marks say of it now (T19, T21). */
export async function corrected(s: Settlement, deployment: Deployment, gate: DeploymentGate): Promise<Deployment> {
  const { subject, place, sha } = deployment;
  const to = { instance: subject.instance, projectId: subject.projectId, environment: place.environment ?? '' };
  const votes = await s.tx.deploymentVotes(deployment.id);
  const current = currentRules(s.policy, gate, deployment.kind, deployment.trigger);
  // Whom rules name that came later is asked too, and has to see what.
  if (gate.rules !== null) await nameForSight(s.tx, { hold: deployment.hold }, rulesWithin(gate.rules));
  let now = deployment;
  for (const command of correctionsOf(deployment, current, votes, gate.members, await s.tx.brokenMark(to, sha)))
    now = await moveTo(s, now, command);
  return now;
}

/** Sends a pending Hold back to wait at its deployment gate, or where somebody has to watch it, and tells the agent that has its job. */
export async function blockHold(
  s: Settlement,
  hold: Hold,
  reason: string,
  event: 'hold_blocked' | 'hold_unwatched' = 'hold_blocked',
): Promise<Hold> {
  if (hold.state !== 'pending') return hold;
  const approval = hold.approval === null ? null : await s.tx.approval(hold.approval);
  const review = hold.review ?? approval?.review ?? (await reviewFor(s, hold, await peopleOf(s, hold))).id;
  const blocked = await s.move(hold, { type: 'block', review, reason }, event, { reason });
  await s.tell('revoke', blocked, liveAttempt(blocked), reason);
  return blocked;
}

/**
 * The Hold as its deployment gate leaves it at this moment: a pending one whose approvals, start or environment no longer
 * fit falls back; a waiting one whose two gates are passed goes. What came under protection meanwhile is asked for as well.
 */
export async function keepGate(s: Settlement, hold: Hold, gate: DeploymentGate | null): Promise<Hold> {
  if (gate === null || (hold.state !== 'pending' && hold.state !== 'waiting_for_approval')) return hold;
  await requireSameGate(s, gate);
  const known = (await s.tx.deploymentOfHold(hold.id)) ?? (await openLate(s, hold, gate));
  if (known === null) return hold;
  if (known === 'refused') return (await s.tx.hold(hold.id)) ?? hold;
  const deployment = await corrected(s, known, gate);
  if (isThrough(deployment)) return hold.state === 'pending' ? hold : advance(s, hold, deployment);
  return blockHold(s, hold, deployment.reason ?? 'its deployment is not approved and started yet');
}

/** The Deployment of a Hold whose environment was not protected when it was opened, and is now. */
async function openLate(s: Settlement, hold: Hold, gate: DeploymentGate): Promise<Deployment | 'refused' | null> {
  const facts = await s.tx.facts(hold.id, hold.attempts.at(-1)?.jobId ?? 0);
  const opening = facts === null ? null : await openingFor(s, gate, facts, hold.digest, hold.trigger);
  if (facts === null || opening === null) return null;
  if (!('refuse' in opening)) return openDeployment(s, hold, facts, opening);
  await cancelHold(s, hold, opening.refuse);
  return 'refused';
}

/**
 * Lets a waiting Hold go when both gates are passed: its Deployment is approved and started, and something covers its
 * configuration at this very moment. A run that was overtaken while it waited is ended, unless the policy says otherwise.
 */
export async function advance(s: Settlement, hold: Hold, deployment: Deployment): Promise<Hold> {
  if (hold.state !== 'waiting_for_approval' || !isThrough(deployment)) return hold;
  const cover = await coverOf(s, await askingOf(s, hold));
  if (cover === null) return reopen(s, hold, 'its approval is over');
  if (policyFor(s.policy, hold).superseded === 'cancel' && (await s.tx.overtaken(hold)))
    return cancelHold(s, hold, 'superseded');
  const freeze = freezeOf(s, hold, cover.approval);
  if (freeze !== null) return freezeHold(s, hold, freeze);
  const released = await releaseHold(s, hold, cover);
  if (released.state === 'pending') await noteUse(s, cover.approval, 1);
  await closeIfEmpty(s, hold.review, 'approved');
  return released;
}
