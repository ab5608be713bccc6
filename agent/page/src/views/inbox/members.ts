import { digestOf } from '../../../../src/domain/digest.ts';
import { sameChange } from '../../../../src/domain/same-change.ts';
import { shownAs } from '../../../../src/domain/shown-configuration.ts';
import type { HoldDetail } from '../../../../src/wire/api.ts';
import type { ChangeGroupView } from '../../../../src/wire/approvals.ts';
import { ask } from '../../lib/ask.ts';
import { wordsOf } from '../../lib/problem.ts';
import { stateWords } from '../../ui/chip.tsx';
import { readBaseline, usualChoice } from '../review/baselines.ts';
import type { Baseline } from '../review/examine.ts';

/** One question of a change. */
export type ChangeItem = ChangeGroupView['items'][number];

/** A question as it was looked at in this browser; `why` says why it cannot be answered together with the others. */
export interface Member {
  readonly item: ChangeItem;
  readonly hold: HoldDetail | null;
  /** The digest computed here; null: it is not to be approved from here. */
  readonly digest: string | null;
  /** What it is compared with; null: nothing that anybody vouches for. */
  readonly baseline: Baseline | null;
  readonly why: string | null;
}

/** Questions that are read at once; a hub has others to serve, too. */
const AT_ONCE = 6;

function reasonAgainst(hold: HoldDetail): string | null {
  if (hold.state !== 'waiting_for_approval') return `it is “${stateWords(hold.state)}” by now`;
  if (!hold.may_vote.allowed) return hold.may_vote.reason ?? 'you may not approve it';
  if (hold.hidden.some(({ state }) => state === 'blind'))
    return 'a hidden value of it has to be revealed first: open it alone';
  if (hold.step_up !== 'none') return 'it asks for a passkey or a fresh sign-in: open it alone';
  return null;
}

async function look(change: string, item: ChangeItem, signal: AbortSignal): Promise<Member> {
  const id = item.holds.at(-1);
  const none = (why: string, hold: HoldDetail | null = null): Member => ({
    ...{ item, hold, why },
    digest: null,
    baseline: null,
  });
  if (id === undefined) return none('no job waits for it any more');
  try {
    const hold = await ask<HoldDetail>('GET', `holds/${id}`, undefined, signal);
    const own = shownAs(hold.configuration, hold.digest);
    if (own.kind !== 'checked' || hold.digest !== item.digest)
      return none('its digest could not be computed here', hold);
    // Beside what somebody took back nothing is a small change: there all of it is looked at (T29).
    const isRevoked = hold.diff.over?.kind === 'revoked';
    const baseline = isRevoked ? null : await readBaseline(usualChoice(hold), signal, hold.diff);
    const before = baseline === null ? null : shownAs(baseline.configuration, baseline.digest);
    if (before !== null && before.kind !== 'checked')
      return none('what it is compared with could not be checked', hold);
    const { project_id: projectId, project_path: projectPath, job } = hold;
    // That it is the same change is found out here, from what would run, and not taken from the hub (T13).
    const { key } = sameChange(before?.configuration ?? null, own.configuration, { projectId, projectPath, job });
    if (key !== change) return none('its difference is another one', hold);
    return { item, hold, digest: digestOf(own.configuration), baseline, why: reasonAgainst(hold) };
  } catch (error) {
    if (signal.aborted) throw error;
    return none(wordsOf(error));
  }
}

/** Looks at every question of a change, some at a time, in their order; tells of each as soon as it has been looked at. */
export async function lookAtAll(
  group: ChangeGroupView,
  signal: AbortSignal,
  tell: (members: readonly Member[]) => void,
): Promise<void> {
  for (let at = 0; at < group.items.length; at += AT_ONCE) {
    const some = group.items.slice(at, at + AT_ONCE);
    const members = await Promise.all(some.map((item) => look(group.change, item, signal)));
    if (signal.aborted) return;
    tell(members);
  }
}
