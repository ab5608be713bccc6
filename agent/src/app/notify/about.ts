import type { Deployment } from '../../domain/deployment.ts';
import { isThrough, requirementsOf } from '../../domain/deployment-gate.ts';
import type { Hold } from '../../domain/hold.ts';
import type { Notice } from '../../domain/notify/notice.ts';
import type { Member, Person } from '../../domain/principal.ts';
import { mayDeploy } from '../../domain/protected-environment.ts';
import { fills } from '../../domain/quorum.ts';
import { type Requirement, requirementFor } from '../../domain/requirement.ts';
import type { Review } from '../../domain/review.ts';
import { countingVotes } from '../../domain/step-up.ts';
import type { Vote } from '../../domain/vote.ts';
import { currentRules, gateOf } from '../deployments/gate.ts';
import { waitsFor } from '../deployments/look.ts';
import { askedNow, frozenNow, membersFor, policyNow } from '../governing.ts';
import { rulesInWords } from '../hold-note.ts';
import type { HubContext } from '../hub-context.ts';
import { nearestDiff, readConfiguration } from '../nearest.ts';
import { gateWords, isWatched, liveGate } from '../watching/live-gate.ts';
import { couldWatch } from '../watching/standing.ts';
import { PAGES } from './paths.ts';

/** More people are never asked at once: whoever is in such a group is told by a channel of the group. */
const MAX_HELPERS = 200;

type About = Partial<Omit<Notice, 'key' | 'event' | 'at' | 'severity'>>;

/** People whose approve would help at this moment: they could fill what is missing, and have not said anything yet. */
function helping(
  requirements: readonly Requirement[],
  votes: readonly Pick<Vote, 'person' | 'decision' | 'representedAs'>[],
  members: readonly Member[],
): readonly Person[] {
  const said = new Set(votes.map(({ person }) => person.id));
  return members
    .filter(
      (member) =>
        !said.has(member.person.id) &&
        !member.person.blocked &&
        fills(requirements, votes, members, member).some((rule) => rule !== null),
    )
    .map(({ person }) => person)
    .slice(0, MAX_HELPERS);
}

/** Who can still help with an open Review, by the rules as they were frozen and as they are now; and the rules in words. */
export async function helpersOfReview(context: HubContext, review: Review) {
  const { store, directory } = context;
  const [policy, now] = [await context.policy(), context.clock.now()];
  const frozen = askedNow(policy, review, await frozenNow(directory, review.requirement), now);
  const current = requirementFor(policyNow(policy, review, now), frozen);
  const requirements = [frozen, current];
  const votes = countingVotes(requirements, await store.votes(review.id));
  const voters = votes.map(({ person }) => person.id);
  const members = await membersFor(directory, review.subject.projectId, requirements, voters);
  return { people: helping(requirements, votes, members), needs: rulesInWords(frozen) };
}

/** Who can still help with a Deployment: who may approve what is missing, or start it once nothing is. */
export async function helpersOfDeployment(context: HubContext, deployment: Deployment, hold: Hold | null) {
  const policy = await context.policy();
  const gate = await gateOf(context, policy, deployment);
  const current = currentRules(policy, gate, deployment.kind, deployment.trigger);
  const requirements = requirementsOf(deployment, current);
  const votes = countingVotes(requirements, await context.store.deploymentVotes(deployment.id));
  const waits = hold === null ? [] : waitsFor(hold, deployment);
  const lists = current?.rules.deployAccess ?? deployment.rules.deployAccess;
  const starters = gate.members.filter((one) => !one.person.blocked && mayDeploy(lists, one));
  const people = waits.includes('approvals')
    ? helping(requirements, votes, gate.members)
    : starters.map(({ person }) => person).slice(0, MAX_HELPERS);
  return { people, needs: rulesInWords(deployment.requirement) || 'somebody who may start it' };
}

/**
 * Who could watch a job that waits for that alone, and what it waits for, in words; null while something else is missing, or
 * nothing is.
 */
export async function helpersOfWatch(context: HubContext, hold: Hold) {
  const { store, clock } = context;
  if (hold.state !== 'waiting_for_approval' || hold.configured === null || hold.frozenUntil !== null) return null;
  const deployment = await store.deploymentOfHold(hold.id);
  if (deployment !== null && !isThrough(deployment)) return null;
  const gate = await liveGate({ policy: await context.policy(), now: clock.now(), tx: store }, hold);
  if (gate === null || isWatched(gate)) return null;
  const there = new Set(gate.watching.map(({ id }) => id));
  const people = (await couldWatch(context, hold)).filter(({ id }) => !there.has(id));
  return { people, needs: gateWords(gate) };
}

/** What a notice says of a Hold. */
export function aboutHold(hold: Hold): About {
  const { subject, projectPath, place, pipelineId, trigger, state } = hold;
  return {
    project: { id: subject.projectId, path: projectPath },
    job: subject.job,
    ref: place.ref,
    refProtected: place.refProtected,
    environment: place.environment,
    pipelineId,
    hold: hold.id,
    review: hold.review,
    approval: hold.approval,
    trigger: { id: trigger.id, username: trigger.username },
    expiresAt: state === 'waiting_for_approval' ? hold.expiresAt : null,
    path: PAGES.hold(hold.id),
  };
}

/** What a notice says of a Review: of its newest Hold where one waits, since that is the page on which it is decided. */
export function aboutReview(review: Review, hold: Hold | null): About {
  if (hold !== null) return { ...aboutHold(hold), review: review.id };
  const { subject, projectPath, place, requirement } = review;
  return {
    project: { id: subject.projectId, path: projectPath },
    job: subject.job,
    ref: place.ref,
    refProtected: place.refProtected,
    environment: place.environment,
    review: review.id,
    trigger: { id: requirement.trigger.id, username: requirement.trigger.username },
    path: PAGES.review(review.id),
  };
}

/** How what is asked about differs from what is approved, in counts and names of fields: never a value (T32). */
export async function changesOf(context: HubContext, of: Pick<Review, 'subject' | 'digest'>): Promise<string | null> {
  const configuration = await readConfiguration(context.store, of.digest);
  return configuration === null
    ? null
    : (await nearestDiff(context.store, of.subject, configuration, context.clock.now())).summary;
}
