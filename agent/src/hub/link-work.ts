import { admit } from '../app/admit.ts';
import type { HubContext } from '../app/hub-context.ts';
import { correlated } from '../app/measured-store.ts';
import { report } from '../app/report.ts';
import { sync } from '../app/sync.ts';
import { HoldpointError } from '../domain/errors.ts';
import type { Tracer } from '../ports/tracer.ts';
import type { AgentFrame, HubFrame } from '../wire/link.ts';

/** Questions of an agent that the store answers. */
export type WorkFrame = Extract<AgentFrame, { type: 'admit' | 'report' | 'sync' }>;

/**
 * Answers one question of an agent that has proved itself: of its own Holds, whatever it names (T27). `covers`: it can be told
 * what else to cover.
 */
export async function answerWork(
  { context, tracer }: { readonly context: HubContext; readonly tracer: Tracer },
  agent: string,
  frame: WorkFrame,
  { covers, watches }: { readonly covers: boolean; readonly watches: boolean },
): Promise<HubFrame> {
  const { ref } = frame;
  switch (frame.type) {
    case 'admit': {
      const { digest, configuration, facts, monitor = false, divert = [], offline, request = null, trace } = frame;
      const span = tracer.start(
        'give a verdict',
        { request, digest, job: facts.job.id },
        { parent: trace, kind: 'server' },
      );
      const asked = { ...context, store: correlated(context.store, request) };
      const more = { monitor, divert, covers, watches, ...(offline && { offline }) };
      try {
        const verdict = await admit(asked, agent, { digest, configuration, facts, ...more });
        span.end({ hold: verdict.hold, outcome: verdict.outcome });
        const { sections, ...said } = verdict;
        return { type: 'verdict', ref, ...said, ...(sections == null ? {} : { sections }) };
      } catch (error) {
        span.end({ outcome: error instanceof HoldpointError ? error.code : 'internal' });
        throw error;
      }
    }
    case 'report': {
      const { hold, jobId, event, at, detail } = frame;
      const holds = await report(context, agent, { hold, jobId, event, at, detail: given(detail) });
      return { type: 'state', ref, holds };
    }
    case 'sync':
      return { type: 'state', ref, holds: await sync(context, agent, frame.holds) };
    default:
      return frame satisfies never;
  }
}

/**
 * What an agent that cannot watch understands: a stop is then a cancel, which it ignores for a job that runs, and nobody asks it for
 * a recording.
 */
export function plainly(frame: HubFrame): HubFrame {
  switch (frame.type) {
    case 'cancel': {
      const { stop: _, ...rest } = frame;
      return rest;
    }
    case 'verdict': {
      const { recording: _, ...rest } = frame;
      return rest;
    }
    case 'state':
      return { ...frame, holds: frame.holds.map(({ recording: _, ...rest }) => rest) };
    default:
      return frame;
  }
}

/** Members that are there: an absent member and one that is undefined are two things to the compiler. */
function given<T extends object>(detail: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(detail).filter(([, value]) => value !== undefined)) as never;
}
