import { HoldpointError } from '../domain/errors.ts';
import type { Hold } from '../domain/hold.ts';
import { lifetimeText } from '../domain/lifetime.ts';
import type { MayVote } from '../domain/may-vote.ts';
import { namesInWords } from '../domain/names.ts';
import type { Member } from '../domain/principal.ts';
import { outlook } from '../domain/quorum.ts';
import type { Requirement } from '../domain/requirement.ts';
import { scopeText } from '../domain/scope.ts';
import { proofDetail } from '../domain/step-up.ts';
import type { Token } from '../domain/token.ts';
import type { Vote } from '../domain/vote.ts';
import type { Settlement } from './settle.ts';

/** What a right to vote was judged on. */
export interface Judged {
  readonly hold: Hold;
  /** The frozen and the current requirement. */
  readonly requirements: readonly Requirement[];
  readonly votes: readonly Vote[];
  readonly members: readonly Member[];
  /** What keeps people from being known, in words. */
  readonly problem: string | null;
}

/** Throws why the person may not vote, with those whose votes would do. */
export function requireMay(
  may: MayVote,
  { hold, requirements, votes, members, problem }: Judged,
  person: number,
): void {
  if (may.allowed) return;
  const { helpers } = outlook(requirements, votes, members);
  const others = members.filter((one) => one.person.id !== person && helpers.includes(one.person.id));
  const asks = may.code === 'not_eligible' || may.code === 'self_approval';
  const names = others.map((one) => one.person.username);
  const whom = asks && names.length > 0 ? ` (${namesInWords(names, { word: 'or' })})` : '';
  const why = asks && problem !== null ? `; ${problem}` : '';
  throw new HoldpointError(may.code, `hold ${hold.id}: ${may.reason}${whom}${why}`);
}

/** The exception to the rule against self-approval that this person's vote makes use of, null for none. */
export function exceptionOf({ selfApproval, trigger, authors }: Requirement, person: number): string | null {
  if (trigger.id === person) return `${selfApproval}: voter triggered the job`;
  return authors.includes(person) ? `${selfApproval}: voter stands in the commit` : null;
}

/** Writes a vote with its audit row. */
export async function recordVote(
  s: Settlement,
  vote: Vote,
  hold: Hold,
  token: Token,
  selfApproval: string | null,
): Promise<void> {
  await s.tx.putVote(vote);
  await s.audit(
    vote.decision === 'approve' ? 'vote_approve' : 'vote_reject',
    { hold },
    {
      person: vote.person.id,
      token: token.id,
      // Whoever made the token may have held it: with admin that is a way to vote in another's name, and must not be silent (T18).
      token_made_by: token.makers,
      comment: vote.comment,
      lifetime: vote.decision === 'approve' ? lifetimeText(vote.lifetime) : null,
      covers: vote.hold === null ? 'configuration' : 'this_hold',
      scope: vote.decision === 'approve' ? scopeText(vote.scope) : null,
      ...(vote.representedAs === null ? {} : { represented_as: vote.representedAs }),
      ...(vote.proof === undefined ? {} : { step_up: proofDetail(vote.proof) }),
      ...(selfApproval === null ? {} : { self_approval: selfApproval }),
    },
  );
  if (selfApproval !== null) {
    const detail = { exception: 'self_approval', used: selfApproval, person: vote.person.id };
    await s.audit('exception_used', { hold }, detail);
  }
  s.changed({ type: 'review', id: vote.review, state: 'open', projectId: hold.subject.projectId });
}
