import type { HoldDetail } from '../../../../src/wire/api.ts';
import type { ApprovalDetail } from '../../../../src/wire/approvals.ts';
import type { BackgroundView } from '../../../../src/wire/inbox.ts';
import { ask } from '../../lib/ask.ts';
import { dayText } from '../../lib/times.ts';
import { personText } from '../../ui/people.tsx';
import type { Baseline } from './examine.ts';

/** Something that a Hold can be compared with. */
export interface BaselineChoice {
  /** `approval 12`, `hold 7`, `nothing`. */
  readonly key: string;
  readonly words: string;
}

const approvedBy = (by: BackgroundView['approved'][number]['by']): string => by.map(personText).join(', ');

/** What can be chosen: the nearest, what ran last, everything approved, and nothing at all. */
export function choicesOf(hold: HoldDetail, background: BackgroundView | null): readonly BaselineChoice[] {
  const choices: BaselineChoice[] = [];
  const { approval } = hold.diff;
  if (approval !== null)
    choices.push({ key: `approval ${approval}`, words: `nearest approved (approval ${approval})` });
  if (background?.last_run != null)
    choices.push({
      key: `hold ${background.last_run.hold}`,
      words: `last run (${dayText(Date.parse(background.last_run.at))})`,
    });
  for (const one of background?.approved ?? []) {
    if (one.approval !== approval)
      choices.push({
        key: `approval ${one.approval}`,
        words: `approved ${dayText(Date.parse(one.created_at))} by ${approvedBy(one.by)} (approval ${one.approval})`,
      });
  }
  return [...choices, { key: 'nothing', words: 'nothing: show all of it as new' }];
}

/** What a Hold is compared with unless somebody chooses otherwise. */
export function usualChoice(hold: HoldDetail): string {
  return hold.diff.approval === null ? 'nothing' : `approval ${hold.diff.approval}`;
}

/** Reads what was chosen; null for nothing. */
export async function readBaseline(key: string, signal: AbortSignal): Promise<Baseline | null> {
  const [kind, id] = key.split(' ');
  if (kind === 'approval') {
    const found = await ask<ApprovalDetail>('GET', `approvals/${id}`, undefined, signal);
    const people = found.votes.filter(({ decision }) => decision === 'approve').map(({ person }) => personText(person));
    return {
      digest: found.digest,
      configuration: found.configuration,
      about: `the configuration approved on ${dayText(Date.parse(found.created_at))} by ${people.join(', ') || 'nobody known'}`,
      approvedFor: { ref: found.ref, environment: found.environment },
    };
  }
  if (kind === 'hold') {
    const found = await ask<HoldDetail>('GET', `holds/${id}`, undefined, signal);
    return {
      digest: found.digest,
      configuration: found.configuration,
      about: `what ran on ${dayText(Date.parse(found.opened_at))} (hold ${found.id})`,
      approvedFor: null,
    };
  }
  return null;
}
