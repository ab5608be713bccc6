import { HoldpointError } from '../domain/errors.ts';
import { type Cutoffs, cutoffsOf, ENDED_CLASSES, type EndedClass, type RetentionCounts } from '../domain/retention.ts';
import type { HubContext } from './hub-context.ts';
import { type Deciding, settle } from './settle.ts';

/** So many in one transaction: it takes some milliseconds, and a vote waits for no longer. */
const BATCH = 100;
/** Rows that are small. */
const SMALL_BATCH = 500;
/** More recordings that would go are not counted. */
const MAX_COUNTED = 100_000;

/** Where a pass stands: what is removed row by row, then Holds by number, then configurations by digest, then recordings. */
const CURSOR = /^(ended):([a-z]+)$|^(holds):(\d{1,15})$|^(configurations):((?:sha256:[0-9a-f]{64})?)$|^(recordings)$/;
/** Where a pass begins. */
export const RETENTION_START = `ended:${ENDED_CLASSES[0]}`;

/** What one step has removed, or would, and where to go on; null: that was all. */
export interface RetentionStep {
  readonly counts: RetentionCounts;
  readonly next: string | null;
}

/** Who removes it: the hub by itself, or an administrator. */
export type Remover = Pick<Deciding, 'actor' | 'address' | 'client' | 'request'>;
/** The hub by itself. */
export const BY_TIME: Remover = { actor: 'system', address: null };

interface Pass {
  readonly context: HubContext;
  readonly by: Remover;
  readonly cut: Cutoffs;
  readonly dryRun: boolean;
}

/**
 * One step through the store: removes what the policy's retention lets go, in transactions that are short, each with its row in the
 * audit. Never: the audit, approvals, votes, Holds and Deployments themselves. Rejects with `bad_input` for a cursor that is none.
 */
export async function applyRetention(
  context: HubContext,
  by: Remover,
  { cursor, dryRun }: { readonly cursor: string; readonly dryRun: boolean },
): Promise<RetentionStep> {
  const { retention } = await context.policy();
  const pass: Pass = { context, by, cut: cutoffsOf(retention, context.clock.now()), dryRun };
  const [, ended, of, holds, after, configurations, digest, recordings] = CURSOR.exec(cursor) ?? [];
  if (ended !== undefined && (ENDED_CLASSES as readonly (string | undefined)[]).includes(of))
    return endedStep(pass, of as EndedClass);
  if (holds !== undefined) return holdsStep(pass, Number(after));
  if (configurations !== undefined) return configurationsStep(pass, digest ?? '');
  if (recordings !== undefined) return recordingsStep(pass);
  throw new HoldpointError('bad_input', 'a cursor of the retention is what "next" said');
}

async function endedStep(pass: Pass, of: EndedClass): Promise<RetentionStep> {
  const { context, cut, dryRun } = pass;
  const later = ENDED_CLASSES[ENDED_CLASSES.indexOf(of) + 1];
  const next = later === undefined ? 'holds:0' : `ended:${later}`;
  const due = await context.store.countEnded(of, cut);
  if (due === 0 || dryRun) return { counts: due === 0 ? {} : { [of]: due }, next };
  const count = await removing(pass, async (tx) => {
    const gone = await tx.dropEnded(of, cut, SMALL_BATCH);
    return { value: gone, detail: gone === 0 ? null : { [of]: gone } };
  });
  // The same again while there was something: what is held by another row goes after it.
  return count === 0 ? { counts: {}, next } : { counts: { [of]: count }, next: `ended:${of}` };
}

