import { type Hold, type HoldCommand, isFinal, liveAttempt } from '../../domain/hold.ts';
import type { Policy } from '../../domain/policy.ts';
import { requirementFor } from '../../domain/requirement.ts';
import { liveWords, present, type Watcher, watchersNeeded } from '../../domain/watching.ts';
import type { StoreReader, StoreWriter } from '../../ports/store.ts';
import { policyFor } from '../governing.ts';

/** Who has to watch a job, and who does. */
export interface LiveGate {
  readonly need: number;
  readonly watching: readonly Watcher['person'][];
}

/** The live gate of a Hold at this moment; null where nobody has to watch it. */
export async function liveGate(
  s: { readonly policy: Policy; readonly now: number; readonly tx: StoreReader },
  hold: Hold,
): Promise<LiveGate | null> {
  const policy = policyFor(s.policy, hold);
  if (policy.fourEyesLive !== 'required') return null;
  const facts = await s.tx.facts(hold.id, hold.attempts.at(-1)?.jobId ?? 0);
  const opener = { trigger: hold.trigger, people: facts?.commit.people ?? null };
  return {
    need: watchersNeeded(requirementFor(policy, opener)),
    watching: present(await s.tx.watchers(hold.id), s.now),
  };
}

/** True while nobody has to watch, or enough people do. */
export function isWatched(gate: LiveGate | null): boolean {
  return gate === null || gate.watching.length >= gate.need;
}

/** What a shut gate waits for, in words. */
export function gateWords({ need, watching }: LiveGate): string {
  return liveWords(need, watching.length);
}

/** Keeps what watching knows of a Hold in step with it: what was handed over has to be watched until it ends. */
export async function followWatch(
  s: { readonly policy: Policy; readonly now: number; readonly tx: StoreWriter },
  moved: Hold,
  command: HoldCommand,
) {
  if (isFinal(moved.state) || command.type === 'undelivered') return s.tx.dropLiveRun(moved.id);
  const jobId = liveAttempt(moved)?.jobId;
  if (command.type !== 'hand_out' || jobId === undefined) return;
  const gate = await liveGate(s, moved);
  if (gate !== null) await s.tx.putLiveRun({ hold: moved.id, jobId, need: gate.need, at: s.now });
}
