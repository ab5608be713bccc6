import type { AgentMeter } from '../ports/meter.ts';
import type { Span, Tracer } from '../ports/tracer.ts';

const nothing = (): void => {};

/** Counts nothing: for an agent that nobody asks. */
export const silentMeter: AgentMeter = {
  request: nothing,
  upstream: nothing,
  received: nothing,
  verdict: nothing,
  event: nothing,
  handOver: nothing,
  heartbeat: nothing,
  stored: nothing,
  damaged: nothing,
  receipt: nothing,
  link: nothing,
};

const silentSpan: Span = { context: null, end: nothing };

/** Traces nothing: as long as nobody says where to. */
export const silentTracer: Tracer = { start: () => silentSpan, close: async () => {} };
