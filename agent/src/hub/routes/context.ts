import type { AuditKeeper } from '../../app/checkpoint.ts';
import type { GitlabTokenRow } from '../../app/gitlab-tokens.ts';
import type { Caller, HubContext } from '../../app/hub-context.ts';
import type { AgentProblem } from '../../domain/agent-problem.ts';
import type { Hold } from '../../domain/hold.ts';
import type { RetryAdvice } from '../../domain/retrying.ts';
import type { Demand } from '../auth.ts';
import type { LinkServer } from '../link-server.ts';
import type { Notifications } from '../notifications.ts';
import type { Reach } from '../reach.ts';
import type { Retention } from '../retention.ts';
import type { SignIn } from '../sign-in.ts';

/** What routes need besides the verbs. */
export interface RouteContext {
  readonly hub: HubContext;
  /** Agents wherever they are connected. */
  readonly reach: Pick<Reach, 'reveal' | 'connected' | 'examine'>;
  /** Connections of agents to this hub. */
  readonly links: Pick<LinkServer, 'isFixed' | 'cut' | 'refusal'>;
  /** Since when an agent is connected to this hub (epoch ms), null when it is not. */
  readonly connectedSince: (agent: string) => number | null;
  /** Since when an agent is away that was here before (epoch ms); null for any other. */
  readonly awaySince: (agent: string) => number | null;
  /** What a connected agent says is wrong on its side. */
  readonly problems: (agent: string) => readonly AgentProblem[];
  /** Agents of this very process: it is not ready while one of them is not. */
  readonly local: readonly string[];
  /** What signs the audit. */
  readonly keeper: AuditKeeper;
  /** Holds whose job GitLab has ended. */
  readonly detached: DetachedRoutes;
  readonly notifications: Notifications;
  /** Tokens of GitLab's that the operator gave, as GitLab has them now. */
  readonly gitlabTokens: () => Promise<readonly GitlabTokenRow[]>;
  /** Sign-ins with an identity provider; null where there is none. */
  readonly signIn: SignIn | null;
  /** Whether the store takes a write at this moment. */
  readonly writable: () => Promise<boolean>;
  readonly retention: Pick<Retention, 'apply'>;
  /** Seconds since the last backup of the state; null where none is known. */
  readonly backupAge: () => number | null;
  /** Text of the metrics. */
  readonly metrics: () => Promise<string>;
}
/** What routes ask about detached Holds. */
export interface DetachedRoutes {
  advice(hold: Hold): RetryAdvice | null;
  retryNow(caller: Caller, hold: number, own: string | null): Promise<void>;
  /** Cancels the job that stands for a Hold, with a GitLab credential of the caller's own. */
  cancelJob(caller: Caller, hold: number, own: string | null): Promise<Hold>;
  /** Epoch ms of the end of what was lent. */
  lend(caller: Caller, text: string, livesMs: number | null): Promise<number>;
  until(caller: Caller): number | null;
  forget(caller: Caller): Promise<void>;
}
/** What a vote asks of the token that casts it. */
export const VOTES: Demand = { scope: 'approve', vote: true };
