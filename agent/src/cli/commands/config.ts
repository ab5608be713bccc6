import type { Command } from 'commander';
import { describeConfig } from '../../config/describe.ts';
import { loadConfig } from '../../config/load.ts';
import { agentSources, withAgentConfig } from '../config-flags.ts';
import type { CommandContext } from '../context.ts';
import { table } from '../render.ts';

async function run(command: Command, context: CommandContext): Promise<void> {
  const { io, json } = context;
  const sources = agentSources(command, context);
  const rows = describeConfig(sources);
  if (json) await io.out(`${JSON.stringify({ items: rows })}\n`);
  else {
    const heads = [{ title: 'KEY' }, { title: 'VALUE', least: 20 }, { title: 'FROM', least: 12 }];
    // Whoever reads it in a file or a pipe wants it whole.
    const fit = Math.max(io.columns, 200);
    await io.out(
      table(
        heads,
        rows.map(({ key, value, source }) => [key, value ?? '', source]),
        fit,
      ),
    );
  }
  // What is wrong is said as the agent would say it, with its exit code; what is in force was shown all the same.
  loadConfig(sources);
}

/** `holdpoint config`: what is in force and where it comes from, without secrets. */
export function define(command: Command, context: CommandContext): void {
  withAgentConfig(command)
    .addHelpText(
      'after',
      '\nIt takes every flag of "holdpoint agent" beside these. Secrets are not shown. Exit code 2: the agent would not start with it.',
    )
    .action((_, own: Command) => run(own, context));
}
