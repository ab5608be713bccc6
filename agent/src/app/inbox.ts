import type { Facts } from '../domain/facts.ts';
import { freezeAt } from '../domain/freeze.ts';
import type { Hold } from '../domain/hold.ts';
import { type MayVote, mayApproveEver } from '../domain/may-vote.ts';
import type { Policy } from '../domain/policy.ts';
import type { Member } from '../domain/principal.ts';
import { tally } from '../domain/quorum.ts';
import { type Requirement, requirementFor } from '../domain/requirement.ts';
import type { Review } from '../domain/review.ts';
import type { Page } from '../ports/store.ts';
import { breathe } from './breathe.ts';
import { askedNow, membersFor, policyNow, targetOf } from './governing.ts';
import type { Caller, HubContext } from './hub-context.ts';
import { summaryOf } from './kept-summaries.ts';
import { sightOf } from './see.ts';

/** Who an open Review waits for, as one person sees it: for them, for others, or for others and they opened it. */
export const INBOX_LANES = ['me', 'others', 'opened'] as const;
/** One of the lanes. */
export type InboxLane = (typeof INBOX_LANES)[number];

/** What a lane is narrowed to; all that is there must fit. */
export interface InboxFilter {
  readonly lane: InboxLane;
  readonly project?: number | string;
  readonly environment?: string;
  /** Stands somewhere in project, job, ref, environment or the name of who triggered it; letter case does not count. */
  readonly text?: string;
}

/** One open Review as an inbox shows it. */
export interface InboxItem {
  readonly review: Review;
  readonly lane: InboxLane;
  /** Holds that wait for the answer. */
  readonly waiting: number;
  /** The newest of them; null when none waits any more. */
  readonly hold: Hold | null;
  /** When the last of them expires (epoch ms). */
  readonly expiresAt: number | null;
  readonly rules: readonly { readonly name: string; readonly need: number; readonly have: number }[];
  readonly mayVote: MayVote;
  readonly voted: 'approve' | 'reject' | null;
  readonly trigger: Facts['trigger'];
  /** The difference to the nearest approved configuration in a sentence. */
  readonly summary: string;
}

/** Reviews that are read at once while those of a lane are looked for. */
const READ_AT_ONCE = 500;

/** Items that are made together: some ten milliseconds where each is compared for the first time. */
const READY_AT_ONCE = 5;

/** What many Reviews of one inbox have in common is worked out once. */
class Shared {
  private readonly requirements = new Map<string, Requirement>();
  private readonly members = new Map<string, Promise<readonly Member[]>>();
  private readonly context: HubContext;
  private readonly policy: Policy;
  private readonly now: number;

  constructor(context: HubContext, policy: Policy) {
    this.context = context;
    this.policy = policy;
    this.now = context.clock.now();
  }

  /** What was frozen into the Review, with whom a freeze window asks for at this moment. */
  frozen(review: Review): Requirement {
    return askedNow(this.policy, review, review.requirement, this.now);
  }

  /** True when all that waits on it is approved already and only the calendar keeps it back: nobody has to decide. */
  async keptBack(review: Review): Promise<boolean> {
    if (freezeAt(this.policy.freezes, targetOf(review), this.now).hard === null) return false;
    const waiting = await this.context.store.waitingOn(review.id);
    return waiting.length > 0 && waiting.every(({ frozenUntil }) => frozenUntil !== null);
  }

  current(review: Review): Requirement {
    const { trigger, people } = review.requirement;
    const key = JSON.stringify([targetOf(review), trigger, people]);
    const known =
      this.requirements.get(key) ?? requirementFor(policyNow(this.policy, review, this.now), { trigger, people });
    this.requirements.set(key, known);
    return known;
  }

  membersOf(review: Review, requirements: readonly Requirement[]): Promise<readonly Member[]> {
    const key = JSON.stringify([review.subject.projectId, requirements.map(({ rules }) => rules)]);
    const known = this.members.get(key) ?? membersFor(this.context.directory, review.subject.projectId, requirements);
    this.members.set(key, known);
    return known;
  }
}

