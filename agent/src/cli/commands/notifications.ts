import type { Command } from 'commander';
import { HoldpointError } from '../../domain/errors.ts';
import { printable } from '../../domain/printable.ts';
import { channelsSchema, deliverySchema, retriedManySchema, testedSchema } from '../../wire/notifications.ts';
import { connectHub, idOf, withHub } from '../connect.ts';
import type { CommandContext } from '../context.ts';
import { minute, table } from '../render.ts';

interface ListFlags {
  readonly state?: string;
  readonly channel?: string;
}

async function list(command: Command, { io, json }: CommandContext): Promise<void> {
  const { state, channel } = command.opts<ListFlags>();
  const items = await connectHub(command, io).list('/api/v1/notifications', deliverySchema, { state, channel });
  if (json) return io.out(`${JSON.stringify({ items, next_cursor: null })}\n`);
  if (items.length === 0) return io.out('There are no such notifications.\n');
  const rows = items.map((one) => [
    String(one.id),
    one.state,
    minute(one.sent_at ?? one.due_at),
    one.event,
    one.channel,
    one.target,
    String(one.tries),
    one.last_error ?? '',
  ]);
  const heads = [
    { title: 'ID', right: true },
    { title: 'STATE' },
    { title: 'SENT OR DUE' },
    { title: 'EVENT', least: 8 },
    { title: 'CHANNEL', least: 6 },
    { title: 'TO', least: 8 },
    { title: 'TRIES', right: true },
    { title: 'WHAT WENT WRONG', least: 8 },
  ];
  return io.out(table(heads, rows, io.columns));
}

async function retry(text: string | undefined, command: Command, { io, json }: CommandContext): Promise<void> {
  const { all, channel } = command.opts<{ all?: boolean; channel?: string }>();
  if ((text === undefined) !== (all === true || channel !== undefined))
    throw new HoldpointError('bad_usage', 'which notifications? Give an id, or --all, or --channel NAME');
  const hub = connectHub(command, io);
  const done =
    text === undefined
      ? await hub.post('/api/v1/notifications/retry', retriedManySchema, channel === undefined ? {} : { channel })
      : await hub.post(`/api/v1/notifications/${idOf(text, 'notification')}/retry`, retriedManySchema, {});
  if (json) return io.out(`${JSON.stringify(done)}\n`);
  return io.out(`${done.retried} ${done.retried === 1 ? 'notification is' : 'notifications are'} tried again\n`);
}

async function test(channel: string, command: Command, { io, json }: CommandContext): Promise<void> {
  const sent = await connectHub(command, io).post('/api/v1/notifications/test', testedSchema, { channel });
  if (json) return io.out(`${JSON.stringify(sent)}\n`);
  return io.out(
    `${printable(`a test goes through channel ${channel} as notification ${sent.id}: see "holdpoint notifications list" for what becomes of it`)}\n`,
  );
}

async function channels(command: Command, { io, json }: CommandContext): Promise<void> {
  const { items } = await connectHub(command, io).get('/api/v1/notifications/channels', channelsSchema);
  if (json) return io.out(`${JSON.stringify({ items })}\n`);
  if (items.length === 0) return io.out('No channel is defined: hub.notify of agent.yml does that.\n');
  return io.out(
    table(
      [{ title: 'CHANNEL' }, { title: 'KIND' }],
      items.map(({ name, kind }) => [name, kind]),
      io.columns,
    ),
  );
}

/** `holdpoint notifications [list|channels|retry|test]`. */
export function define(command: Command, context: CommandContext): void {
  withHub(command.command('list', { isDefault: true }))
    .description('what was sent, waits to be sent, or could not be sent; the newest first')
    .option('--state <states>', 'waiting, sent, dead; several with commas between')
    .option('--channel <name>')
    .action((_, own: Command) => list(own, context));
  withHub(command.command('channels'))
    .description('channels that the operator has defined')
    .action((_, own: Command) => channels(own, context));
  withHub(command.command('retry'))
    .description('try notifications again that could not be sent')
    .argument('[id]')
    .option('--all', 'all of them')
    .option('--channel <name>', 'all of one channel')
    .action((id: string | undefined, _, own: Command) => retry(id, own, context));
  withHub(command.command('test'))
    .description('send a test through a channel; mail goes to you')
    .argument('<channel>')
    .action((channel: string, _, own: Command) => test(channel, own, context));
}
