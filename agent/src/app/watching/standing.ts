import { recognised } from '../../domain/commit-people.ts';
import { type Hold, isFinal } from '../../domain/hold.ts';
import { type MayVote, mayApproveEver, withScope } from '../../domain/may-vote.ts';
import type { Member, Person } from '../../domain/principal.ts';
import { entitled } from '../../domain/quorum.ts';
import type { Requirement } from '../../domain/requirement.ts';
import { frozenNow, membersFor, policyNow } from '../governing.ts';
import type { Caller, HubContext } from '../hub-context.ts';
import { runRequirement } from './live-gate.ts';

/** More people are never named or told at once. */
const MAX_TOLD = 200;

/** What somebody may do with a job while it runs. */
export interface WatchStanding {
  /** Whether their eyes are the second pair. */
  readonly watch: MayVote;
  readonly stop: MayVote;
  /** What is asked of watchers: the rules of now, for whoever caused this very run. */
  readonly requirement: Requirement;
}

/**
 * What a job is watched under: the rules as they are now, without whoever caused this run. A Review excludes those who opened it;
 * beside this job there must be somebody else than those who set off this one, whichever Review it hangs on (T18).
 */
export async function watchRequirement(
  context: Pick<HubContext, 'policy' | 'clock' | 'store'>,
  hold: Hold,
  members: readonly Member[],
): Promise<Requirement> {
  const facts = await context.store.facts(hold.id, hold.attempts.at(-1)?.jobId ?? 0);
  const policy = policyNow(await context.policy(), hold, context.clock.now());
  return runRequirement(
    policy,
    hold,
    recognised({ trigger: facts?.trigger ?? null, people: facts?.commit.people ?? null }, members),
  );
}

/** Who could watch a job at this moment: whoever may approve it by the rules of now and did not cause this run. */
export async function couldWatch(context: HubContext, hold: Hold): Promise<readonly Person[]> {
  const { directory, clock } = context;
  const policy = policyNow(await context.policy(), hold, clock.now());
  const members = await membersFor(directory, hold.subject.projectId, [policy]);
  const requirement = await watchRequirement(context, hold, members);
  return members
    .filter((one) => !one.person.blocked && mayApproveEver(requirement, requirement, one.person.id, one).allowed)
    .map(({ person }) => person)
    .slice(0, MAX_TOLD);
}

/** What this person may do with the job of a Hold. `fresh`: nothing that was looked up earlier counts (T19). */
export async function watchStanding(
  context: HubContext,
  caller: Pick<Caller, 'person' | 'token'>,
  hold: Hold,
  fresh: boolean,
): Promise<WatchStanding> {
  const { store, directory, clock } = context;
  const whole = await context.policy();
  const found = hold.review === null ? null : await store.review(hold.review);
  const asked = found === null ? [] : [await frozenNow(directory, found.requirement)];
  const deployment = await store.deploymentOfHold(hold.id);
  const deciding = [policyNow(whole, hold, clock.now()), ...asked, ...(deployment ? [deployment.requirement] : [])];
  const { id } = caller.person;
  const notBefore = fresh ? clock.now() : undefined;
  const members = await membersFor(directory, hold.subject.projectId, deciding, [id], notBefore);
  const member = members.find(({ person }) => person.id === id);
  const requirement = await watchRequirement(context, hold, members);
  const hasScope = caller.token.scopes.includes('approve');
  const over: MayVote | null = isFinal(hold.state)
    ? { allowed: false, code: 'wrong_state', reason: `it is ${hold.state}: nothing of it runs` }
    : null;
  const stops = deciding.some((rules) => entitled(rules, member));
  return {
    requirement,
    watch: over ?? withScope(mayApproveEver(requirement, requirement, id, member), hasScope),
    stop:
      over ??
      withScope(
        stops
          ? { allowed: true }
          : {
              allowed: false,
              code: 'not_eligible',
              reason: 'whoever may decide on it may stop it: ask one of them, or cancel the job in GitLab',
            },
        hasScope,
      ),
  };
}
