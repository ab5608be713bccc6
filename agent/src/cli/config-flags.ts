import { type Command, Option } from 'commander';
import { AGENT_FILE } from '../config/file-kinds.ts';
import type { ConfigSources } from '../config/sources.ts';
import type { CommandContext } from './context.ts';
import { sourcesOf } from './serve.ts';

const { options, defaultFile } = AGENT_FILE;

/** Adds `--config` and every flag of `holdpoint agent`, which are not listed in a `--help` that is about something else. */
export function withAgentConfig(command: Command): Command {
  command.option('--config <file>', `agent.yml (HOLDPOINT_CONFIG, default ${defaultFile})`);
  for (const { flag, unit } of options) command.addOption(new Option(`${flag} <${unit}>`).hideHelp());
  return command;
}

/** Where the settings of an agent come from on this command line. */
export const agentSources = (command: Command, context: CommandContext): ConfigSources =>
  sourcesOf(command, options, context);

/** The same for a command that asks a hub as well: the hub's address in the environment of whoever asks is not the agent's. */
export function agentSourcesBesideHub(command: Command, context: CommandContext): ConfigSources {
  const sources = agentSources(command, context);
  const { HOLDPOINT_HUB_URL: _, ...env } = sources.env;
  return { ...sources, env };
}
