/** What can be wrong with an agent that runs. */
export const AGENT_PROBLEMS = ['disk', 'full', 'link', 'runner_token'] as const;
export type AgentProblemCode = (typeof AGENT_PROBLEMS)[number];

/** What can be wrong with a hub that runs; none but the store stops what is approved. */
export const HUB_PROBLEMS = ['store', 'people', 'policy', 'break_glass'] as const;
export type HubProblemCode = (typeof HUB_PROBLEMS)[number];

/** Something that people must look at, as the list of agents and the log name it. */
export interface AgentProblem {
  readonly code: AgentProblemCode;
  /** True when jobs wait because of it: none is taken in, or none is handed out. */
  readonly blocks: boolean;
  /** A sentence with the way out; no secret. */
  readonly message: string;
}

/** A problem in words for whoever asks without a token: no name of a runner, a project or a path (T32). */
export function problemWords(code: AgentProblemCode | HubProblemCode): string {
  switch (code) {
    case 'disk':
      return 'the parking lot cannot be written: no job is taken in until its disk has room';
    case 'full':
      return 'as many jobs are parked as may be: each further one detaches the oldest of whoever has most';
    case 'link':
      return 'the agent of this process is not linked to its hub: nothing parked is handed out';
    case 'runner_token':
      return 'the token of a runner needs people: see "holdpoint agents"';
    case 'store':
      return 'the database cannot be written: nothing is decided, and no job is let through, until it can; see the log of the hub';
    case 'people':
      return 'who belongs to what cannot be read as it is now: nobody gains a right meanwhile; the log of the hub says why';
    case 'policy':
      return 'the policy file cannot be read as it is now: the last good one stays in force; see "holdpoint policy show"';
    case 'break_glass':
      return 'something ran without its approval, and nobody else has looked at it in time: see "holdpoint break-glass list"';
    default:
      return code satisfies never;
  }
}
