import { type Approval, isInForce } from '../domain/approval.ts';
import { summarizeChanges } from '../domain/change-summary.ts';
import { type Change, diffConfigurations } from '../domain/configuration-diff.ts';
import { HoldpointError } from '../domain/errors.ts';
import { hideTagsOfChange } from '../domain/hidden-values.ts';
import { DAY_MS } from '../domain/lifetime.ts';
import type { Review } from '../domain/review.ts';
import { satisfies } from '../domain/rule.ts';
import type { Page } from '../ports/store.ts';
import { openAsk, openerOf } from './asks.ts';
import { type AskOutcome, decideAsk } from './decide-ask.ts';
import { membersFor, policyFor } from './governing.ts';
import { byCaller, type Caller, type HubContext, retrying } from './hub-context.ts';
import { readConfiguration } from './nearest.ts';
import { whyGone } from './removed.ts';
import { sightOf, visibleApproval } from './see.ts';
import { settle } from './settle.ts';

/** So long before its end an Approval stands on the list of those to renew: people are away for two weeks. */
export const RENEW_AHEAD_MS = 14 * DAY_MS;

/** Approvals of the caller's projects that end within two weeks and that no other goes on from, with the open question about each. */
export async function renewals(
  context: HubContext,
  caller: Caller,
  page: Page,
): Promise<readonly { readonly approval: Approval; readonly review: Review | null }[]> {
  const now = context.clock.now();
  const sight = await sightOf(context, caller);
  const ending = await context.store.endingApprovals({ from: now, to: now + RENEW_AHEAD_MS, sight }, page);
  const asks = ending.length === 0 ? [] : await context.store.asksAbout(ending.map(({ id }) => id));
  return ending.map((approval) => ({
    approval,
    review: asks.find(({ ask }) => ask?.kind === 'renewal' && ask.approval === approval.id) ?? null,
  }));
}

/**
 * A vote that an Approval shall go on when its date comes: the first one puts the question, each is counted by the rules of
 * today and of that moment, with those excluded who caused what it was given for. Nothing goes on by itself.
 */
export async function renew(
  context: HubContext,
  caller: Caller,
  id: number,
  vote: { readonly digest: string; readonly lifetime: string | null; readonly comment: string | null },
): Promise<AskOutcome> {
  const approval = await visibleApproval(context, caller, id);
  if (approval.digest !== vote.digest) {
    throw new HoldpointError(
      'digest_mismatch',
      `approval ${id} has digest ${approval.digest}, you decided on ${vote.digest}: look at it again`,
    );
  }
  const now = context.clock.now();
  if (approval.lifetime.kind !== 'until' || !isInForce(approval, now)) {
    const why = approval.lifetime.kind === 'until' ? 'it was revoked or is over' : 'it has no date as its end';
    throw new HoldpointError('wrong_state', `approval ${id} cannot be renewed: ${why}`);
  }
  if (approval.lifetime.at - now > RENEW_AHEAD_MS) {
    throw new HoldpointError(
      'wrong_state',
      `approval ${id} ends on ${new Date(approval.lifetime.at).toISOString().slice(0, 10)}: it is renewed in the two weeks before, so that somebody looks at it then`,
    );
  }
  const [later] = await context.store.renewalsOf(id);
  if (later !== undefined)
    throw new HoldpointError('wrong_state', `approval ${id} was renewed already: approval ${later} goes on from it`);
  // Who may not vote puts no question either: it would stand open in their name.
  await requireEntitled(context, caller, approval);
  const policy = await context.policy();
  const review = await retrying(() =>
    settle(context, { ...byCaller(caller), now, policy }, async (s) =>
      openAsk(s, caller, {
        kind: 'renewal',
        approval: id,
        note: null,
        subject: approval.subject,
        projectPath: approval.projectPath,
        digest: approval.digest,
        place: approval.place,
        opener: await openerOf(s, approval),
      }),
    ),
  );
  return decideAsk(context, caller, { ...vote, review: review.id, decision: 'approve', scope: null });
}

async function rulesKnow(context: HubContext, caller: Caller, approval: Approval): Promise<boolean> {
  const { rules } = policyFor(await context.policy(), approval);
  const members = await membersFor(context.directory, approval.subject.projectId, [{ rules }]);
  const member = members.find(({ person }) => person.id === caller.person.id);
  return rules.some((rule) => satisfies(rule, member));
}

async function requireEntitled(context: HubContext, caller: Caller, approval: Approval): Promise<void> {
  if (await rulesKnow(context, caller, approval)) return;
  throw new HoldpointError(
    'not_eligible',
    `approval ${approval.id}: only who may approve for this project may have it go on: ask one of them`,
  );
}

/** How two approved configurations differ; tags of hidden values only for who may approve both. Rejects with `not_found`. */
export async function compareApprovals(
  context: HubContext,
  caller: Caller,
  ids: readonly [number, number],
): Promise<{
  readonly from: Approval;
  readonly to: Approval;
  readonly summary: string;
  readonly changes: readonly Change[];
}> {
  const from = await visibleApproval(context, caller, ids[0]);
  const to = await visibleApproval(context, caller, ids[1]);
  const [a, b] = [
    await readConfiguration(context.store, from.digest),
    await readConfiguration(context.store, to.digest),
  ];
  if (a === null || b === null) {
    const gone = a === null ? from : to;
    throw await whyGone(context.store, { what: `approval ${gone.id}`, digest: gone.digest, hold: null });
  }
  const changes = diffConfigurations(a, b);
  const sees = (await rulesKnow(context, caller, from)) && (await rulesKnow(context, caller, to));
  return {
    from,
    to,
    summary: summarizeChanges(changes, a, b),
    changes: sees ? changes : changes.map(hideTagsOfChange),
  };
}
