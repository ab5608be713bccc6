import { collectDefaultMetrics, Gauge, type Registry } from 'prom-client';

/** Gauges of the library whose names say that they are counters: promtool does not take them. */
const MISNAMED = ['nodejs_active_handles_total', 'nodejs_active_requests_total', 'nodejs_active_resources_total'];

/** Registers what every Node process can say of itself (memory, CPU, files, event loop), and which version this is. Once in a process. */
export function processMetrics(registry: Registry, version: string): void {
  collectDefaultMetrics({ register: registry });
  for (const name of MISNAMED) registry.removeSingleMetric(name);
  new Gauge({
    name: 'holdpoint_build_info',
    help: 'Always 1; the version of Holdpoint and of Node stand in the labels',
    labelNames: ['version', 'node'],
    registers: [registry],
  }).set({ version, node: process.version }, 1);
}
