import { type AgentProblem, type AgentProblemCode, type HubProblemCode, problemWords } from './agent-problem.ts';

/** How long a link may be down before its agent is called not ready: a restart of the hub and a reconnect fit in. */
export const LINK_GRACE_MS = 30_000;

/** Something that is wrong, as far as whoever has no token is told. */
export type Found = Pick<AgentProblem, 'blocks'> & { readonly code: AgentProblemCode | HubProblemCode };

/** Whether something is ready, and what people must look at. */
export interface Readiness {
  /** Words for what jobs wait for; null: it is ready. */
  readonly notReady: string | null;
  readonly status: 'ok' | 'degraded';
  readonly problems: readonly { readonly code: Found['code']; readonly message: string }[];
}

/**
 * Ready, ready with something that people must look at, or not while jobs wait because of something. Each code once and by its
 * words alone: whoever asks has no token (T32).
 */
export function readinessOf(found: readonly Found[]): Readiness {
  const codes = [...new Set(found.map(({ code }) => code))];
  const blocking = codes.filter((code) => found.some((each) => each.code === code && each.blocks));
  return {
    notReady: blocking.length === 0 ? null : `not ready: ${blocking.map(problemWords).join('; ')}`,
    status: codes.length === 0 ? 'ok' : 'degraded',
    problems: codes.map((code) => ({ code, message: problemWords(code) })),
  };
}

/** A link that is down: it blocks when it never stood, and when it has been down for longer than the grace. */
export function linkProblem(awaySince: number | null, now: number): Found {
  return { code: 'link', blocks: awaySince === null || now - awaySince >= LINK_GRACE_MS };
}
