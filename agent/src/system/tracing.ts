/** Loaded only where `trace.otlp_url` is set: the libraries take longer to load than the agent does to start. */
import { ROOT_CONTEXT, SpanKind, TraceFlags, trace } from '@opentelemetry/api';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { BasicTracerProvider, BatchSpanProcessor } from '@opentelemetry/sdk-trace-base';
import { redactTokens } from '../domain/redact.ts';
import type { SpanFacts, Tracer } from '../ports/tracer.ts';

/** Spans that wait for a collector that is away; more are dropped, and nothing waits for it. */
const MAX_QUEUED = 2_048;
const SEND_EVERY_MS = 2_000;
const SEND_MS = 5_000;
const CLOSE_MS = 3_000;
const MAX_TEXT = 200;

/** Member of SpanFacts → attribute; what is not here is not sent. */
const ATTRIBUTES = {
  request: 'holdpoint.request',
  job: 'holdpoint.job',
  hold: 'holdpoint.hold',
  digest: 'holdpoint.digest',
  runner: 'holdpoint.runner',
  route: 'http.route',
  status: 'http.response.status_code',
  outcome: 'holdpoint.outcome',
} satisfies Record<keyof SpanFacts, string>;

function attributesOf(facts: SpanFacts): Record<string, string | number> {
  const out: Record<string, string | number> = {};
  for (const [name, attribute] of Object.entries(ATTRIBUTES)) {
    const value = facts[name as keyof SpanFacts];
    if (value != null) out[attribute] = typeof value === 'number' ? value : redactTokens(value).slice(0, MAX_TEXT);
  }
  return out;
}

function contextOf(parent: string | null | undefined) {
  const [, traceId, spanId, flags] = /^00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/.exec(parent ?? '') ?? [];
  if (traceId === undefined || spanId === undefined || flags === undefined) return ROOT_CONTEXT;
  const traceFlags = Number.parseInt(flags, 16) & TraceFlags.SAMPLED;
  return trace.setSpanContext(ROOT_CONTEXT, { traceId, spanId, traceFlags, isRemote: true });
}

/** Sends spans to a collector by OTLP over HTTP. `url` is the collector's address; a path in it is kept as it is. */
export function openTracer(url: string, version: string): Tracer {
  const target = new URL(url);
  if (target.pathname === '/') target.pathname = '/v1/traces';
  const exporter = new OTLPTraceExporter({ url: target.href, timeoutMillis: SEND_MS });
  const provider = new BasicTracerProvider({
    resource: resourceFromAttributes({ 'service.name': 'holdpoint', 'service.version': version }),
    spanProcessors: [
      new BatchSpanProcessor(exporter, {
        maxQueueSize: MAX_QUEUED,
        scheduledDelayMillis: SEND_EVERY_MS,
        exportTimeoutMillis: SEND_MS,
      }),
    ],
  });
  const tracer = provider.getTracer('holdpoint', version);
  const kinds = { server: SpanKind.SERVER, client: SpanKind.CLIENT } as const;
  return {
    start(name, facts, { parent, kind, at } = {}) {
      const span = tracer.startSpan(
        name,
        {
          attributes: attributesOf(facts),
          kind: kind === undefined ? SpanKind.INTERNAL : kinds[kind],
          ...(at === undefined ? {} : { startTime: at }),
        },
        contextOf(parent),
      );
      const { traceId, spanId, traceFlags } = span.spanContext();
      return {
        context: `00-${traceId}-${spanId}-${traceFlags.toString(16).padStart(2, '0')}`,
        end(more = {}) {
          span.setAttributes(attributesOf(more));
          span.end();
        },
      };
    },
    async close() {
      let timer: NodeJS.Timeout | undefined;
      const enough = new Promise<void>((resolve) => {
        timer = setTimeout(resolve, CLOSE_MS);
      });
      await Promise.race([provider.shutdown().catch(() => {}), enough]);
      clearTimeout(timer);
    },
  };
}
