import { Command, CommanderError } from 'commander';
import { HoldpointError } from '../domain/errors.ts';
import { suggest } from '../domain/suggest.ts';
import { COMMANDS } from './commands.ts';
import type { CommandContext } from './context.ts';
import { failureOf } from './failure.ts';
import type { Io } from './io.ts';
import type { Parts } from './parts.ts';

const CLOSING = `
Every command has --help and --json; an error is then {"error":{"code","message"}}
on standard error.
Exit codes: 0 ok, 1 failed, 2 bad usage or input, 3 not found,
4 conflict or wrong state, 5 not allowed, 6 cannot reach the hub.
The hub is http://127.0.0.1:8094 unless --hub or HOLDPOINT_HUB_URL says otherwise;
the token comes from --token-file, HOLDPOINT_TOKEN_FILE or HOLDPOINT_TOKEN.`;

/** The first word that is no option: only `--json`, `--help` and `--version` may stand before it. */
function commandName(argv: readonly string[]): string | null {
  return argv.find((word) => !word.startsWith('-')) ?? null;
}

/** An error of commander as one of ours: its sentence on one line, with the way out. */
function usageError(error: CommanderError, name: string | null): HoldpointError {
  const words = error.message.replace(/^error: /, '').replace(/\s*\n\s*/g, ' ');
  const where = COMMANDS.some((entry) => entry.name === name) ? `holdpoint ${name} --help` : 'holdpoint --help';
  return new HoldpointError('bad_usage', `${words}; see "${where}"`);
}

function unknownCommand(name: string): HoldpointError {
  const near = suggest(
    name,
    COMMANDS.map((entry) => entry.name),
  );
  const way = near ? `did you mean "${near}"?` : '"holdpoint --help" lists them';
  return new HoldpointError('bad_usage', `there is no command "${name}"; ${way}`);
}

/**
 * Runs one command line (without node and script) and resolves with its exit code; never rejects.
 * Only the module of the command that is named is loaded, so that `--help` and `digest` stay quick.
 */
export async function runCommandLine(argv: readonly string[], io: Io, parts: Parts): Promise<number> {
  const json = argv.includes('--json');
  const name = commandName(argv);
  let exit = 0;
  const context: CommandContext = { io, parts, json, exitWith: (code) => (exit = code) };
  let pending = Promise.resolve();
  const program = new Command('holdpoint')
    .description('No job configuration that nobody approved starts on this runner.')
    .version(parts.version, '--version', 'print the version')
    .helpOption('-h, --help', 'print this help')
    .helpCommand(false)
    .enablePositionalOptions()
    .exitOverride()
    .configureOutput({
      writeOut: (text) => (pending = pending.then(() => io.out(text))),
      writeErr: () => {},
      outputError: () => {},
      getOutHelpWidth: () => Math.min(io.columns, 120),
      getErrHelpWidth: () => Math.min(io.columns, 120),
      getOutHasColors: () => false,
      getErrHasColors: () => false,
    })
    .option('--json', 'answer as JSON')
    .configureHelp({
      subcommandTerm: (command) =>
        `${command.name()} ${COMMANDS.find((entry) => entry.name === command.name())?.usage ?? ''}`.trimEnd(),
    })
    .addHelpText('after', CLOSING);
  try {
    if (name !== null && !COMMANDS.some((entry) => entry.name === name)) throw unknownCommand(name);
    for (const entry of COMMANDS) {
      const command = program.command(entry.name).description(entry.summary).configureHelp({}).helpCommand(false);
      if (entry.name === name) (await entry.load()).define(command, context);
      if (!command.options.some((option) => option.long === '--json')) command.option('--json', 'answer as JSON');
    }
    if (argv.length === 0 || (name === null && !argv.some((word) => ['-h', '--help', '--version'].includes(word)))) {
      throw new HoldpointError('bad_usage', 'no command given; "holdpoint --help" lists them');
    }
    await program.parseAsync(argv, { from: 'user' });
    await pending;
    return exit;
  } catch (error) {
    await pending;
    if (error instanceof CommanderError && error.exitCode === 0) return 0;
    const failure = failureOf(error instanceof CommanderError ? usageError(error, name) : error, json);
    io.err(failure.text);
    return failure.exit;
  }
}
