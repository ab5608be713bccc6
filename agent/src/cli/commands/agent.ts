import { type Command, Option } from 'commander';
import { loadConfig } from '../../config/load.ts';
import { type ConfigOption, DEFAULT_CONFIG_FILE, OPTIONS } from '../../config/options.ts';
import type { CommandContext } from '../context.ts';
import type { RunningAgent } from '../parts.ts';

function helpOf(option: ConfigOption): string {
  const facts = [option.env, option.choices.join(' | '), option.default === null ? '' : `default ${option.default}`];
  return `${option.help} (${facts.filter((fact) => fact !== '').join(', ')})`;
}

function readyText(agent: RunningAgent): string {
  const addresses = `holdpoint: ready; gateway ${agent.gatewayUrl}, hub ${agent.hubUrl}\n`;
  if (agent.bootstrapToken === null) return addresses;
  const way = `HOLDPOINT_TOKEN=${agent.bootstrapToken} holdpoint token create --hub ${agent.hubUrl} --user NAME --out FILE`;
  return `${addresses}holdpoint: first start; within 15 minutes sign in on the page with this link, which works once:
  ${agent.firstLink}
or make a token of your own with the one-time token in it:
  ${way}
`;
}

/** Resolves when the command is to stop. */
function stopped(stop: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (stop.aborted) resolve();
    else stop.addEventListener('abort', () => resolve(), { once: true });
  });
}

async function run(command: Command, { io, json, parts }: CommandContext): Promise<void> {
  // Asked for before anything starts: a stop that comes meanwhile is then an orderly one.
  const { stop } = io;
  const given = command.opts<Record<string, string | undefined>>();
  const flags: Record<string, string | undefined> = { config: given.config };
  for (const option of OPTIONS) flags[option.key] = given[new Option(`${option.flag} <x>`).attributeName()];
  const config = loadConfig({ flags, env: io.env, cwd: io.cwd });
  const agent = await parts.startAgent(config);
  const notifier = await parts.notifier();
  const { gatewayUrl, hubUrl, bootstrapToken, firstLink } = agent;
  const ready = {
    gateway_url: gatewayUrl,
    hub_url: hubUrl,
    bootstrap_token: bootstrapToken,
    sign_in_link: firstLink,
  };
  await io.out(json ? `${JSON.stringify(ready)}\n` : readyText(agent));
  await notifier.ready(`gateway ${gatewayUrl}, hub ${hubUrl}`);
  await stopped(stop);
  await notifier.stopping();
  await agent.stop();
}

/** `holdpoint agent`, with a flag for each scalar of agent.yml. */
export function define(command: Command, context: CommandContext): void {
  command
    .option(
      '--config <file>',
      `agent.yml (HOLDPOINT_CONFIG, default ${DEFAULT_CONFIG_FILE}); the runners stand only there`,
    )
    .action((_, own: Command) => run(own, context));
  for (const option of OPTIONS) command.option(`${option.flag} <${option.unit}>`, helpOf(option));
}
