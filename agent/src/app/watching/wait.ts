import type { Hold } from '../../domain/hold.ts';
import { policyFor } from '../governing.ts';
import { watchersInWords, watchNote } from '../hold-note.ts';
import type { HubContext } from '../hub-context.ts';
import { gateWords, isWatched, liveGate } from './live-gate.ts';
import { couldWatch } from './standing.ts';

/**
 * What the log of a job that is parked says of watching it: a note of its own where nothing else is missing, or what comes once
 * it is approved, so that whoever can watch is not looked for then.
 */
export async function watchWait(
  context: HubContext,
  hold: Hold,
  url: string,
): Promise<{ readonly note: string | null; readonly keep: string | null }> {
  const policy = await context.policy();
  if (policyFor(policy, hold).fourEyesLive !== 'required') return { note: null, keep: null };
  const people = await couldWatch(context, hold);
  const keep = `once it is approved, it starts when somebody watches it live, and runs only as long (${watchersInWords(people)})`;
  if (hold.configured === null || hold.frozenUntil !== null) return { note: null, keep };
  const gate = await liveGate({ policy, now: context.clock.now(), tx: context.store }, hold);
  if (gate === null || isWatched(gate)) return { note: null, keep };
  return { note: watchNote(hold, people, gateWords(gate), url), keep: null };
}
