import type { Review } from '../domain/review.ts';
import type { Store } from '../ports/store.ts';
import type { HubContext } from './hub-context.ts';
import { nearestDiff, readConfiguration } from './nearest.ts';

/** Two sentences and a key for each: some megabytes. */
const MAX_KEPT = 10_000;
/** By store, as long as it is open. */
const kept = new WeakMap<Store, Map<string, string>>();

/**
 * What has changed in a sentence, as `nearestDiff` says it. Everybody who decides reads the same first page of the inbox again and
 * again, and to compare a job with ten others takes milliseconds: it is done anew when an Approval of its Subject was given, used,
 * revoked or has ended since.
 */
export async function summaryOf({ store, clock }: HubContext, { subject, digest }: Review): Promise<string> {
  const now = clock.now();
  const mark = await store.approvalsMark(subject, now);
  const key = JSON.stringify([subject.instance, subject.projectId, subject.job, digest, mark]);
  const summaries = kept.get(store) ?? new Map<string, string>();
  kept.set(store, summaries);
  const known = summaries.get(key);
  if (known !== undefined) return known;
  const configuration = await readConfiguration(store, digest);
  if (configuration === null) return '';
  const { summary } = await nearestDiff(store, subject, configuration, now);
  const [oldest] = summaries.size >= MAX_KEPT ? summaries.keys() : [];
  if (oldest !== undefined) summaries.delete(oldest);
  summaries.set(key, summary);
  return summary;
}
