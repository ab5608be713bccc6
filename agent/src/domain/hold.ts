import { HoldpointError } from './errors.ts';
import type { Facts } from './facts.ts';
import type { Inputs } from './scope.ts';
import type { Place, Subject } from './subject.ts';

/**
 * States of a Hold.
 *
 *   waiting_for_approval ── all gates pass ──► pending ── handed out ──► running ──► success | failed | canceled
 *          │  ▲                                  │ revoked, quorum lost, frozen ─► waiting_for_approval
 *          │  └──────────────────────────────────┘ undelivered: running ─► pending
 *          └─► rejected | expired | canceled
 */
export const HOLD_STATES = [
  'waiting_for_approval',
  'pending',
  'running',
  'success',
  'failed',
  'canceled',
  'rejected',
  'expired',
] as const;
/** A state word of a Hold. */
export type HoldState = (typeof HOLD_STATES)[number];

/** States that nothing leaves. */
export const FINAL_STATES = [
  'success',
  'failed',
  'canceled',
  'rejected',
  'expired',
] as const satisfies readonly HoldState[];
/** A state word that nothing leaves. */
export type FinalState = (typeof FINAL_STATES)[number];

/** True for a state that nothing leaves. */
export function isFinal(state: HoldState): state is FinalState {
  return (FINAL_STATES as readonly HoldState[]).includes(state);
}

/** One GitLab job of a Hold. The last of a Hold's attempts is the current one. */
export interface Attempt {
  readonly jobId: number;
  readonly agent: string;
  readonly runner: string;
  readonly url: string | null;
  /** Epoch ms, as are all times here. */
  readonly at: number;
  /** End of the live stage, null when not parked. */
  readonly parkedUntil: number | null;
  readonly handedOutAt: number | null;
  readonly endedAt: number | null;
  /** How it ended, in words: `replaced`, `detached`, what GitLab reported. */
  readonly ended: string | null;
}

/** One job of one pipeline that has reached a gate. Open Holds are unique per (instance, project, pipeline, job, digest). */
export interface Hold {
  readonly id: number;
  readonly version: number;
  readonly state: HoldState;
  readonly subject: Subject;
  readonly projectPath: string | null;
  readonly stage: string | null;
  readonly digest: string;
  readonly place: Place;
  /** Where the artifacts come from that its newest job takes in (T48). */
  readonly inputs: Inputs;
  readonly pipelineId: number | null;
  /** Of the first attempt, whoever retried it (T17, T52). */
  readonly trigger: Facts['trigger'];
  /** The Review it waits on or waited on last; null when it passed at once. */
  readonly review: number | null;
  /** The Approval it passed with, null while none. */
  readonly approval: number | null;
  readonly attempts: readonly Attempt[];
  readonly openedAt: number;
  readonly expiresAt: number;
  readonly endedAt: number | null;
  readonly reason: string | null;
  /** Job that was released when the Approval was revoked, or ran without this hub: its hand-out may be on the way. */
  readonly crossing: number | null;
  /** Approval that its configuration gate is passed with while its deployment gate is not; null otherwise. */
  readonly configured: number | null;
  /** End of the freeze that keeps it back although something covers it (epoch ms); null where none does. */
  readonly frozenUntil: number | null;
  /** Seconds that its newest job may run, as GitLab says; null for a Hold from before this was kept. */
  readonly timeoutS: number | null;
}

/** Everything that can happen to a Hold. */
export type HoldCommand =
  | { readonly type: 'release'; readonly approval: number }
  | { readonly type: 'reject'; readonly reason: string }
  | { readonly type: 'expire' }
  | { readonly type: 'cancel'; readonly reason: string }
  | { readonly type: 'revoke'; readonly review: number; readonly reason: string }
  | { readonly type: 'freeze'; readonly review: number; readonly until: number; readonly reason: string }
  | { readonly type: 'thaw' }
  | { readonly type: 'configure'; readonly approval: number; readonly review: number }
  | { readonly type: 'unconfigure'; readonly review: number; readonly reason: string }
  | { readonly type: 'block'; readonly review: number; readonly reason: string }
  | { readonly type: 'attach'; readonly attempt: Attempt; readonly inputs: Inputs; readonly timeoutS: number | null }
  | { readonly type: 'park'; readonly jobId: number; readonly parkedUntil: number | null }
  | { readonly type: 'detach'; readonly jobId: number; readonly reason: string }
  | { readonly type: 'cross'; readonly jobId: number }
  | { readonly type: 'hand_out'; readonly jobId: number }
  | { readonly type: 'confirm'; readonly jobId: number }
  | { readonly type: 'undelivered'; readonly jobId: number }
  | { readonly type: 'unconfirmed'; readonly jobId: number }
  | {
      readonly type: 'finish';
      readonly jobId: number;
      readonly status: 'success' | 'failed' | 'canceled';
      readonly reason: string | null;
    };

