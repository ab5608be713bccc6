import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import { HoldpointError } from '../../domain/errors.ts';
import { printable } from '../../domain/printable.ts';
import type { ReceiptRow } from '../../wire/receipts.ts';
import type { CommandContext } from '../context.ts';
import type { ReceiptParts } from '../parts.ts';
import { age, minute, table } from '../render.ts';

const DEFAULT_SOCKET = '/run/holdpoint/receipts.sock';
/** A person waits less patiently than a job. */
const PATIENCE_MS = { person: 1_000, hook: 90_000 } as const;

function ask(command: Command, { parts, io }: CommandContext, whose: keyof typeof PATIENCE_MS): Promise<ReceiptParts> {
  const { socket, runner } = command.optsWithGlobals<{ socket?: string; runner?: string }>();
  const path = socket ?? (io.env.HOLDPOINT_RECEIPTS_SOCKET || DEFAULT_SOCKET);
  return parts.receipts({ socket: path, runner: runner ?? null, patienceMs: PATIENCE_MS[whose] });
}

async function rowsOf(command: Command, context: CommandContext): Promise<readonly ReceiptRow[]> {
  const client = await ask(command, context, 'person');
  try {
    return await client.list();
  } catch (cause) {
    const way = 'is the agent up, is receipts.socket set in agent.yml, and does receipts.users name you?';
    throw new HoldpointError('not_ready', `the agent of this host does not answer with its receipts: ${way}`, {
      cause,
    });
  }
}

async function list(command: Command, context: CommandContext): Promise<void> {
  const { io, json } = context;
  const rows = await rowsOf(command, context);
  if (json) return io.out(`${JSON.stringify({ items: rows, next_cursor: null })}\n`);
  if (rows.length === 0) return io.out('No receipt lies here: no job was handed over lately.\n');
  const heads = [
    { title: 'JOB', right: true },
    { title: 'STATE' },
    { title: 'THROUGH' },
    { title: 'HOLD', right: true },
    { title: 'RUNNER', least: 8 },
    { title: 'AGE', right: true },
    { title: 'BY UID', right: true },
  ];
  return io.out(
    table(
      heads,
      rows.map((row) => [
        String(row.job_id),
        stateOf(row, io.now()),
        row.through,
        row.hold === null ? '' : String(row.hold),
        row.runner,
        age(io.now() - Date.parse(row.issued)),
        row.spent_by_uid === null ? '' : String(row.spent_by_uid),
      ]),
      io.columns,
    ),
  );
}

const stateOf = ({ state, expires }: ReceiptRow, now: number) =>
  state === 'issued' && Date.parse(expires) < now ? 'expired' : state;

async function show(text: string, command: Command, context: CommandContext): Promise<void> {
  const { io, json } = context;
  const row = (await rowsOf(command, context)).find(({ job_id }) => String(job_id) === text);
  if (row === undefined)
    throw new HoldpointError(
      'not_found',
      `job ${printable(text).slice(0, 40)} has no receipt here: it was not handed over by this agent, or long ago; "holdpoint receipt list" shows those that there are`,
    );
  if (json) return io.out(`${JSON.stringify(row)}\n`);
  const { hold, digest, spent_at: spentAt } = row;
  const lines = [
    `receipt of job ${row.job_id}: ${stateOf(row, io.now())}`,
    `  let through: ${row.through}${hold === null ? '' : `, hold ${hold}`}, for runner ${row.runner}`,
    `  digest: ${digest === '' ? 'none: this runner is not gated' : digest}`,
    `  handed over ${minute(row.issued)}, to be spent by ${minute(row.expires)}`,
    spentAt === null ? '  nobody has asked for it' : `  spent ${minute(spentAt)} by user ${row.spent_by_uid}`,
    ...Object.entries(row.images).map(
      ([reference, content]) => `  image ${reference} is ${content || 'what its name stands for: nobody could tell'}`,
    ),
  ];
  return io.out(`${lines.map(printable).join('\n')}\n`);
}

/** Whoever calls this is told by the exit code; gitlab-runner has one of its own for what is not the job's fault. */
function refusedCode(env: Readonly<Record<string, string | undefined>>): number {
  const code = Number(env.SYSTEM_FAILURE_EXIT_CODE);
  return Number.isInteger(code) && code > 0 && code < 256 ? code : 1;
}

async function check(command: Command, context: CommandContext): Promise<void> {
  const { io, json } = context;
  const { jobResponse, session } = command.opts<{ jobResponse?: string; session?: string }>();
  const file = jobResponse ?? io.env.JOB_RESPONSE_FILE;
  const { CI_JOB_ID: id = '', CI_JOB_TOKEN: token = '' } = io.env;
  const client = await ask(command, context, 'hook');
  let answer: Awaited<ReturnType<ReceiptParts['spend']>>;
  if (file) {
    let bytes: Buffer;
    try {
      bytes = readFileSync(file);
    } catch (cause) {
      const code = (cause as NodeJS.ErrnoException).code ?? 'failed';
      throw new HoldpointError('bad_input', `JOB_RESPONSE_FILE ${file} cannot be read (${code})`, { cause });
    }
    answer = await client.spend(bytes, session ?? 'check');
  } else if (/^[1-9]\d{0,15}$/.test(id) && token !== '') answer = await client.check(Number(id), token);
  else {
    throw new HoldpointError(
      'bad_usage',
      'no job to check: wanted JOB_RESPONSE_FILE, as gitlab-runner gives it to a custom executor, or CI_JOB_ID and CI_JOB_TOKEN, as in a hook',
    );
  }
  if (json) await io.out(`${JSON.stringify(answer)}\n`);
  else if (answer.ok) {
    const { jobId, through = 'gate', digest } = answer.receipt;
    await io.out(printable(`holdpoint: job ${jobId} was let through (${through}) ${digest}`).concat('\n'));
  } else io.err(`holdpoint: ${printable(answer.words)}\n`);
  if (!answer.ok) context.exitWith(refusedCode(io.env));
}

/** `holdpoint receipt [list|show|check]`: what the agent of this host has handed over, asked over its socket. */
export function define(command: Command, context: CommandContext): void {
  const add = (name: string, isDefault = false) =>
    command
      .command(name, { isDefault })
      .option('--socket <path>', `socket of the agent (HOLDPOINT_RECEIPTS_SOCKET, default ${DEFAULT_SOCKET})`)
      .option('--json', 'answer as JSON');
  add('list', true)
    .description('what was handed over lately, and what became of it')
    .action((_, own: Command) => list(own, context));
  add('show')
    .description('the receipt of one job')
    .argument('<job>')
    .action((id: string, _, own: Command) => show(id, own, context));
  add('check')
    .description('spend the receipt of the job that is about to run; exit code 0 only where there is one')
    .option('--job-response <file>', 'JOB_RESPONSE_FILE of gitlab-runner; without it CI_JOB_ID and CI_JOB_TOKEN')
    .option('--session <name>', 'who may ask again for the same job')
    .option('--runner <name>', 'refuse what was handed to another runner')
    .action((_, own: Command) => check(own, context));
}
