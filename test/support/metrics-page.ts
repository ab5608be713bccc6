import { Registry } from 'prom-client';
import { createMetrics } from '../../agent/src/hub/metrics.ts';
import { createAgentMetrics } from '../../agent/src/system/agent-metrics.ts';
import { followBackup } from '../../agent/src/system/backup-age.ts';
import { processMetrics } from '../../agent/src/system/process-metrics.ts';

const MARK =
  'Written by `UPDATE_DOCS=1 npx vitest run --config test/vitest.config.ts test/unit/metrics-docs.test.ts`; do not edit.';

/** Everything that an agent with its own hub registers. */
export function everyMetric(): Registry {
  const registry = new Registry();
  processMetrics(registry, '0');
  followBackup({ stateDir: '/', expected: true }, () => 0, registry);
  const nothing = async () => 0;
  createMetrics(registry).follow({
    agents: () => 0,
    tlsProblem: () => null,
    skew: () => 0,
    snapshotAge: () => 0,
    viewers: () => 0,
    policy: () => null,
    overdue: nothing,
    outbox: async () => ({ waiting: 0, dead: 0, oldestDue: null }),
    census: async () => ({
      holds: [],
      oldestWaitingAt: null,
      openReviews: 0,
      denials: 0,
      unacknowledged: 0,
      blockedDeployments: 0,
    }),
    writable: async () => true,
    auditRows: nothing,
    auditIntact: () => true,
    people: () => null,
    now: () => 0,
  });
  createAgentMetrics(registry).follow({
    counts: () => ({}),
    oldestParkedAt: () => null,
    openRequests: () => new Map(),
    problems: () => [],
    linked: () => true,
    inStep: () => true,
    now: () => 0,
    stateDir: '/',
  });
  return registry;
}

/** Name, type, labels and words of each metric, sorted. */
async function rowsOf(registry: Registry): Promise<readonly (readonly string[])[]> {
  const labels = new Map(
    registry
      .getMetricsAsArray()
      .map((metric) => [
        metric.name,
        ((metric as unknown as { labelNames?: readonly string[] }).labelNames ?? []).filter((label) => label !== 'le'),
      ]),
  );
  return (await registry.getMetricsAsJSON())
    .map(({ name, type, help }) => [
      `\`${name}\``,
      String(type),
      (labels.get(name) ?? []).map((label) => `\`${label}\``).join(' '),
      help,
    ])
    .sort((a, b) => (a[0]! < b[0]! ? -1 : 1));
}

/** Text of agent/docs/metrics.md. */
export async function metricsPage(): Promise<string> {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |\n`;
  const rows = await rowsOf(everyMetric());
  const table = line(['metric', 'type', 'labels', 'what it is']) + line(['---', '---', '---', '---']);
  return `# Metrics

${MARK}

For Prometheus, at \`/metrics\`. An agent with its own hub tells all of it at the hub's address (\`http://127.0.0.1:8094/metrics\`); an agent
whose hub is elsewhere tells its part at \`metrics.listen\`, which it has none of unless you set it, and the hub its own at the hub's address.
Never at the gateway, where jobs can ask. No token is needed: no label names a project, a job, a person or a runner, and each has a few
words only, so that nobody can make series without end. What is counted from the store is asked of it once a second at most.

\`\`\`yaml
scrape_configs:
  - job_name: holdpoint                  # alerts and dashboard go by names that begin so
    static_configs: [{ targets: ['127.0.0.1:8094'] }]
\`\`\`

Alert rules and a dashboard for Grafana lie in [\`agent/monitoring\`](../monitoring); what to do about each alert stands in the
[runbook](runbook.md). \`/healthz\` says that the process answers and depends on nothing else; \`/readyz\` answers 503 while jobs wait because
of something: the store or the parking lot takes no write, or the link has been down for half a minute.

Traces go to an OpenTelemetry collector (OTLP over HTTP) when \`trace.otlp_url\` says where: one trace follows a job from its poll over the
link to its runner. \`OTEL_EXPORTER_OTLP_HEADERS\` carries what the collector asks for. Spans name job, hold, digest, runner, route and
outcome, and nothing else.

${table}${rows.map(line).join('')}`;
}
