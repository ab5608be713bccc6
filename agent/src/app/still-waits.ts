import type { Hold } from '../domain/hold.ts';
import { whoWords } from '../domain/rule.ts';
import { waitsFor } from './deployments/look.ts';
import type { HubContext } from './hub-context.ts';
import { inspectReview } from './inspect.ts';
import { keepsOf } from './keeps.ts';
import { readConfiguration } from './nearest.ts';

/** What a Hold still waits for after a vote, and whom, in words; null for one that waits no more. */
export async function stillWaits(context: HubContext, hold: Hold): Promise<string | null> {
  if (hold.state !== 'waiting_for_approval') return null;
  const { store } = context;
  const deployment = await store.deploymentOfHold(hold.id);
  const missing = waitsFor(hold, deployment);
  const review = hold.review === null ? null : await store.review(hold.review);
  const quorum = review?.state === 'open' ? (await inspectReview(context, review)).quorum : null;
  const sentences = [
    ...(missing.includes('configuration') && quorum !== null ? [quorum.words] : []),
    ...(missing.includes('approvals')
      ? [
          `Its deployment needs approvals: ${deployment!.requirement.rules.map(({ count, who }) => `${count} of ${whoWords(who)}`).join(' and ')}.`,
        ]
      : []),
    ...(missing.includes('start') ? ['Somebody who may deploy has to run it.'] : []),
    ...keepsOf(await context.policy(), hold, context.clock.now(), await readConfiguration(store, hold.digest)).map(
      (words) => `Besides: ${words}.`,
    ),
  ];
  return sentences.join(' ');
}
