import type { Command } from 'commander';
import { HUB_FILE } from '../config/file-kinds.ts';
import { type AgentConfig, type HubConfig, loadConfig, loadHubConfig } from '../config/load.ts';
import { DEFAULT_CONFIG_FILE } from '../config/options.ts';
import type { Io } from './io.ts';

/** Flags that name whose state is meant. */
export interface KeptFlags {
  readonly config?: string;
  readonly hub?: boolean;
}

/** Adds them. */
export function withKept(command: Command): Command {
  return command
    .option('--config <file>', `agent.yml (HOLDPOINT_CONFIG, default ${DEFAULT_CONFIG_FILE})`)
    .option('--hub', `of a hub alone: the file is hub.yml (default ${HUB_FILE.defaultFile})`);
}

/** The configuration of the agent, or of the hub alone, whose state is meant. Throws `bad_config`. */
export function keptConfig({ config, hub }: KeptFlags, io: Io): AgentConfig | HubConfig {
  const sources = { flags: { config }, env: io.env, cwd: io.cwd };
  return hub === true ? loadHubConfig(sources) : loadConfig(sources);
}