async function holdsStep(pass: Pass, after: number): Promise<RetentionStep> {
  const { context, cut, dryRun } = pass;
  const { next, facts, reports } = await context.store.spentHolds(after, cut);
  const goOn = next === null ? 'configurations:' : `holds:${next}`;
  if (dryRun) {
    // Rows of reports are not counted one by one: it says of how many Holds.
    return { counts: counted({ facts: facts.length, reports: reports.length }), next: goOn };
  }
  let [gone, forgotten] = [0, 0];
  for (const batch of batches(facts)) {
    gone += await removing(pass, async (tx, removal) => {
      const holds = await tx.removeFacts(batch, cut, removal);
      return { value: holds.length, detail: holds.length === 0 ? null : { facts: holds } };
    });
  }
  for (const batch of batches(reports)) {
    forgotten += await removing(pass, async (tx) => {
      const count = await tx.dropReports(batch, cut);
      return { value: count === 0 ? 0 : batch.length, detail: count === 0 ? null : { reports: batch.length } };
    });
  }
  return { counts: counted({ facts: gone, reports: forgotten }), next: goOn };
}

async function configurationsStep(pass: Pass, after: string): Promise<RetentionStep> {
  const { context, cut, dryRun } = pass;
  const { next, found } = await context.store.spentConfigurations(after, cut);
  const goOn = next === null ? 'recordings' : `configurations:${next}`;
  let gone = dryRun ? found.length : 0;
  for (const batch of dryRun ? [] : batches(found)) {
    gone += await removing(pass, async (tx, removal) => {
      const digests = await tx.removeConfigurations(batch, cut, removal);
      return { value: digests.length, detail: digests.length === 0 ? null : { configurations: digests } };
    });
  }
  return { counts: counted({ configurations: gone }), next: goOn };
}

/** A recording has a row of its own in the audit, where its hash is, and that it was there stays. */
async function recordingsStep({ context, by, cut, dryRun }: Pass): Promise<RetentionStep> {
  if (cut.recordings === null) return { counts: {}, next: null };
  const due = await context.store.dueRecordings(cut.recordings, dryRun ? MAX_COUNTED : BATCH);
  if (dryRun) return { counts: counted({ recordings: due.length }), next: null };
  const policy = await context.policy();
  for (const { hold: id, jobId } of due)
    await settle(context, { ...by, now: cut.now, policy }, async (s) => {
      const recording = await s.tx.recording(id, jobId);
      if (recording?.state !== 'ended') return;
      await s.tx.dropRecordingPieces(recording.id);
      await s.tx.updateRecording({ ...recording, state: 'removed', pieces: 0 });
      await s.audit('recording_removed', { hold: await s.tx.hold(id) }, { job_id: jobId, sha256: recording.sha256 });
    });
  if (due.length > 0) await context.store.giveBack();
  return { counts: counted({ recordings: due.length }), next: due.length < BATCH ? null : 'recordings' };
}

type Removing = Parameters<Parameters<typeof settle>[2]>[0];
type Removed = {
  readonly value: number;
  readonly detail: Record<string, number | readonly (number | string)[]> | null;
};

/** One short transaction, with what went in the same write: nothing is ever removed that no row of the audit tells of. */
async function removing(
  { context, by, cut: { now } }: Pass,
  work: (tx: Removing['tx'], removal: { readonly at: number; readonly policy: string }) => Promise<Removed>,
): Promise<number> {
  const policy = await context.policy();
  const { value } = await settle(context, { ...by, now, policy }, async (s) => {
    const removed = await work(s.tx, { at: now, policy: policy.version });
    if (removed.detail !== null) await s.audit('retention_applied', {}, removed.detail);
    return removed;
  });
  await context.store.giveBack();
  return value;
}

function* batches<T>(all: readonly T[]): Generator<readonly T[]> {
  for (let from = 0; from < all.length; from += BATCH) yield all.slice(from, from + BATCH);
}

const counted = (counts: RetentionCounts): RetentionCounts =>
  Object.fromEntries(Object.entries(counts).filter(([, count]) => count !== undefined && count > 0));

/** Both together. */
export function addedCounts(a: RetentionCounts, b: RetentionCounts): RetentionCounts {
  const sum: Record<string, number> = { ...a };
  for (const [name, count] of Object.entries(b)) sum[name] = (sum[name] ?? 0) + count;
  return sum;
}