/** The attempt that is parked or runs now; null when the Hold is detached or at its end. */
export function liveAttempt(hold: Hold): Attempt | null {
  const last = hold.attempts.at(-1);
  return last === undefined || last.endedAt !== null ? null : last;
}

const WAY_OUT: Record<HoldState, string> = {
  waiting_for_approval: 'it waits for people: approve or reject it',
  pending: 'it is approved and waits for its runner: revoke its approval to stop it',
  running: 'it runs already: cancel the job in GitLab to stop it',
  success: 'it has ended: run the job again to ask again',
  failed: 'it has ended: run the job again to ask again',
  canceled: 'it has ended: run the job again to ask again',
  rejected: 'it has ended: change the configuration, or run the job again to ask again',
  expired: 'it has ended: run the job again to ask again',
};

/** The `wrong_state` error for something that a Hold in its state does not allow. */
export function wrongState(hold: Hold, wanted: string): HoldpointError {
  const reason = hold.reason === null ? '' : ` (${hold.reason})`;
  const isConfigured = hold.state === 'waiting_for_approval' && hold.configured !== null;
  const wayOut = isConfigured ? 'its configuration is approved, it waits for its deployment' : WAY_OUT[hold.state];
  return new HoldpointError(
    'wrong_state',
    `hold ${hold.id} is ${hold.state}${reason}: ${wanted} is not possible; ${wayOut}`,
  );
}

type Legal = { readonly [C in HoldCommand['type']]: readonly HoldState[] };
/** Where each command is legal; everything else is `wrong_state`. */
export const LEGAL: Legal = {
  release: ['waiting_for_approval'],
  // From pending only with a denial: what was let go and may not run any more ends at once, since nobody could approve it.
  reject: ['waiting_for_approval', 'pending'],
  expire: ['waiting_for_approval', 'pending'],
  cancel: ['waiting_for_approval', 'pending'],
  // A running Hold stays as it is; that its Approval is gone is shown.
  revoke: ['pending', 'running'],
  freeze: ['waiting_for_approval', 'pending'],
  thaw: ['waiting_for_approval'],
  // The configuration gate is passed, or no longer; the deployment gate is not.
  configure: ['waiting_for_approval'],
  unconfigure: ['waiting_for_approval'],
  block: ['pending'],
  attach: ['waiting_for_approval', 'pending'],
  park: ['waiting_for_approval', 'pending'],
  detach: ['waiting_for_approval', 'pending'],
  // Its agent let it go without this hub: what it tells of that is on the way.
  cross: ['waiting_for_approval'],
  // From waiting only for the job that was released when its Approval was revoked, or without this hub: it runs, and hiding that would be worse.
  hand_out: ['pending', 'waiting_for_approval'],
  confirm: ['running'],
  undelivered: ['running'],
  unconfirmed: ['running'],
  finish: ['running'],
};

function withLive(hold: Hold, change: Partial<Attempt>): readonly Attempt[] {
  const live = liveAttempt(hold);
  return live === null ? hold.attempts : [...hold.attempts.slice(0, -1), { ...live, ...change }];
}

/** The one live job of the Hold is meant, or nothing is: an older job or another one's moves nothing (T41, T51). */
function requireLive(hold: Hold, jobId: number, wanted: string): void {
  const live = liveAttempt(hold);
  if (live?.jobId === jobId) return;
  const found = live === null ? 'it has no live job' : `its job is ${live.jobId}`;
  throw new HoldpointError(
    'wrong_state',
    `hold ${hold.id} is ${hold.state}: ${wanted} of job ${jobId} is not possible; ${found}`,
  );
}

