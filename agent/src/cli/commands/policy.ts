import type { Command } from 'commander';
import { explanationSchema, policyViewSchema } from '../../wire/policy.ts';
import { connectHub, withHub } from '../connect.ts';
import type { CommandContext } from '../context.ts';
import { fileIo } from '../file-io.ts';
import { exitOf, type FileIo, FileProblem } from '../payload-files.ts';
import { checkCommand } from '../policy-check.ts';
import {
  explainCommand,
  factsOfPayload,
  type JobFlags,
  targetOfFacts,
  targetOfFlags,
  timeOf,
} from '../policy-explain.ts';
import { policyPage } from '../policy-page.ts';
import { testCommand } from '../policy-test.ts';

/** Runs something that reads files; a file that cannot be read is said on standard error. */
async function withFiles(
  { io, json, exitWith }: CommandContext,
  run: (files: FileIo) => Promise<number>,
): Promise<void> {
  const { files, written } = fileIo(io, json);
  try {
    exitWith(await run(files));
  } catch (error) {
    if (!(error instanceof FileProblem)) throw error;
    files.err(`${error.message}\n`, error.code);
    exitWith(exitOf(error.code));
  }
  await written();
}

interface ExplainFlags extends JobFlags {
  readonly policy?: string;
  readonly principals?: string;
}

/** The same question to the hub, about the policy in force there and the people whom it knows. */
async function explainThere(payload: string | undefined, command: Command, context: CommandContext): Promise<void> {
  const { io, json, parts } = context;
  const flags = command.opts<ExplainFlags>();
  const { files } = fileIo(io, json);
  const target =
    payload === undefined
      ? targetOfFlags(flags, null)
      : targetOfFacts((await factsOfPayload(payload, files, (await parts.payloads()).readPayload)).facts);
  const query = {
    project: target.projectId === 0 ? (target.projectPath ?? '') : target.projectId,
    job: target.job,
    ref: target.ref,
    protected: String(target.refProtected),
    environment: target.environment ?? undefined,
    tier: flags.tier,
    at: flags.at === undefined ? undefined : new Date(timeOf(flags.at, io.now())).toISOString(),
  };
  const found = await connectHub(command, io).get('/api/v1/policy/explain', explanationSchema, query);
  return io.out(json ? `${JSON.stringify(found)}\n` : `${found.lines.join('\n')}\n`);
}

async function show(command: Command, { io, json }: CommandContext): Promise<void> {
  const policy = await connectHub(command, io).get('/api/v1/policy', policyViewSchema);
  return io.out(json ? `${JSON.stringify(policy)}\n` : policyPage(policy, io.now()));
}

/** `holdpoint policy [show|check|explain|test|schema]`. */
export function define(command: Command, context: CommandContext): void {
  const { io, json, parts } = context;
  withHub(command.command('show', { isDefault: true }))
    .description('the policy in force on the hub')
    .action((_, own: Command) => show(own, context));
  command
    .command('check')
    .description('everything that is wrong with policy files, with its line')
    .argument('<file...>')
    .option('--principals <file>', 'who there is (default: principals.yaml beside each policy)')
    .option('--channels <names>', 'channels that hub.notify defines, with commas between (default: any name will do)')
    .option('--strict', 'fail for warnings too')
    .option('--json', 'answer as JSON')
    .action((files: string[], flags: { principals?: string; channels?: string; strict?: boolean }) =>
      withFiles(context, async (own) =>
        checkCommand(files, { ...flags, json, now: io.now() }, own, await parts.policies()),
      ),
    );
  withHub(command.command('explain'))
    .description('which entries fit a job, what holds for it, and who could approve it')
    .argument('[payload]', 'a job payload instead of --project, --job, …')
    .option('--policy <file>', 'a policy file instead of the policy of the hub')
    .option('--principals <file>', 'who there is (default: principals.yaml beside the policy file)')
    .option('--project <id|path>')
    .option('--job <name>')
    .option('--ref <ref>', 'full ref, or the name of a branch (default: refs/heads/main)')
    .option('--unprotected', 'the ref is not protected')
    .option('--environment <name>')
    .option('--tier <tier>', 'tier that the job declares for its environment')
    .option('--at <time>', 'in UTC, as in 2026-12-24T18:00:00Z (default: now)')
    .action((payload: string | undefined, flags: ExplainFlags, own: Command) => {
      const { policy } = flags;
      if (policy === undefined)
        return withFiles(context, async () => explainThere(payload, own, context).then(() => 0));
      return withFiles(context, async (files) =>
        explainCommand(
          payload,
          { ...flags, policy },
          { json, now: io.now() },
          files,
          await parts.policies(),
          parts.payloads,
        ),
      );
    });
  command
    .command('test')
    .description('run the cases of files with policy tests')
    .argument('<file...>')
    .option('--json', 'answer as JSON')
    .action((files: string[]) =>
      withFiles(context, async (own) => testCommand(files, json, own, await parts.policies(), parts.payloads)),
    );
  command
    .command('schema')
    .description('JSON Schema of policy.yaml, for editors')
    .option('--tests', 'of the files with policy tests instead')
    .action(async (flags: { tests?: boolean }) => {
      const { schema } = await parts.policies();
      return io.out(`${JSON.stringify(schema(flags.tests === true ? 'tests' : 'policy'), null, 2)}\n`);
    });
}
