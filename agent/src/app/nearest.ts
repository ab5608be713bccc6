import type { Approval } from '../domain/approval.ts';
import { type Over, overInUtc, overOf } from '../domain/approval-over.ts';
import { summarizeChanges } from '../domain/change-summary.ts';
import { type Change, diffConfigurations } from '../domain/configuration-diff.ts';
import { distanceFrom } from '../domain/configuration-distance.ts';
import { COVERED_FILES } from '../domain/covered-files.ts';
import { isJsonObject, type JsonObject } from '../domain/json.ts';
import { PINNED_IMAGES } from '../domain/pinned-images.ts';
import type { Subject } from '../domain/subject.ts';
import type { StoreReader } from '../ports/store.ts';

/** The difference to the nearest configuration that people approved for the same Subject. */
export interface NearestDiff {
  /** Null when nothing was ever approved for the Subject. */
  readonly approval: Approval | null;
  /** Why that Approval no longer stands; null while it does, and where there is none. */
  readonly over: Over | null;
  readonly baseline: JsonObject | null;
  readonly summary: string;
  /** True where a policy has files or images covered in it. */
  readonly hasSections: boolean;
  readonly changes: readonly Change[];
}

/** How many of the newest approved configurations are compared: enough to find the one that was meant, bounded in time. */
const MAX_CANDIDATES = 10;

/** How much text of them is compared: of huge configurations only the newest, so that a verdict stays quick. */
const MAX_COMPARED_CHARS = 2 * 1024 * 1024;

/** What is read to find it; the second of them is looked at here and nowhere that lets anything pass. */
export type NearestReader = Pick<StoreReader, 'configuration' | 'configurationsOf' | 'approvalsOf' | 'revokedOf'>;

/** A stored Configuration; null when the store does not have it. */
export async function readConfiguration(
  store: Pick<StoreReader, 'configuration'>,
  digest: string,
): Promise<JsonObject | null> {
  const text = await store.configuration(digest);
  return text === null ? null : parsedConfiguration(text);
}

/** The Configuration that a canonical text of the store is. */
export function parsedConfiguration(text: string): JsonObject | null {
  const value = JSON.parse(text);
  return isJsonObject(value) ? value : null;
}

interface Near {
  readonly approval: Approval;
  readonly baseline: JsonObject;
  readonly apart: number;
}

/** The nearest of these, the first among equals; null where none can be read. */
async function nearestOf(
  store: NearestReader,
  approvals: readonly Approval[],
  apartFrom: (other: JsonObject) => number,
): Promise<Near | null> {
  const candidates = new Map<string, Approval>();
  for (const approval of approvals)
    if (candidates.size < MAX_CANDIDATES && !candidates.has(approval.digest)) candidates.set(approval.digest, approval);
  const [first, ...others] = candidates.keys();
  if (first === undefined) return null;
  const newest = await store.configuration(first);
  const texts = new Map(others.length === 0 ? [] : await store.configurationsOf(others, MAX_COMPARED_CHARS));
  if (newest !== null) texts.set(first, newest);
  let best: Near | null = null;
  let compared = 0;
  for (const [digest, approval] of candidates) {
    const text = compared > MAX_COMPARED_CHARS ? undefined : texts.get(digest);
    const baseline = text === undefined ? null : parsedConfiguration(text);
    if (text === undefined || baseline === null) continue;
    compared += text.length;
    const apart = apartFrom(baseline);
    if (best === null || apart < best.apart) best = { approval, baseline, apart };
  }
  return best;
}

/** What was approved and stands before what has ended, and that before what somebody took back. */
async function nearest(
  store: NearestReader,
  subject: Subject,
  configuration: JsonObject,
  now: number,
  but: number | null,
): Promise<Near | null> {
  const isOther = ({ review }: Approval): boolean => review !== but;
  const given = (await store.approvalsOf(subject, null, 100)).filter(isOther);
  const standing = given.filter((approval) => overOf(approval, now) === null);
  const ended = given.filter((approval) => overOf(approval, now) !== null);
  const apartFrom = distanceFrom(configuration);
  let best: Near | null = null;
  const revoked = async () => (await store.revokedOf(subject, 100)).filter(isOther);
  for (const read of [async () => standing, async () => ended, revoked]) {
    if (best?.apart === 0) break;
    const near = await nearestOf(store, await read(), apartFrom);
    if (near !== null && (best === null || near.apart < best.apart)) best = near;
  }
  return best;
}

/**
 * Finds the configuration with the fewest differences that was ever approved, and says how this one differs from it. Among
 * equals one that stands comes first, then the newest; one that was revoked is only ever compared with (T29). `but`: a Review
 * whose own Approvals are left out, so that whoever opens it later sees what was changed then.
 */
export async function nearestDiff(
  store: NearestReader,
  subject: Subject,
  configuration: JsonObject,
  now: number,
  but: number | null = null,
): Promise<NearestDiff> {
  const best = await nearest(store, subject, configuration, now, but);
  const baseline = best?.baseline ?? null;
  const over = best === null ? null : overOf(best.approval, now);
  const changes = diffConfigurations(baseline, configuration);
  return {
    approval: best?.approval ?? null,
    over,
    baseline,
    summary: summaryOf(changes, baseline, configuration, over),
    hasSections: COVERED_FILES in configuration || PINNED_IMAGES in configuration,
    changes,
  };
}

function summaryOf(
  changes: readonly Change[],
  baseline: JsonObject | null,
  configuration: JsonObject,
  over: Over | null,
): string {
  const summary = summarizeChanges(changes, baseline, configuration);
  if (over === null) return summary;
  return changes.length === 0
    ? `Exactly this was approved before; that approval ${overInUtc(over)}.`
    : `${summary} Compared with an approval that ${overInUtc(over)}.`;
}
