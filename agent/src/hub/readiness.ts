import { type AgentProblem, type HubProblemCode, problemWords } from '../domain/agent-problem.ts';
import { HoldpointError } from '../domain/errors.ts';

/**
 * Ready, or ready with something that people must look at, for the agents of this very process and the hub; throws `not_ready` while
 * jobs wait because of one. By codes alone: whoever asks has no token (T32).
 */
export function readiness(
  local: readonly string[],
  connectedSince: (agent: string) => number | null,
  problems: (agent: string) => readonly AgentProblem[],
  own: readonly HubProblemCode[] = [],
) {
  const found = local.flatMap((agent): readonly Pick<AgentProblem, 'code' | 'blocks'>[] =>
    connectedSince(agent) === null ? [{ code: 'link', blocks: true }] : problems(agent),
  );
  const codes = [...new Set(found.map(({ code }) => code))];
  const blocking = codes.filter((code) => found.some((each) => each.code === code && each.blocks));
  if (blocking.length > 0) throw new HoldpointError('not_ready', `not ready: ${blocking.map(problemWords).join('; ')}`);
  const all = [...codes, ...own];
  const status = all.length === 0 ? ('ok' as const) : ('degraded' as const);
  return { status, problems: all.map((code) => ({ code, message: problemWords(code) })) };
}
