import type { CommitPerson, Facts } from '../../domain/facts.ts';
import { type Hold, type HoldCommand, isFinal, liveAttempt } from '../../domain/hold.ts';
import type { EffectivePolicy, Policy } from '../../domain/policy.ts';
import { type Requirement, requirementFor } from '../../domain/requirement.ts';
import { liveWords, present, type Watcher, watchersNeeded } from '../../domain/watching.ts';
import type { StoreReader, StoreWriter } from '../../ports/store.ts';
import { policyFor } from '../governing.ts';

/** Who has to watch a job, and who does. */
export interface LiveGate {
  readonly need: number;
  readonly watching: readonly Watcher['person'][];
}

/**
 * What is asked of whoever watches a run: beside it there must be somebody else than those who set it off, who triggered the
 * Hold and who retried it alike (T18).
 */
export function runRequirement(
  policy: EffectivePolicy,
  hold: Pick<Hold, 'trigger'>,
  run: { readonly trigger: Facts['trigger'] | null; readonly people: readonly CommitPerson[] | null },
): Requirement {
  const { people } = run;
  const first = requirementFor(policy, { trigger: hold.trigger, people });
  if (run.trigger === null) return first;
  const again = requirementFor(policy, { trigger: run.trigger, people });
  const union = <T>(a: readonly T[], b: readonly T[]): readonly T[] => [...new Set([...a, ...b])];
  return {
    ...first,
    excluded: union(first.excluded, again.excluded),
    unknown: union(first.unknown, again.unknown),
  };
}

/** Who watches a run and counts, and how many have to: nobody whom its rules exclude is counted, whenever they began (T18). */
export async function eyesOn(
  s: { readonly policy: Policy; readonly now: number; readonly tx: Pick<StoreReader, 'facts' | 'watchers'> },
  hold: Hold,
  since = 0,
): Promise<LiveGate> {
  const facts = await s.tx.facts(hold.id, hold.attempts.at(-1)?.jobId ?? 0);
  const run = { trigger: facts?.trigger ?? null, people: facts?.commit.people ?? null };
  const requirement = runRequirement(policyFor(s.policy, hold), hold, run);
  const watching = present(await s.tx.watchers(hold.id), s.now, since);
  return {
    need: watchersNeeded(requirement),
    watching: watching.filter(({ id }) => !requirement.excluded.includes(id)),
  };
}

/** The live gate of a Hold at this moment; null where nobody has to watch it. */
export async function liveGate(
  s: { readonly policy: Policy; readonly now: number; readonly tx: StoreReader },
  hold: Hold,
): Promise<LiveGate | null> {
  return policyFor(s.policy, hold).fourEyesLive === 'required' ? eyesOn(s, hold) : null;
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
