import { HoldpointError } from '../../domain/errors.ts';
import type { HostBreakGlass } from '../../domain/host-break-glass.ts';
import type { OfflineRun } from '../../domain/parked-job.ts';
import { effectivePolicy } from '../../domain/policy.ts';
import { type SectionsWanted, saysAll, sectionsWanted } from '../../domain/sections.ts';
import { offlineVerdict } from '../../domain/snapshot.ts';
import { placeOf } from '../../domain/subject.ts';
import { variableTag } from '../../domain/variable-tag.ts';
import type { AdmitAnswer, AdmitRequest, Gatekeeper } from '../../ports/gatekeeper.ts';
import type { Log } from '../../ports/log.ts';
import type { SnapshotKeeper } from './snapshot-keeper.ts';

/** What an agent decides by while its hub is away. */
export interface OfflineOptions {
  readonly link: Gatekeeper;
  readonly snapshots: SnapshotKeeper;
  /** The host's own break-glass file as it is now; null where there is none that counts. */
  readonly breakGlass: (now: number) => HostBreakGlass | null;
  readonly log: Log;
}

/**
 * The hub, and while it is away what it has signed: a job that people have approved goes on, for a time. Only where the hub
 * cannot be reached: what it has answered, an error too, is never asked of a snapshot again.
 */
export function offlineGatekeeper({ link, snapshots, breakGlass, log }: OfflineOptions): Gatekeeper {
  link.onSnapshot?.((snapshot) => snapshots.take(snapshot, link.variableKey()));

  /** On what ground the job goes, or why it waits. */
  function decide(request: AdmitRequest): OfflineRun | string {
    const { facts, digest } = request;
    const now = snapshots.now();
    const at = new Date(now).toISOString();
    const bySnapshot = ofSnapshot(snapshots, request, now);
    if ('run' in bySnapshot) return { ...bySnapshot.run, at };
    const glass = breakGlass(now);
    if (glass === null) return bySnapshot.reason;
    // Somebody has said no to exactly this: not even root is above it without the hub (T15).
    if (bySnapshot.isDenied) return `${bySnapshot.reason}: the glass is not broken for it`;
    log.error(
      { job: facts.job.id, project: facts.project.id, digest, reason: glass.reason },
      'the glass is broken on this host: a job runs without its approval',
    );
    return { kind: 'break_glass', approval: null, snapshot: snapshots.seq(), reason: glass.reason, at };
  }

  return {
    ...link,
    async admit(request) {
      try {
        return await link.admit(request);
      } catch (error) {
        const isAway = error instanceof HoldpointError && error.code === 'hub_unreachable';
        if (!isAway || request.monitor === true || request.offline !== undefined) throw error;
        const wanted = wantedNow(snapshots, request);
        if (wanted !== null) return { ...NOTHING, outcome: 'sections', sections: wanted };
        const decided = decide(request);
        if (typeof decided === 'string')
          throw new HoldpointError('hub_unreachable', `the hub is away, and ${decided}`, { cause: error });
        const { kind, approval } = decided;
        log.warn({ job: request.facts.job.id, kind, approval }, 'the hub is away: a job goes without it');
        return passed(decided);
      }
    },
    variableKey: () => link.variableKey() ?? snapshots.variableKey(),
  };
}

const NOTHING = { hold: null, approval: null, expires: null, reason: null, note: null, url: null };

/** What the policy of the snapshot wants covered and the Configuration does not say yet; null where it says all of it. */
function wantedNow(snapshots: SnapshotKeeper, { covers, configuration, facts }: AdmitRequest): SectionsWanted | null {
  const known = snapshots.current();
  if (known === null || covers !== true) return null;
  const { project, job } = facts;
  const target = { ...placeOf(facts), projectId: project.id, projectPath: project.path, job: job.name };
  const wanted = sectionsWanted(effectivePolicy(known.body.policy, target));
  return saysAll({ configuration, facts }, wanted) ? null : wanted;
}

function passed(offline: OfflineRun): AdmitAnswer {
  const { approval, reason } = offline;
  return { outcome: 'pass', hold: null, approval, expires: null, reason, note: null, url: null, offline };
}

/** What the snapshot says of a job, if it still counts for its ref. */
function ofSnapshot(
  snapshots: SnapshotKeeper,
  { digest, configuration, facts }: AdmitRequest,
  now: number,
): { readonly run: Omit<OfflineRun, 'at'> } | { readonly isDenied: boolean; readonly reason: string } {
  const known = snapshots.current();
  const key = snapshots.variableKey();
  if (known === null || key === null) return { isDenied: false, reason: 'it has given this agent no snapshot yet' };
  const tag = (name: string, text: string) => variableTag(key, facts.project.id, name, text);
  const verdict = offlineVerdict(known.body, { digest, configuration, facts }, now, tag);
  if (verdict.outcome === 'hold') return verdict;
  const graceMs = facts.ref.protected ? known.graceProtectedMs : known.graceMs;
  if (known.ageMs >= graceMs) {
    const minutes = Math.floor(known.ageMs / 60_000);
    return { isDenied: false, reason: `it was heard of last ${minutes} minutes ago: the grace is over` };
  }
  const { kind, approval } = verdict;
  return { run: { kind, approval, snapshot: known.seq, reason: null } };
}
