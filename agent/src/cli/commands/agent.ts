import type { Command } from 'commander';
import { AGENT_FILE } from '../../config/file-kinds.ts';
import { loadConfig } from '../../config/load.ts';
import type { CommandContext } from '../context.ts';
import { serve, sourcesOf, withOptions } from '../serve.ts';

const { options, defaultFile } = AGENT_FILE;

async function run(command: Command, context: CommandContext): Promise<void> {
  const start = () => context.parts.startAgent(loadConfig(sourcesOf(command, options, context)));
  await serve(context, start, ({ gatewayUrl, hubUrl, metricsUrl }) => ({
    words: `gateway ${gatewayUrl}, hub ${hubUrl}${metricsUrl === null ? '' : `, metrics ${metricsUrl}`}`,
    json: { gateway_url: gatewayUrl, hub_url: hubUrl, metrics_url: metricsUrl },
  }));
}

/** `holdpoint agent`, with a flag for each scalar of agent.yml. */
export function define(command: Command, context: CommandContext): void {
  command
    .option('--config <file>', `agent.yml (HOLDPOINT_CONFIG, default ${defaultFile}); the runners stand only there`)
    .action((_, own: Command) => run(own, context));
  withOptions(command, options);
}
