import type { Command } from 'commander';
import { z } from 'zod';
import { printable } from '../../domain/printable.ts';
import { holdDetailSchema } from '../../wire/api.ts';
import { connectHub, idOf, withHub } from '../connect.ts';
import type { CommandContext } from '../context.ts';
import { commentOf, fullDigest, holdWithDigest } from '../decide.ts';

interface Flags {
  readonly comment: string;
  readonly digest?: string;
  readonly remember?: boolean;
}

async function reject(text: string, command: Command, { io, json }: CommandContext): Promise<void> {
  const flags = command.opts<Flags>();
  const id = idOf(text, 'hold');
  const comment = commentOf(flags.comment);
  const hub = connectHub(command, io);
  // Unlike an approve, a reject of what was not looked at harms nobody: the digest is the Hold's own unless one is given.
  const hold = flags.digest
    ? await holdWithDigest(hub, id, fullDigest(flags.digest))
    : await hub.get(`/api/v1/holds/${id}`, holdDetailSchema);
  const body = { digest: hold.digest, comment, ...(flags.remember === true && { remember: true }) };
  await hub.post(`/api/v1/holds/${id}/reject`, z.unknown(), body);
  const after = await hub.get(`/api/v1/holds/${id}`, holdDetailSchema);
  if (json) return io.out(`${JSON.stringify(after)}\n`);
  const remembered = flags.remember === true ? '; later jobs with this configuration are refused for a day' : '';
  return io.out(`${printable(`hold ${after.id} (${after.job}): ${after.state}${remembered}`)}\n`);
}

/** `holdpoint reject ID --comment WHY`. */
export function define(command: Command, context: CommandContext): void {
  withHub(command)
    .argument('<id>')
    .requiredOption('--comment <text>', 'why; whoever triggered the job reads it')
    .option('--digest <sha256>', 'reject only if the Hold has this digest')
    .option('--remember', 'refuse later jobs with this configuration at once, for a day')
    .action((id: string, _, own: Command) => reject(id, own, context));
}
