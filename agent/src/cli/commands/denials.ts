import type { Command } from 'commander';
import { printable } from '../../domain/printable.ts';
import { denialSchema } from '../../wire/approvals.ts';
import { connectHub, idOf, withHub } from '../connect.ts';
import type { CommandContext } from '../context.ts';
import { commentOf } from '../decide.ts';
import { minute, table } from '../render.ts';

async function list(command: Command, { io, json }: CommandContext): Promise<void> {
  const all = command.opts<{ all?: boolean }>().all === true;
  const found = await connectHub(command, io).list('/api/v1/denials', denialSchema);
  const items = all ? found : found.filter((denial) => denial.in_force);
  if (json) return io.out(`${JSON.stringify({ items, next_cursor: null })}\n`);
  if (items.length === 0) return io.out('No configuration is denied at present.\n');
  const rows = items.map((denial) => [
    String(denial.id),
    denial.lifted_at !== null ? 'lifted' : denial.in_force ? 'denied' : 'over',
    minute(denial.lifted_at ?? denial.until),
    `${denial.project_id} ${denial.job}`,
    denial.by,
    denial.digest,
    denial.reason,
  ]);
  const heads = [
    { title: 'ID', right: true },
    { title: 'STATE' },
    { title: 'UNTIL' },
    { title: 'JOB', least: 8 },
    { title: 'BY', least: 6 },
    { title: 'DIGEST', least: 14 },
    { title: 'WHY', least: 8 },
  ];
  return io.out(table(heads, rows, io.columns));
}

async function lift(text: string, command: Command, { io, json }: CommandContext): Promise<void> {
  const id = idOf(text, 'denial');
  const comment = commentOf(command.opts<{ comment?: string }>().comment);
  const body = comment === undefined ? {} : { comment };
  const denial = await connectHub(command, io).post(`/api/v1/denials/${id}/lift`, denialSchema, body);
  if (json) return io.out(`${JSON.stringify(denial)}\n`);
  return io.out(`${printable(`denial ${id} is lifted: jobs ${denial.job} with it wait for approval again`)}\n`);
}

/** `holdpoint denials [list|lift ID]`. */
export function define(command: Command, context: CommandContext): void {
  withHub(command.command('list', { isDefault: true }))
    .description('configurations whose reject is remembered: jobs with them are refused at once')
    .option('--all', 'those that were lifted or are over as well')
    .action((_, own: Command) => list(own, context));
  withHub(command.command('lift'))
    .description('end a remembered reject; later jobs wait for approval again')
    .argument('<id>')
    .option('--comment <text>', 'why')
    .action((id: string, _, own: Command) => lift(id, own, context));
}
