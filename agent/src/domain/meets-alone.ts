import type { Member } from './principal.ts';
import { tally } from './quorum.ts';
import type { Requirement } from './requirement.ts';

/**
 * True when one person's approve would meet the whole requirement, the rule against self-approval left aside: this is the
 * exception to it. Where a comment or another proof is wanted, people have to come.
 */
export function meetsAlone(requirement: Requirement, { person, ...member }: Member, comment: string): boolean {
  if (comment !== 'optional' || requirement.unknown.length > 0 || (requirement.stepUp ?? 'none') !== 'none')
    return false;
  const { id, username, name } = person;
  const vote = {
    review: 0,
    person: { id, username, name },
    decision: 'approve',
    hold: null,
    lifetime: { kind: 'standing' },
    scope: { ref: { kind: 'exact' }, inputs: 'any', runners: null },
    representedAs: null,
    comment: null,
    at: 0,
  } as const;
  const open = { ...requirement, excluded: requirement.excluded.filter((one) => one !== id) };
  return tally(open, [vote], [{ person, ...member }]).outcome === 'approved';
}
