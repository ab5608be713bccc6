import type { Command } from 'commander';
import { loadExecutorConfig } from '../../config/executor.ts';
import { EXECUTOR_FILE } from '../../config/file-kinds.ts';
import type { CommandContext } from '../context.ts';
import { failureOf } from '../failure.ts';
import type { ExecutorParts } from '../parts.ts';
import { sourcesOf, withOptions } from '../serve.ts';

const { options, defaultFile } = EXECUTOR_FILE;

/** What tells gitlab-runner that it was not the job's fault, where it has not said how: no code of ours means that. */
const SYSTEM_FAILURE = 75;

/**
 * Does one verb and ends with the code that gitlab-runner understands: whatever goes wrong here, a configuration that
 * cannot be read included, is the host's failure and never the job's, and never a success.
 */
async function verb(
  command: Command,
  context: CommandContext,
  work: (executor: ExecutorParts, stop: AbortSignal) => Promise<number>,
): Promise<void> {
  const { io, json, parts } = context;
  const { stop } = io;
  const code = Number(io.env.SYSTEM_FAILURE_EXIT_CODE);
  try {
    const config = loadExecutorConfig(sourcesOf(command, options, context));
    context.exitWith(await work(await parts.executor(config, io.env), stop));
  } catch (error) {
    io.err(failureOf(error, json).text);
    context.exitWith(Number.isSafeInteger(code) && code > 0 && code < 256 ? code : SYSTEM_FAILURE);
  }
}

/** `holdpoint executor`: what `[runners.custom]` of gitlab-runner calls. */
export function define(command: Command, context: CommandContext): void {
  const add = (usage: string, words: string) =>
    withOptions(
      command
        .command(usage)
        .description(words)
        .option('--config <file>', `executor.yml (HOLDPOINT_CONFIG, default ${defaultFile})`),
      options,
    ).option('--json', 'answer as JSON');
  command.addHelpText(
    'after',
    '\nCalled by gitlab-runner: config_exec, prepare_exec, run_exec and cleanup_exec of [runners.custom]. Each takes --config FILE\nand a flag for each option of executor.yml; "holdpoint executor prepare --help" lists them.',
  );
  add('config', 'say where the job will find its folders').action((_, own: Command) =>
    verb(own, context, async (executor) => {
      await context.io.out(`${JSON.stringify(await executor.config())}\n`);
      return 0;
    }),
  );
  add('prepare', 'ask the gate for the receipt, then make what the job needs').action((_, own: Command) =>
    verb(own, context, (executor, stop) => executor.prepare(stop)),
  );
  add('run', 'run one script of gitlab-runner')
    .argument('<script>', 'path of the script')
    .argument('<stage>', 'name of the stage')
    .action((script: string, stage: string, _, own: Command) =>
      verb(own, context, (executor, stop) => executor.run(script, stage, stop)),
    );
  add('cleanup', 'remove everything of the job').action((_, own: Command) =>
    verb(own, context, (executor) => executor.cleanup()),
  );
  add('sweep', 'remove what jobs have left whose runner is gone').action((_, own: Command) =>
    verb(own, context, async (executor) => {
      const sessions = await executor.sweep();
      await context.io.out(
        context.json
          ? `${JSON.stringify({ items: sessions })}\n`
          : sessions.map((session) => `removed what job ${session.split('-')[0]} had left\n`).join('') ||
              'nothing is left over\n',
      );
      return 0;
    }),
  );
}
