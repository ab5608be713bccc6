import type { Command } from 'commander';
import { HUB_FILE } from '../../config/file-kinds.ts';
import { loadHubConfig } from '../../config/load.ts';
import type { CommandContext } from '../context.ts';
import { serve, sourcesOf, withOptions } from '../serve.ts';

const { options, defaultFile } = HUB_FILE;

async function run(command: Command, context: CommandContext): Promise<void> {
  const start = () => context.parts.startHub(loadHubConfig(sourcesOf(command, options, context)));
  await serve(context, start, ({ hubUrl }) => ({ words: `hub ${hubUrl}`, json: { hub_url: hubUrl } }));
}

/** `holdpoint hub`, with a flag for each scalar of hub.yml. */
export function define(command: Command, context: CommandContext): void {
  command
    .option('--config <file>', `hub.yml (HOLDPOINT_CONFIG, default ${defaultFile})`)
    .action((_, own: Command) => run(own, context));
  withOptions(command, options);
}
