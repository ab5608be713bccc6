/** What can be wrong with an agent that runs. */
export const AGENT_PROBLEMS = ['disk', 'full', 'link', 'runner_token'] as const;
export type AgentProblemCode = (typeof AGENT_PROBLEMS)[number];

/** Something that people must look at, as the page of states, the list of agents and the log name it. */
export interface AgentProblem {
  readonly code: AgentProblemCode;
  /** True when jobs wait because of it: none is taken in, or none is handed out. */
  readonly blocks: boolean;
  /** A sentence with the way out; no secret. */
  readonly message: string;
}
