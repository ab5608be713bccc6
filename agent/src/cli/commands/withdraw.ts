import type { Command } from 'commander';
import { printable } from '../../domain/printable.ts';
import { type HoldView, holdSchema } from '../../wire/api.ts';
import { connectHub, idOf, withHub } from '../connect.ts';
import type { CommandContext } from '../context.ts';
import { commentOf } from '../decide.ts';

async function withdraw(texts: readonly string[], command: Command, { io, json }: CommandContext): Promise<void> {
  const comment = commentOf(command.opts<{ comment?: string }>().comment);
  const ids = [...new Set(texts.map((text) => idOf(text, 'hold')))];
  const hub = connectHub(command, io);
  const done: HoldView[] = [];
  for (const id of ids) {
    const hold = await hub.post(`/api/v1/holds/${id}/withdraw`, holdSchema, {
      ...(comment !== undefined && { comment }),
    });
    done.push(hold);
    if (!json) await io.out(`${printable(`hold ${hold.id} (${hold.job}): ${hold.state}; your vote is withdrawn`)}\n`);
  }
  if (json) await io.out(`${JSON.stringify({ items: done, next_cursor: null })}\n`);
}

/** `holdpoint withdraw ID…`. */
export function define(command: Command, context: CommandContext): void {
  withHub(command)
    .argument('<id...>', 'Holds that you have voted on')
    .option('--comment <text>', 'why')
    .action((ids: string[], _, own: Command) => withdraw(ids, own, context));
}
