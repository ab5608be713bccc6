import { HoldpointError } from '../domain/errors.ts';
import { liveAttempt, wrongState } from '../domain/hold.ts';
import { mayApprove } from '../domain/may-vote.ts';
import { requirementFor } from '../domain/requirement.ts';
import type { Agents, RevealedValue } from '../ports/agents.ts';
import { type HiddenOfHold, hiddenOf } from './blind.ts';
import { frozenNow, membersFor, policyFor } from './governing.ts';
import { byCaller, type Caller, type HubContext } from './hub-context.ts';
import { visibleHold } from './see.ts';
import { settle } from './settle.ts';

/** What somebody wants to see. */
export interface RevealWish {
  readonly hold: number;
  /** The digest that was shown to them. */
  readonly digest: string;
  /** Null: every value that blocks an approve, or where none does, all hidden ones. */
  readonly names: readonly string[] | null;
}

/** A name may name a secret that a developer put there: more than anybody reads is asked for by name. */
const MAX_NAMES = 200;

function namesOf(wish: RevealWish, hidden: readonly HiddenOfHold[]): readonly string[] {
  const known = hidden.map((each) => each.name);
  const strangers = wish.names?.filter((name) => !known.includes(name)) ?? [];
  if (strangers.length > 0) {
    const what = known.length === 0 ? 'none' : known.slice(0, 20).join(', ');
    throw new HoldpointError(
      'bad_input',
      `hold ${wish.hold}: nothing is hidden under ${strangers.slice(0, 5).join(', ')}; hidden and not masked are: ${what}`,
    );
  }
  const blind = hidden.filter((each) => each.state === 'blind').map((each) => each.name);
  return (wish.names ?? (blind.length > 0 ? blind : known)).slice(0, MAX_NAMES);
}

/**
 * Hidden values of a parked job, for the answer to one request of one person who may approve it (T57): from the agent
 * that has the job, through this hub, kept nowhere and logged nowhere. Nothing is given before it is audited who sees
 * which names. Rejects with `not_found`, `digest_mismatch`, `wrong_state`, `not_eligible`, `self_approval`, `bad_input`,
 * `cannot_reveal`.
 */
export async function reveal(
  context: HubContext,
  agents: Agents,
  caller: Caller,
  wish: RevealWish,
): Promise<readonly RevealedValue[]> {
  const { store } = context;
  const hold = await visibleHold(context, caller, wish.hold);
  if (hold.digest !== wish.digest) {
    throw new HoldpointError(
      'digest_mismatch',
      `hold ${hold.id} has digest ${hold.digest}, you asked about ${wish.digest}: look at it again`,
    );
  }
  const found = hold.review === null ? null : await store.review(hold.review);
  if (found === null) throw wrongState(hold, 'reveal');
  const review = { ...found, requirement: await frozenNow(context.directory, found.requirement) };
  const policy = await context.policy();
  const here = policyFor(policy, hold);
  const current = requirementFor(here, review.requirement);
  const now = context.clock.now();
  // A value that was shown cannot be taken back: nobody is judged by an answer of some seconds ago (T19).
  const asked = [review.requirement, current];
  const members = await membersFor(context.directory, hold.subject.projectId, asked, [caller.person.id], now);
  const member = members.find(({ person }) => person.id === caller.person.id);
  const denial = await store.denial(hold.subject, hold.digest, now);
  const may = mayApprove(hold, review, current, caller.person.id, member, denial);
  if (!may.allowed) throw new HoldpointError(may.code, `hold ${hold.id}: ${may.reason}`);

  const names = namesOf(wish, await hiddenOf(store, here, hold, now));
  if (names.length === 0) return [];
  const attempt = liveAttempt(hold);
  if (attempt === null) {
    throw new HoldpointError(
      'cannot_reveal',
      `hold ${hold.id}: its job has ended in GitLab and its payload is gone: let the job be retried there, then reveal`,
    );
  }
  const question = { hold: hold.id, jobId: attempt.jobId, digest: hold.digest, names };
  const given = await agents.reveal(attempt.agent, question);
  const values = names.flatMap((name) => {
    const own = given.filter((each) => each.name === name);
    if (own.length > 0) return own;
    throw new HoldpointError(
      'cannot_reveal',
      `hold ${hold.id}: the agent did not give the value of ${name}: try again`,
    );
  });
  const deciding = { ...byCaller(caller), now: context.clock.now(), policy };
  await settle(context, deciding, async (s) => {
    const { subject, digest } = hold;
    await s.tx.putReveal({ subject, digest, names, person: caller.person.id, hold: hold.id, at: s.now });
    await s.audit('values_revealed', { hold }, { person: caller.person.id, token: caller.token.id, names });
  });
  context.push.changed({ type: 'hold', id: hold.id, state: hold.state, projectId: hold.subject.projectId });
  return values;
}