function end(hold: Hold, state: FinalState, reason: string | null, now: number): Hold {
  return { ...hold, state, reason, endedAt: now, attempts: withLive(hold, { endedAt: now, ended: state }) };
}

/** The Hold after the command; its version is one higher. Pure. Throws `wrong_state` for a move that does not exist. */
export function transition(hold: Hold, command: HoldCommand, now: number): Hold {
  if (!LEGAL[command.type].includes(hold.state)) throw wrongState(hold, command.type);
  return { ...apply(hold, command, now), version: hold.version + 1 };
}

function apply(hold: Hold, command: HoldCommand, now: number): Hold {
  switch (command.type) {
    case 'release':
      return {
        ...hold,
        state: 'pending',
        approval: command.approval,
        reason: null,
        crossing: null,
        configured: null,
        frozenUntil: null,
      };
    case 'reject':
      return end(hold, 'rejected', command.reason, now);
    case 'expire':
      return end(hold, 'expired', 'nobody decided in time', now);
    case 'cancel':
      return end(hold, 'canceled', command.reason, now);
    case 'revoke':
      if (hold.state === 'running') return { ...hold, reason: `${command.reason}; it ran already` };
      return {
        ...hold,
        state: 'waiting_for_approval',
        approval: null,
        review: command.review,
        configured: null,
        reason: command.reason,
        crossing: liveAttempt(hold)?.jobId ?? null,
      };
    case 'freeze':
      return {
        ...hold,
        state: 'waiting_for_approval',
        approval: null,
        review: command.review,
        reason: command.reason,
        configured: null,
        frozenUntil: command.until,
        crossing: hold.state === 'pending' ? (liveAttempt(hold)?.jobId ?? null) : hold.crossing,
      };
    case 'thaw':
      return { ...hold, reason: null, frozenUntil: null };
    case 'configure':
      return {
        ...hold,
        configured: command.approval,
        review: hold.review ?? command.review,
        reason: null,
        frozenUntil: null,
      };
    case 'unconfigure':
      return { ...hold, configured: null, review: command.review, reason: command.reason };
    case 'block':
      return {
        ...hold,
        state: 'waiting_for_approval',
        approval: null,
        configured: hold.approval,
        review: hold.review ?? command.review,
        reason: command.reason,
        crossing: liveAttempt(hold)?.jobId ?? null,
      };
    case 'attach':
      return {
        ...hold,
        inputs: command.inputs,
        timeoutS: command.timeoutS,
        attempts: [...withLive(hold, { endedAt: now, ended: 'replaced' }), command.attempt],
        crossing: null,
      };
    case 'park':
      requireLive(hold, command.jobId, 'parking');
      return { ...hold, attempts: withLive(hold, { parkedUntil: command.parkedUntil }) };
    case 'detach':
      requireLive(hold, command.jobId, 'detaching');
      return { ...hold, attempts: withLive(hold, { endedAt: now, ended: command.reason, parkedUntil: null }) };
    case 'cross':
      requireLive(hold, command.jobId, 'going without this hub');
      return { ...hold, crossing: command.jobId };
    case 'hand_out':
      requireLive(hold, command.jobId, 'handing out');
      if (hold.state === 'waiting_for_approval' && hold.crossing !== command.jobId) throw wrongState(hold, 'hand_out');
      return {
        ...hold,
        state: 'running',
        crossing: null,
        attempts: withLive(hold, { handedOutAt: now, parkedUntil: null }),
      };
    case 'confirm':
      requireLive(hold, command.jobId, 'confirming');
      return hold;
    case 'undelivered':
      requireLive(hold, command.jobId, 'taking back');
      // What ran although it was revoked does not become approved by not having been delivered.
      return hold.approval === null
        ? { ...hold, state: 'waiting_for_approval', attempts: withLive(hold, { handedOutAt: null }) }
        : { ...hold, state: 'pending', attempts: withLive(hold, { handedOutAt: null }) };
    case 'unconfirmed':
      requireLive(hold, command.jobId, 'giving up');
      return end(hold, 'failed', 'the runner gave no sign after the hand-over', now);
    case 'finish':
      requireLive(hold, command.jobId, 'ending');
      return end(hold, command.status, command.reason, now);
    default:
      return command satisfies never;
  }
}
