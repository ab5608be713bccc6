import type { Command } from 'commander';
import { printable } from '../../domain/printable.ts';
import { invitationSchema } from '../../wire/agents.ts';
import { type AgentView, agentSchema } from '../../wire/api.ts';
import { askForSecret } from '../ask-for-secret.ts';
import { connectHub, withHub } from '../connect.ts';
import type { CommandContext } from '../context.ts';
import { age, table } from '../render.ts';

async function list(command: Command, { io, json }: CommandContext): Promise<void> {
  const agents = await connectHub(command, io).list('/api/v1/agents', agentSchema);
  if (json) return io.out(`${JSON.stringify({ items: agents, next_cursor: null })}\n`);
  if (agents.length === 0) return io.out('The hub knows no agent: no job is held.\n');
  const rows = agents.map((agent) => [
    agent.name,
    agent.connected ? 'connected' : agent.revoked_at === null ? 'away' : 'revoked',
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
  const held = agents.flatMap((agent) => {
    const parts = heldWords(agent, io.now());
    return parts.length === 0 ? [] : [`${agent.name}: ${parts.join(', ')}\n`];
  });
  const warnings = agents.flatMap(({ name, warnings: list }) => list.map((words) => `${name}: ${printable(words)}\n`));
  const hosts = agents.flatMap(({ name, examined }) => {
    if (examined === null || examined.fail + examined.warn === 0) return [];
    const told = `${name}: its host has ${examined.fail} to mend and ${examined.warn} to look at`;
    const bad = (examined.findings ?? []).filter(({ status }) => status === 'fail');
    return [
      `${told}${examined.findings === null ? '; administrators see what' : ''}\n`,
      ...bad.map(({ title, message, mend }) => `  ${printable(`${title}: ${message}; ${mend ?? ''}`)}\n`),
    ];
  });
  return io.out(`${table(heads, rows, io.columns)}${[held, problems, warnings, hosts].flat().join('')}`);
}

/** What it goes by without the hub, and its clock where that is worth a word. */
function heldWords({ snapshot, clock_skew_ms: skew }: AgentView, now: number): readonly string[] {
  const ahead =
    skew === null || Math.abs(skew) < 1_000
      ? []
      : [`clock ${skew > 0 ? '+' : '-'}${Math.round(Math.abs(skew) / 1_000)}s`];
  if (snapshot === null) return ahead;
  const policy = `policy ${printable(snapshot.policy).slice(0, 15)}${snapshot.policy_in_force ? '' : ' (not in force)'}`;
  return [`snapshot ${snapshot.seq}, ${age(now - Date.parse(snapshot.heard_at))} old`, policy, ...ahead];
}

async function enroll(name: string, command: Command, context: CommandContext): Promise<void> {
  const { out } = command.opts<{ readonly out?: string }>();
  const wish = { path: '/api/v1/agents', schema: invitationSchema, body: { name }, out };
  await askForSecret(connectHub(command, context.io), wish, context, (made) => ({
    about: `enrolment of agent ${made.name}, good once until ${made.expires_at.slice(11, 16)}Z`,
    keep: 'keep it in a file with mode 600 on that host, name the file with hub.enrolment_token_file, and start its agent',
  }));
}

async function revoke(name: string, command: Command, { io, json }: CommandContext): Promise<void> {
  const { reason = null } = command.opts<{ readonly reason?: string }>();
  const path = `/api/v1/agents/${encodeURIComponent(name)}/revoke`;
  const agent = await connectHub(command, io).post(path, agentSchema, { reason });
  if (json) return io.out(`${JSON.stringify(agent)}\n`);
  return io.out(`Agent ${name} is revoked: its link is cut, and it is refused from now on.\n`);
}

/** `holdpoint agents [list|enroll|revoke]`. */
export function define(command: Command, context: CommandContext): void {
  withHub(command.command('enroll <name>'))
    .description('make a one-time token, good for 10 minutes, with which a host becomes this agent')
    .option('--out <file>', 'write the token to a new file (mode 600) instead of printing it')
    .action((name: string, _, own: Command) => enroll(name, own, context));
  withHub(command.command('revoke <name>'))
    .description('cut the link of an agent, and refuse it from now on')
    .option('--reason <text>', 'why, for the audit')
    .action((name: string, _, own: Command) => revoke(name, own, context));
  withHub(command.command('list', { isDefault: true }))
    .description('agents with their runners and how many jobs they have parked')
    .action((_, own: Command) => list(own, context));
}