function fits({ project, environment, text }: InboxFilter, review: Review): boolean {
  const { subject, projectPath, place, requirement } = review;
  if (typeof project === 'number' && project !== subject.projectId) return false;
  if (typeof project === 'string' && project.toLowerCase() !== projectPath?.toLowerCase()) return false;
  if (environment !== undefined && environment !== place.environment) return false;
  if (text === undefined) return true;
  const { username, name } = requirement.trigger;
  const wanted = text.toLowerCase();
  return [projectPath, subject.job, place.ref, place.environment, username, name].some((each) =>
    each?.toLowerCase().includes(wanted),
  );
}

interface Standing {
  readonly review: Review;
  readonly lane: InboxLane;
  readonly members: readonly Member[];
  readonly mayVote: MayVote;
  readonly voted: InboxItem['voted'];
}

/** Whom a Review waits for, as this person sees it; null where that is not the lane: then as little is read as will do. */
async function standing(
  context: HubContext,
  shared: Shared,
  caller: Caller,
  review: Review,
  wanted: InboxLane,
): Promise<Standing | null> {
  const { trigger } = review.requirement;
  const isOwn = trigger.id === caller.person.id && trigger.verified !== 'unverified';
  if (wanted === 'opened' ? !isOwn : wanted === 'others' && isOwn) return null;
  const [frozen, current] = [shared.frozen(review), shared.current(review)];
  const members = await shared.membersOf(review, [frozen, current]);
  const member = members.find(({ person }) => person.id === caller.person.id);
  const mayVote = mayApproveEver(frozen, current, caller.person.id, member);
  if (wanted === 'me' && !mayVote.allowed) return null;
  const votes = await context.store.votes(review.id);
  const voted = votes.find(({ person }) => person.id === caller.person.id)?.decision ?? null;
  const asked = mayVote.allowed && voted === null && !(await shared.keptBack(review));
  const lane = asked ? 'me' : isOwn ? 'opened' : 'others';
  return lane === wanted ? { review, lane, members, mayVote, voted } : null;
}

async function itemOf(context: HubContext, { review, lane, members, mayVote, voted }: Standing): Promise<InboxItem> {
  const { store } = context;
  const waiting = await store.waitingOn(review.id);
  const { have } = tally(review.requirement, await store.votes(review.id), members);
  return {
    review,
    lane,
    waiting: waiting.length,
    hold: waiting.reduce<Hold | null>((newest, one) => (newest === null || one.id > newest.id ? one : newest), null),
    expiresAt: waiting.length === 0 ? null : Math.max(...waiting.map(({ expiresAt }) => expiresAt)),
    rules: review.requirement.rules.map(({ name, count }, i) => ({ name, need: count, have: have[i] ?? 0 })),
    mayVote,
    voted,
    trigger: review.requirement.trigger,
    summary: await summaryOf(context, review),
  };
}

/** Open Reviews of one lane of a person's inbox, oldest first. */
export async function inbox(
  context: HubContext,
  caller: Caller,
  filter: InboxFilter,
  page: Page,
): Promise<readonly InboxItem[]> {
  const sight = await sightOf(context, caller);
  const shared = new Shared(context, await context.policy());
  const { lane, ...narrowed } = filter;
  // The database leaves out what cannot be of the lane; what is, is decided here.
  const asked = { states: ['open'] as const, ...narrowed, ...(lane === 'opened' && { openedBy: caller.person.id }) };
  const found: Standing[] = [];
  for (let after = page.after; found.length < page.limit; ) {
    const reviews = await context.store.reviews({ ...asked, sight }, { after, limit: READ_AT_ONCE });
    for (const review of reviews) {
      if (found.length >= page.limit) break;
      if (!fits(filter, review)) continue;
      const one = await standing(context, shared, caller, review, filter.lane);
      if (one !== null) found.push(one);
    }
    if (reviews.length < READ_AT_ONCE) break;
    await breathe();
    after = reviews.at(-1)!.id;
  }
  const items: InboxItem[] = [];
  for (let from = 0; from < found.length; from += READY_AT_ONCE) {
    const some = found.slice(from, from + READY_AT_ONCE);
    items.push(...(await Promise.all(some.map((one) => itemOf(context, one)))));
    await breathe();
  }
  return items;
}
