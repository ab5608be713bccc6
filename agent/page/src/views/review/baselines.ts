import { type OverSaid, overWords } from '../../../../src/domain/approval-over.ts';
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
  if (approval !== null) {
    const end = hold.diff.over === null ? '' : `, which ${overWords(overSaid(hold.diff.over))}`;
    choices.push({ key: `approval ${approval}`, words: `nearest approved (approval ${approval}${end})` });
  }
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

type Over = NonNullable<HoldDetail['diff']['over']>;

/** What ended an approval, with days and people as this reader has them. */
function overSaid({ kind, at, by, reason }: Over): OverSaid {
  return { kind, day: at === null ? null : dayText(Date.parse(at)), by: by && personText(by), reason };
}

/** The end of an approval that is no Hold's nearest: when and by whom is all that is told of it. */
function endOf({ revoked_at: at, revoked_by: by }: ApprovalDetail): OverSaid | null {
  return at === null ? null : { kind: 'revoked', day: dayText(Date.parse(at)), by, reason: null };
}

/** Reads what was chosen; null for nothing. `nearest`: the Hold's own, of which the hub has told more. */
export async function readBaseline(
  key: string,
  signal: AbortSignal,
  nearest?: HoldDetail['diff'],
): Promise<Baseline | null> {
  const [kind, id] = key.split(' ');
  if (kind === 'approval') {
    const found = await ask<ApprovalDetail>('GET', `approvals/${id}`, undefined, signal);
    const people = found.votes.filter(({ decision }) => decision === 'approve').map(({ person }) => personText(person));
    return {
      digest: found.digest,
      configuration: found.configuration,
      about: `the configuration approved on ${dayText(Date.parse(found.created_at))} by ${people.join(', ') || 'nobody known'}`,
      approvedFor: { ref: found.ref, environment: found.environment },
      over: nearest?.approval === found.id ? nearest.over && overSaid(nearest.over) : endOf(found),
    };
  }
  if (kind === 'hold') {
    const found = await ask<HoldDetail>('GET', `holds/${id}`, undefined, signal);
    return {
      digest: found.digest,
      configuration: found.configuration,
      about: `what ran on ${dayText(Date.parse(found.opened_at))} (hold ${found.id})`,
      approvedFor: null,
      over: null,
    };
  }
  return null;
}
