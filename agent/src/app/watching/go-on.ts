import { isThrough } from '../../domain/deployment-gate.ts';
import type { Hold } from '../../domain/hold.ts';
import { isDetached } from '../../domain/retrying.ts';
import { coverOf } from '../covering.ts';
import { blockHold } from '../deployments/keep.ts';
import { freezeHold, freezeOf } from '../freezing.ts';
import { policyFor } from '../governing.ts';
import { askingOf, releaseHold, reopen } from '../release.ts';
import { cancelHold, closeIfEmpty, noteUse, type Settlement } from '../settle.ts';
import { gateWords, isWatched, liveGate } from './live-gate.ts';

/** A pending Hold that has to be watched, and is not at this moment, falls back to its live gate. */
export async function keepWatched(s: Settlement, hold: Hold): Promise<Hold> {
  if (hold.state !== 'pending') return hold;
  const gate = await liveGate(s, hold);
  return gate === null || isWatched(gate) ? hold : blockHold(s, hold, gateWords(gate), 'hold_unwatched');
}

/** Lets a Hold go that has passed its other gates, now that somebody watches it. */
export async function goOnWatched(s: Settlement, hold: Hold): Promise<Hold> {
  if (hold.state !== 'waiting_for_approval' || hold.configured === null) return hold;
  const gate = await liveGate(s, hold);
  if (!isWatched(gate)) return hold;
  const deployment = await s.tx.deploymentOfHold(hold.id);
  if (deployment !== null && !isThrough(deployment)) return hold;
  const cover = await coverOf(s, await askingOf(s, hold));
  if (cover === null) return reopen(s, hold, 'its approval is over');
  const mayBeOvertaken = hold.place.environment !== null || isDetached(hold);
  if (mayBeOvertaken && policyFor(s.policy, hold).superseded === 'cancel' && (await s.tx.overtaken(hold)))
    return cancelHold(s, hold, 'superseded');
  const freeze = freezeOf(s, hold, cover.approval);
  if (freeze !== null) return freezeHold(s, hold, freeze);
  const released = await releaseHold(s, hold, cover);
  if (released.state === 'pending') await noteUse(s, cover.approval, 1);
  await closeIfEmpty(s, hold.review, 'approved');
  return released;
}
