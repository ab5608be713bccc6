import { HoldpointError } from './errors.ts';
import type { Facts } from './facts.ts';
import type { DeploymentRules } from './protected-environment.ts';
import type { Requirement } from './requirement.ts';
import type { VoteProof } from './step-up.ts';
import type { Place, Subject } from './subject.ts';

/**
 * States of a Deployment: one run of a job against a protected environment.
 *
 *   blocked ── approvals met ──► created ── hand-over confirmed ──► running ──► success | failed | canceled
 *      │  ▲                         │
 *      │  └── approvals lost ───────┘
 *      └── rejected ──► failed          (a Hold that ends before it ran takes its Deployment with it: canceled)
 */
export const DEPLOYMENT_STATES = ['blocked', 'created', 'running', 'success', 'failed', 'canceled'] as const;
/** A state word of a Deployment. */
export type DeploymentState = (typeof DEPLOYMENT_STATES)[number];

/** True for a state that nothing leaves. */
export function isDeploymentOver(state: DeploymentState): boolean {
  return state === 'success' || state === 'failed' || state === 'canceled';
}

/** What a run is, seen from those before it: the first of its kind, the same once more, or back to what ran there. */
export const DEPLOYMENT_KINDS = ['deploy', 'rerun', 'rollback'] as const;
/** One of the kinds. */
export type DeploymentKind = (typeof DEPLOYMENT_KINDS)[number];

/** Somebody as they were called when they did it. */
export interface NamedPerson {
  readonly id: number;
  readonly username: string;
  readonly name: string;
}

/** One run of a job against a protected environment. What it asks and of whom is frozen when it opens. */
export interface Deployment {
  readonly id: number;
  /** Counts from 1 within its project. */
  readonly iid: number;
  readonly version: number;
  readonly state: DeploymentState;
  /** The Hold whose second gate it is; each has one at most. */
  readonly hold: number;
  readonly subject: Subject;
  readonly projectPath: string | null;
  readonly stage: string | null;
  readonly digest: string;
  readonly place: Place;
  readonly sha: string;
  readonly pipelineId: number | null;
  readonly environment: {
    /** Of our store, the same for the same name in the same project. */
    readonly id: number;
    readonly name: string;
    readonly slug: string | null;
    readonly tier: string | null;
    readonly action: string | null;
    readonly url: string | null;
    /** True when GitLab itself confirmed the name. */
    readonly verified: boolean;
  };
  readonly kind: DeploymentKind;
  readonly trigger: Facts['trigger'];
  /** Frozen: every protection that applied, together. Its rules are those of the requirement, in the same order. */
  readonly rules: DeploymentRules;
  readonly requirement: Requirement;
  /** Who started it, null while it waits for somebody with deploy access. */
  readonly started: { readonly person: NamedPerson /** Epoch ms. */; readonly at: number } | null;
  /** Epoch ms, as are all times here. */
  readonly approvedAt: number | null;
  readonly createdAt: number;
  readonly updatedAt: number;
  readonly runningAt: number | null;
  readonly finishedAt: number | null;
  /** Why it ended or fell back, in words. */
  readonly reason: string | null;
}

/** One person's approve or reject of a Deployment; it counts for that one alone. Voting again replaces. */
export interface DeploymentVote {
  readonly deployment: number;
  readonly person: NamedPerson;
  readonly decision: 'approve' | 'reject';
  /** Name of the one rule that it shall count for; null: whichever it is needed for. */
  readonly representedAs: string | null;
  readonly comment: string | null;
  /** How the person showed again who they are; absent where nobody asked for it. */
  readonly proof?: VoteProof;
  /** Epoch ms. */
  readonly at: number;
}

/** A commit that must not be deployed to an environment of a project until the mark is lifted. */
export interface BrokenMark {
  readonly id: number;
  readonly instance: string;
  readonly projectId: number;
  readonly environment: string;
  readonly sha: string;
  /** The Deployment that showed it. */
  readonly deployment: number;
  readonly by: NamedPerson;
  readonly reason: string;
  /** Epoch ms. */
  readonly at: number;
  readonly lifted: { readonly by: NamedPerson; readonly at: number; readonly reason: string | null } | null;
}

/** Everything that can happen to a Deployment. */
export type DeploymentCommand =
  | { readonly type: 'approve' }
  | { readonly type: 'block'; readonly reason: string }
  | { readonly type: 'run'; readonly by: NamedPerson }
  | { readonly type: 'stop'; readonly reason: string }
  | { readonly type: 'reject'; readonly reason: string }
  | { readonly type: 'confirm' }
  | {
      readonly type: 'finish';
      readonly status: 'success' | 'failed' | 'canceled';
      readonly reason: string | null;
    };

type Legal = { readonly [C in DeploymentCommand['type']]: readonly DeploymentState[] };
/** Where each command is legal; everything else is `wrong_state`. */
export const DEPLOYMENT_LEGAL: Legal = {
  approve: ['blocked'],
  block: ['created'],
  // A start while approvals are missing is refused, not kept for later.
  run: ['created'],
  stop: ['blocked', 'created'],
  reject: ['blocked', 'created'],
  confirm: ['blocked', 'created'],
  finish: ['blocked', 'created', 'running'],
};

const WAY_OUT: Record<DeploymentState, string> = {
  blocked: 'it waits for approvals',
  created: 'its approvals are complete: it waits to be run, or for its runner',
  running: 'it runs: cancel the job in GitLab to stop it',
  success: 'it has ended: run the job again for a new deployment',
  failed: 'it has ended: run the job again for a new deployment',
  canceled: 'it has ended: run the job again for a new deployment',
};

/** The `wrong_state` error for something that a Deployment in its state does not allow. */
export function wrongDeploymentState(deployment: Deployment, wanted: string): HoldpointError {
  const reason = deployment.reason === null ? '' : ` (${deployment.reason})`;
  return new HoldpointError(
    'wrong_state',
    `deployment ${deployment.id} is ${deployment.state}${reason}: ${wanted} is not possible; ${WAY_OUT[deployment.state]}`,
  );
}

/** The Deployment after the command; its version is one higher. Pure. Throws `wrong_state` for a move that does not exist. */
export function moveDeployment(deployment: Deployment, command: DeploymentCommand, now: number): Deployment {
  if (!DEPLOYMENT_LEGAL[command.type].includes(deployment.state)) throw wrongDeploymentState(deployment, command.type);
  return { ...applied(deployment, command, now), version: deployment.version + 1, updatedAt: now };
}

function applied(deployment: Deployment, command: DeploymentCommand, now: number): Deployment {
  switch (command.type) {
    case 'approve':
      return { ...deployment, state: 'created', approvedAt: now, reason: null };
    case 'block':
      return { ...deployment, state: 'blocked', approvedAt: null, reason: command.reason };
    case 'run':
      return { ...deployment, started: { person: command.by, at: now }, reason: null };
    case 'stop':
      return { ...deployment, started: null, reason: command.reason };
    case 'reject':
      return { ...deployment, state: 'failed', finishedAt: now, reason: command.reason };
    case 'confirm':
      return { ...deployment, state: 'running', runningAt: now, reason: null };
    case 'finish':
      return { ...deployment, state: command.status, finishedAt: now, reason: command.reason };
    default:
      return command satisfies never;
  }
}
