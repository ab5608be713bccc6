import type { Command } from 'commander';
import { printable } from '../../domain/printable.ts';
import { agentSchema } from '../../wire/api.ts';
import { connectHub, withHub } from '../connect.ts';
import type { CommandContext } from '../context.ts';
import { age, table } from '../render.ts';

async function list(command: Command, { io, json }: CommandContext): Promise<void> {
  const agents = await connectHub(command, io).list('/api/v1/agents', agentSchema);
  if (json) return io.out(`${JSON.stringify({ items: agents, next_cursor: null })}\n`);
  if (agents.length === 0) return io.out('The hub knows no agent: no job is held.\n');
  const rows = agents.map((agent) => [
    agent.name,
    agent.connected ? 'connected' : 'away',
    agent.since === null ? 'never' : age(io.now() - Date.parse(agent.since)),
    agent.version ?? '',
    String(agent.parked),
    agent.runners.map((runner) => `${runner.name}${runner.protected ? '' : ' (not gated)'}`).join(', ') ||
      'none listed',
  ]);
  const heads = [
    { title: 'AGENT', least: 8 },
    { title: 'LINK' },
    { title: 'SINCE', right: true },
    { title: 'VERSION', least: 7 },
    { title: 'PARKED', right: true },
    { title: 'RUNNERS', least: 10 },
  ];
  const problems = agents.flatMap(({ name, problems: list }) =>
    list.map(({ message }) => `${name}: ${printable(message)}\n`),
  );
  return io.out(`${table(heads, rows, io.columns)}${problems.join('')}`);
}

/** `holdpoint agents [list]`. */
export function define(command: Command, context: CommandContext): void {
  withHub(command.command('list', { isDefault: true }))
    .description('agents with their runners and how many jobs they have parked')
    .action((_, own: Command) => list(own, context));
}
