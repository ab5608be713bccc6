import type { AgentProblem, HubProblemCode } from '../domain/agent-problem.ts';
import { HoldpointError } from '../domain/errors.ts';
import { type Found, linkProblem, readinessOf } from '../domain/readiness.ts';

/** What a hub knows of agents that run in its own process. */
export interface LocalAgents {
  readonly names: readonly string[];
  connectedSince(agent: string): number | null;
  awaySince(agent: string): number | null;
  problems(agent: string): readonly AgentProblem[];
  now(): number;
}

/**
 * Ready, or ready with something that people must look at, for the agents of this very process and the hub; throws `not_ready`
 * while jobs wait because of one.
 */
export function readiness(local: LocalAgents, own: readonly HubProblemCode[]) {
  const found = local.names.flatMap((agent): readonly Found[] =>
    local.connectedSince(agent) === null ? [linkProblem(local.awaySince(agent), local.now())] : local.problems(agent),
  );
  const { notReady, status, problems } = readinessOf([
    ...found,
    ...own.map((code) => ({ code, blocks: code === 'store' })),
  ]);
  if (notReady !== null) throw new HoldpointError('not_ready', notReady);
  return { status, problems: [...problems] };
}
