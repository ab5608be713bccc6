import type { Command } from 'commander';
import { printable } from '../../domain/printable.ts';
import { holdDetailSchema } from '../../wire/api.ts';
import { type BreakGlassView, breakGlassSchema } from '../../wire/break-glass.ts';
import { connectHub, idOf, withHub } from '../connect.ts';
import type { CommandContext } from '../context.ts';
import { fullDigest, holdWithDigest } from '../decide.ts';
import { age, minute, table } from '../render.ts';

function lines(glass: BreakGlassView): string {
  const { closed } = glass;
  const found =
    closed === null
      ? `somebody else has to look at it by ${minute(glass.review_by)}: holdpoint break-glass close ${glass.id} --finding justified|not_justified --comment WHY`
      : `${closed.by.username} found it ${closed.finding.replace('_', ' ')} on ${minute(closed.at)}: ${closed.comment}`;
  return [
    `break-glass ${glass.id}: hold ${glass.hold} (${glass.project_path ?? glass.project_id} ${glass.job}, ${glass.ref})`,
    `  ${glass.state}; ${glass.person.username} (${glass.rule}) on ${minute(glass.at)}${glass.frozen ? ', during a freeze' : ''}: ${glass.reason}`,
    `  ${found}`,
  ]
    .map((line) => `${printable(line)}\n`)
    .join('');
}

async function smash(text: string, command: Command, { io, json }: CommandContext): Promise<void> {
  const flags = command.opts<{ reason: string; digest?: string }>();
  const hub = connectHub(command, io);
  const id = idOf(text, 'hold');
  // In an emergency nobody copies a hash; who gives one breaks the glass for nothing else (T13).
  const hold =
    flags.digest === undefined
      ? await hub.get(`/api/v1/holds/${id}`, holdDetailSchema)
      : await holdWithDigest(hub, id, fullDigest(flags.digest));
  const body = { digest: hold.digest, reason: flags.reason };
  const glass = await hub.post(`/api/v1/holds/${id}/break-glass`, breakGlassSchema, body);
  if (json) return io.out(`${JSON.stringify(glass)}\n`);
  return io.out(
    `${lines(glass)}  nobody approved it: it has to start by ${minute(glass.until)}, and counts for this run alone\n`,
  );
}

async function list(command: Command, { io, json }: CommandContext): Promise<void> {
  const all = command.opts<{ all?: boolean }>().all === true;
  const found = await connectHub(command, io).list('/api/v1/break-glass', breakGlassSchema, {
    state: all ? 'all' : 'open',
  });
  if (json) return io.out(`${JSON.stringify({ items: found, next_cursor: null })}\n`);
  if (found.length === 0)
    return io.out(
      all ? 'Nobody ever broke the glass.\n' : 'Nothing that was run without its approval waits to be looked at.\n',
    );
  const rows = found.map((glass) => [
    String(glass.id),
    glass.state,
    String(glass.hold),
    `${glass.project_path ?? glass.project_id} ${glass.job}`,
    glass.person.username,
    age(io.now() - Date.parse(glass.at)),
    glass.reason,
  ]);
  const heads = [
    { title: 'ID', right: true },
    { title: 'STATE' },
    { title: 'HOLD', right: true },
    { title: 'JOB', least: 12 },
    { title: 'BY', least: 6 },
    { title: 'AGE', right: true },
    { title: 'REASON', least: 8 },
  ];
  return io.out(table(heads, rows, io.columns));
}

async function close(text: string, command: Command, { io, json }: CommandContext): Promise<void> {
  const { finding, comment } = command.opts<{ finding: string; comment: string }>();
  const id = idOf(text, 'break-glass');
  const glass = await connectHub(command, io).post(`/api/v1/break-glass/${id}/close`, breakGlassSchema, {
    finding,
    comment,
  });
  return io.out(json ? `${JSON.stringify(glass)}\n` : lines(glass));
}

/** `holdpoint break-glass HOLD --reason WHY` and `holdpoint break-glass [list|show|close]`. */
export function define(command: Command, context: CommandContext): void {
  withHub(command.command('hold', { isDefault: true }))
    .description('run one job that nobody approved; said to everybody, and somebody else has to look at it')
    .argument('<hold>')
    .option('--digest <sha256>', 'only if the Hold has this digest')
    .requiredOption('--reason <text>', 'why it cannot wait')
    .action((id: string, _, own: Command) => smash(id, own, context));
  withHub(command.command('list'))
    .description('what was run without its approval and waits to be looked at')
    .option('--all', 'what somebody has looked at as well')
    .action((_, own: Command) => list(own, context));
  withHub(command.command('show'))
    .description('one of them')
    .argument('<id>')
    .action(async (text: string, _, own: Command) => {
      const glass = await connectHub(own, context.io).get(
        `/api/v1/break-glass/${idOf(text, 'break-glass')}`,
        breakGlassSchema,
      );
      return context.io.out(context.json ? `${JSON.stringify(glass)}\n` : lines(glass));
    });
  withHub(command.command('close'))
    .description('say what you found; nobody closes their own')
    .argument('<id>')
    .requiredOption('--finding <word>', 'justified or not_justified')
    .requiredOption('--comment <text>', 'what you found')
    .action((id: string, _, own: Command) => close(id, own, context));
}
