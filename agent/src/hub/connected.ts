import type { AgentProblem } from '../domain/agent-problem.ts';
import type { AgentStatus } from '../ports/agents.ts';
import type { Examined } from '../ports/gatekeeper.ts';

/** An agent that is connected, to this hub or to another on its store. */
export interface Connected {
  /** Epoch ms. */
  readonly since: number;
  readonly problems: readonly AgentProblem[];
  readonly examined: Examined | null;
  readonly status: AgentStatus | null;
}
