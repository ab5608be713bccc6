import type { Facts } from './facts.ts';
import type { JsonObject } from './json.ts';
import type { Masks } from './masking.ts';
import type { Sections } from './sections.ts';

/** What let a job through while the hub was away. */
export interface OfflineRun {
  readonly kind: 'approved' | 'tolerated' | 'break_glass';
  /** The Approval that the snapshot had; null for a broken glass. */
  readonly approval: number | null;
  /** Number of the snapshot; 0 where there was none. */
  readonly snapshot: number;
  /** What the break-glass file says; null for anything else. */
  readonly reason: string | null;
  /** When the job was let through, RFC 3339. */
  readonly at: string;
}

/**
 * What the agent knows of one job that GitLab gave it, from receipt to end.
 *
 *   received ── verdict hold ──► parked ◄── revoke ── released ──► handed_out ──► confirmed ──► ended
 *      │ └───── verdict pass ───────┴──── release ───────► │  ▲          │ socket gone before the flush
 *      │                                                   │  └──────────┘
 *      └────────────┴──────────────────────────────────────┴──► failing ──► ended   (stopped: from handed_out and confirmed, too)
 *
 * `received`: sealed, no verdict yet (asked again until there is one). `failing`: to be failed at the CI server, tried
 * again until the server has taken it. `handed_out` is on the disk before the first byte is written, so that a crash at
 * any point leaves a job either never handed out or never handed out twice.
 */
export const PARKED_JOB_STATES = [
  'received',
  'parked',
  'released',
  'handed_out',
  'confirmed',
  'failing',
  'ended',
] as const;
export type ParkedJobState = (typeof PARKED_JOB_STATES)[number];

/** What still has to be told to the hub of this job; kept until the hub has stored it. */
export interface OwedReport {
  readonly event:
    | 'parked'
    | 'detached'
    | 'handed_out'
    | 'confirmed'
    | 'undelivered'
    | 'unconfirmed'
    | 'canceled'
    | 'ended'
    | 'refused';
  readonly at: string;
  readonly detail: {
    readonly parkedUntil?: string;
    readonly status?: 'success' | 'failed' | 'canceled';
    readonly reason?: string;
    readonly path?: string;
    readonly facts?: Facts;
  };
}

export interface ParkedJob {
  readonly jobId: number;
  /** The job's own token: sealed on disk, never logged. */
  readonly token: string;
  /** The unprotected runner that gets it although nobody approved it; absent or null for a job that is gated. */
  readonly divertedTo?: string | null;
  /** Whose poll may get it: the runner's name, or `unknown:` and a hash of the token of a runner nobody named. */
  readonly pool: string;
  /** Name of the `runners[]` entry, `unknown` where there is none. */
  readonly runner: string;
  /** Null until the payload has been read, and for one that was refused. */
  readonly digest: string | null;
  /** What the policy wanted covered beside the payload, as it stands in the Configuration that has the digest. */
  readonly sections?: Sections;
  /** SHA-256 of the payload's bytes, hex. */
  readonly payloadSha256: string;
  readonly hold: number | null;
  /** Link to the Hold, for the notes. */
  readonly url: string | null;
  readonly state: ParkedJobState;
  /** Who triggered it, for fair limits; null when nothing is known. */
  readonly person: string | null;
  /** Its project, for fair limits; absent or null until the payload has been read. */
  readonly project?: number | null;
  /** Epoch ms. */
  readonly receivedAt: number;
  /** Epoch ms of the end of the live stage. */
  readonly parkedUntil: number;
  /** Epoch ms of the hand-out. */
  readonly handedOutAt: number | null;
  readonly timeoutS: number;
  readonly failureReasons: readonly string[];
  /** Bytes that notes take at the start of the job's log: the runner's own offsets are shifted by so many. */
  readonly noteBytes: number;
  /** A note that is to be written, or may have been when the process died. */
  readonly pendingNote: string | null;
  /** Failure reason for the CI server while `failing`. */
  readonly failWith: string | null;
  readonly reports: readonly OwedReport[];
  /** Somebody has stopped it while it ran; `noteAt`: where in its log the note of that goes, null while nobody knows. */
  readonly stopped?: { readonly noteAt: number | null; readonly reason: string | null } | null;
  /** Its log has to be recorded from its hand-over on; absent or null: nobody asks for it. */
  readonly recording?: 'record' | 'required' | null;
  /** What its recording must not show: sealed with the rest, and gone with it when the job has ended. */
  readonly masks?: Masks;
  /** The last bytes of its log that its recording waits to show (base64), and where they begin; absent or null: there are none. */
  readonly held?: { readonly at: number; readonly bytes: string } | null;
  /** The request that it came with, for logs; absent or null where that is not known. */
  readonly request?: string | null;
  /** W3C traceparent of its trace; absent or null where nothing is traced. */
  readonly trace?: string | null;
  /** It was let through while the hub was away: what the hub has still to be told, before any report. */
  readonly offline?: {
    readonly run: OfflineRun;
    readonly configuration: JsonObject;
    readonly facts: Facts;
  } | null;
}
