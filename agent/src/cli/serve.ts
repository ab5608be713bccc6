import { type Command, Option } from 'commander';
import type { ConfigOption } from '../config/options.ts';
import type { ConfigSources } from '../config/sources.ts';
import type { CommandContext } from './context.ts';
import type { RunningHub } from './parts.ts';

function helpOf(option: ConfigOption): string {
  const facts = [option.env, option.choices.join(' | '), option.default === null ? '' : `default ${option.default}`];
  return `${option.help} (${facts.filter((fact) => fact !== '').join(', ')})`;
}

/** A flag for each scalar of a configuration file. */
export function withOptions(command: Command, options: readonly ConfigOption[]): Command {
  for (const option of options) command.option(`${option.flag} <${option.unit}>`, helpOf(option));
  return command;
}

/** Flags by key, as the configuration is read from them. */
export function sourcesOf(command: Command, options: readonly ConfigOption[], { io }: CommandContext): ConfigSources {
  const given = command.opts<Record<string, string | undefined>>();
  const flags: Record<string, string | undefined> = { config: given.config };
  for (const option of options) flags[option.key] = given[new Option(`${option.flag} <x>`).attributeName()];
  return { flags, env: io.env, cwd: io.cwd };
}

function firstWords({ bootstrapToken, firstLink, hubUrl }: RunningHub): string {
  if (bootstrapToken === null) return '';
  return `holdpoint: first start; within 15 minutes sign in on the page with this link, which works once:
  ${firstLink}
or make a token of your own with the one-time token in it:
  HOLDPOINT_TOKEN=${bootstrapToken} holdpoint token create --hub ${hubUrl} --user NAME --out FILE
`;
}

/** What a stop needs beside the time for open requests: the last writes, answers of the hub, files that are closed. */
const STOP_MS = 20_000;

/** What a process says when it is ready: to people, as JSON, and to the service manager. */
export interface Ready {
  readonly words: string;
  readonly json: Readonly<Record<string, string | null>>;
}

/** Starts a process of ours, says that it is ready, and stops it in order when that is asked for. */
export async function serve<R extends RunningHub>(
  { io, json, parts }: CommandContext,
  start: () => Promise<R>,
  say: (running: R) => Ready,
): Promise<void> {
  // Asked for before anything starts: a stop that comes meanwhile is then an orderly one.
  const { stop } = io;
  const running = await start();
  const notifier = await parts.notifier();
  const { words, json: addresses } = say(running);
  const { bootstrapToken, firstLink } = running;
  const ready = { ...addresses, bootstrap_token: bootstrapToken, sign_in_link: firstLink };
  await io.out(json ? `${JSON.stringify(ready)}\n` : `holdpoint: ready; ${words}\n${firstWords(running)}`);
  await notifier.ready(words, () => running.alive());
  await stopped(stop);
  const { requests, parked, atMostMs } = running.left();
  const first = requests === 1 ? '1 request is finished first' : `${requests} requests are finished first`;
  const jobs = parked === 1 ? '1 parked job stays' : `${parked} parked jobs stay`;
  const about = parked === null ? '' : `, ${jobs} for the next start`;
  await notifier.stopping(requests === null ? 'stopping' : `stopping; ${first}${about}`, atMostMs + STOP_MS);
  await running.stop();
}

/** Resolves when the command is to stop. */
function stopped(stop: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (stop.aborted) resolve();
    else stop.addEventListener('abort', () => resolve(), { once: true });
  });
}
