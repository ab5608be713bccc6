import { isAbsolute, join } from 'node:path';
import type { Command } from 'commander';
import { readStore } from '../../config/kinds.ts';
import type { StoreConfig } from '../../config/load.ts';
import { HoldpointError } from '../../domain/errors.ts';
import type { CommandContext } from '../context.ts';

interface CopyOptions {
  readonly from: string;
  readonly to: string;
  readonly fromPasswordFile?: string;
  readonly toPasswordFile?: string;
}

/** A store as a flag names it; the address is not quoted, since a password may stand in it. */
function storeOf(flag: string, text: string, passwordFile: string | undefined, cwd: string): StoreConfig {
  const reading = readStore(text);
  if (!reading.ok) throw new HoldpointError('bad_usage', `${flag}: ${reading.message}`);
  const whole = (path: string) => (isAbsolute(path) ? path : join(cwd, path));
  if (text.startsWith('sqlite:')) return { kind: 'sqlite', path: whole(text.slice('sqlite:'.length)) };
  return { kind: 'postgres', url: text, passwordFile: passwordFile === undefined ? null : whole(passwordFile) };
}

async function copy(command: Command, { io, json, parts }: CommandContext): Promise<void> {
  const given = command.opts<CopyOptions>();
  const from = storeOf('--from', given.from, given.fromPasswordFile, io.cwd);
  const to = storeOf('--to', given.to, given.toPasswordFile, io.cwd);
  const { rows, audit } = await parts.copyStore(from, to);
  if (json) return io.out(`${JSON.stringify({ rows, audit })}\n`);
  return io.out(
    `${rows} rows are copied, and the audit was read again from its first row to ${audit.seq} (${audit.hash}).\n` +
      'Name the new store in hub.store, and start the hub with the same key files (variable.key, hub.key); keep the old store until you have seen it run.\n',
  );
}

/** `holdpoint store copy --from … --to …`. */
export function define(command: Command, context: CommandContext): void {
  command
    .command('copy')
    .description('copy everything into a store that has nothing yet; stop the hub of the old one first')
    .requiredOption('--from <store>', 'sqlite:FILE or postgres://user@host:5432/database; it stays as it is')
    .requiredOption('--to <store>', 'likewise; an empty file name or database')
    .option('--from-password-file <file>', 'password of the database that is read')
    .option('--to-password-file <file>', 'password of the database that is written')
    .option('--json', 'answer as JSON')
    .action((_, own: Command) => copy(own, context));
}
