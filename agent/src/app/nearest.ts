import type { Approval } from '../domain/approval.ts';
import { type Change, diffConfigurations, distance, summarizeChanges } from '../domain/configuration-diff.ts';
import { isJsonObject, type JsonObject } from '../domain/json.ts';
import type { Subject } from '../domain/subject.ts';
import type { StoreReader } from '../ports/store.ts';

/** The difference to the nearest configuration that people approved for the same Subject. */
export interface NearestDiff {
  /** Null when nothing was ever approved for the Subject. */
  readonly approval: Approval | null;
  readonly baseline: JsonObject | null;
  readonly summary: string;
  readonly changes: readonly Change[];
}

/** How many of the newest approved configurations are compared: enough to find the one that was meant, bounded in time. */
const MAX_CANDIDATES = 10;

/** How much text of them is compared: of huge configurations only the newest, so that a verdict stays quick. */
const MAX_COMPARED_CHARS = 2 * 1024 * 1024;

/** A stored Configuration; null when the store does not have it. */
export async function readConfiguration(store: StoreReader, digest: string): Promise<JsonObject | null> {
  const text = await store.configuration(digest);
  return text === null ? null : parsed(text);
}

function parsed(text: string): JsonObject | null {
  const value = JSON.parse(text);
  return isJsonObject(value) ? value : null;
}

/** Finds the approved configuration with the fewest differences, the newest among equals, and says how it differs. */
export async function nearestDiff(
  store: StoreReader,
  subject: Subject,
  configuration: JsonObject,
): Promise<NearestDiff> {
  let best: { approval: Approval; baseline: JsonObject; apart: number } | null = null;
  const seen = new Set<string>();
  let compared = 0;
  for (const approval of await store.approvalsOf(subject, null, 100)) {
    if (seen.has(approval.digest) || seen.size >= MAX_CANDIDATES) continue;
    seen.add(approval.digest);
    const text = compared > MAX_COMPARED_CHARS ? null : await store.configuration(approval.digest);
    const baseline = text === null ? null : parsed(text);
    if (text === null || baseline === null) continue;
    compared += text.length;
    const apart = distance(baseline, configuration);
    if (best === null || apart < best.apart) best = { approval, baseline, apart };
  }
  const baseline = best?.baseline ?? null;
  const changes = diffConfigurations(baseline, configuration);
  return {
    approval: best?.approval ?? null,
    baseline,
    summary: summarizeChanges(changes, baseline, configuration),
    changes,
  };
}
