import { rmSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { z } from 'zod';
import { durationMs } from '../../config/kinds.ts';
import { systemErrorWords } from '../../config/system-error.ts';
import { HoldpointError } from '../../domain/errors.ts';
import { printable } from '../../domain/printable.ts';
import { createdTokenSchema, lentSchema, tokenSchema } from '../../wire/api.ts';
import { connectHub, gitlabCredential, idOf, withHub } from '../connect.ts';
import type { CommandContext } from '../context.ts';
import { age, minute, table } from '../render.ts';

const SCOPES = ['read', 'approve', 'admin'] as const;

interface CreateFlags {
  readonly user?: string;
  readonly scope?: string[];
  readonly expires?: string;
  readonly name?: string;
  readonly out?: string;
}

function bodyOf(flags: CreateFlags): Record<string, unknown> {
  const wrong = flags.scope?.find((scope) => !SCOPES.some((known) => known === scope));
  if (wrong !== undefined) throw new HoldpointError('bad_usage', `--scope: "${wrong}" is none of ${SCOPES.join(', ')}`);
  const ms = flags.expires === undefined ? null : durationMs(flags.expires);
  if (flags.expires !== undefined && (ms === null || ms < 1_000)) {
    throw new HoldpointError('bad_usage', '--expires: wanted a time like 90s, 10m, 8h or 30d');
  }
  return {
    ...(flags.user !== undefined && { user: flags.user }),
    ...(flags.scope !== undefined && { scopes: flags.scope }),
    ...(ms !== null && { expires_in_s: Math.floor(ms / 1_000) }),
    ...(flags.name !== undefined && { name: flags.name }),
  };
}

/** A new file that its owner alone can read; an existing one is never overwritten, since it can have another mode. */
function writeSecret(path: string, written: string, token: string): void {
  try {
    writeFileSync(path, `${token}\n`, { mode: 0o600, flag: 'wx' });
  } catch (error) {
    const exists = (error as { code?: unknown }).code === 'EEXIST';
    const why = exists ? 'it exists; give another name, or remove it' : systemErrorWords(error);
    throw new HoldpointError('bad_input', `--out: cannot write "${written}": ${why}`);
  }
}

async function create(command: Command, { io, json }: CommandContext): Promise<void> {
  const flags = command.opts<CreateFlags>();
  const body = bodyOf(flags);
  const hub = connectHub(command, io);
  const file = flags.out === undefined ? null : resolve(io.cwd, flags.out);
  // Before the token is made: one that could not be kept would be lost, and live on.
  if (file !== null) writeSecret(file, flags.out ?? file, '');
  const created = await hub.post('/api/v1/tokens', createdTokenSchema, body).catch((error: unknown) => {
    if (file !== null) rmSync(file, { force: true });
    throw error;
  });
  const { token, ...rest } = created;
  if (file !== null) writeFileSync(file, `${token}\n`);
  if (json) return io.out(`${JSON.stringify(flags.out === undefined ? created : rest)}\n`);
  const about = `token ${created.id} of ${created.owner}, scopes ${created.scopes.join(' ')}, ends ${minute(created.expires_at)}`;
  if (flags.out !== undefined) return io.out(`${printable(about)}; written to ${printable(flags.out)}\n`);
  // The token alone on standard output, so that it can be caught in a variable or a file.
  io.err(
    `${printable(about)}; it is shown this once: keep it in a file with mode 600 and give that with --token-file\n`,
  );
  return io.out(`${printable(token)}\n`);
}

async function list(command: Command, { io, json }: CommandContext): Promise<void> {
  const all = command.opts<{ all?: boolean }>().all === true;
  const found = await connectHub(command, io).list('/api/v1/tokens', tokenSchema);
  const tokens = all ? found : found.filter((token) => token.valid);
  if (json) return io.out(`${JSON.stringify({ items: tokens, next_cursor: null })}\n`);
  if (tokens.length === 0) return io.out('No token is valid. "holdpoint token create" makes one.\n');
  const rows = tokens.map((token) => [
    String(token.id),
    token.prefix,
    token.owner,
    token.revoked_at !== null ? 'revoked' : token.valid ? 'valid' : 'over',
    token.valid ? `in ${age(Date.parse(token.expires_at) - io.now())}` : minute(token.expires_at).slice(0, 10),
    token.last_used_at === null ? 'never' : `${age(io.now() - Date.parse(token.last_used_at))} ago`,
    token.last_used_address ?? '',
    token.scopes.join(' '),
    token.name ?? '',
  ]);
  const heads = [
    { title: 'ID', right: true },
    { title: 'TOKEN', least: 6 },
    { title: 'OWNER', least: 6 },
    { title: 'STATE' },
    { title: 'ENDS' },
    { title: 'USED' },
    { title: 'FROM', least: 6 },
    { title: 'SCOPES', least: 6 },
    { title: 'NAME', least: 4 },
  ];
  return io.out(table(heads, rows, io.columns));
}

async function revoke(text: string, command: Command, { io, json }: CommandContext): Promise<void> {
  const id = idOf(text, 'token');
  const hub = connectHub(command, io);
  await hub.post(`/api/v1/tokens/${id}/revoke`, z.unknown(), {});
  return io.out(json ? `${JSON.stringify({ id, revoked: true })}\n` : `token ${id}: revoked\n`);
}

const CREDENTIAL = '/api/v1/me/gitlab-credential';

function lifeOf(expires: string | undefined): Record<string, number> {
  if (expires === undefined) return {};
  const ms = durationMs(expires);
  if (ms === null || ms < 60_000) throw new HoldpointError('bad_usage', '--expires: wanted a time like 30m or 8h');
  return { expires_in_s: Math.floor(ms / 1_000) };
}

async function lend(command: Command, { io, json }: CommandContext): Promise<void> {
  const flags = command.opts<{ gitlabTokenFile: string; expires?: string }>();
  const body = { token: gitlabCredential(flags.gitlabTokenFile, io), ...lifeOf(flags.expires) };
  const lent = await connectHub(command, io).put(CREDENTIAL, lentSchema, body);
  if (json) return io.out(`${JSON.stringify(lent)}\n`);
  const until = lent.expires_at === null ? '' : ` until ${minute(lent.expires_at)}`;
  return io.out(
    `lent${until}: the hub retries your own jobs with it once they are approved, and keeps it in memory only\n`,
  );
}

async function takeBack(command: Command, { io, json }: CommandContext): Promise<void> {
  const lent = await connectHub(command, io).remove(CREDENTIAL, lentSchema);
  return io.out(json ? `${JSON.stringify(lent)}\n` : 'taken back: the hub has no GitLab credential of yours\n');
}

/** `holdpoint token [create|list|revoke ID|lend|take-back]`. */
export function define(command: Command, context: CommandContext): void {
  withHub(command.command('list', { isDefault: true }))
    .description('tokens that are valid, with when and from where they were last used')
    .option('--all', 'those that are revoked or over as well')
    .action((_, own: Command) => list(own, context));
  withHub(command.command('create'))
    .description('make a token; it is shown once')
    .option('--user <name>', 'user name of whom it is for (only with scope admin, or the bootstrap token)')
    .option('--scope <scope...>', `what it may: ${SCOPES.join(', ')}`)
    .option('--expires <time>', 'how long it lives, at most 30d (default 8h)')
    .option('--name <name>', 'what it is for')
    .option('--out <file>', 'write it to a new file with mode 600 instead of standard output')
    .action((_, own: Command) => create(own, context));
  withHub(command.command('lend'))
    .description('lend your own GitLab token, so that the hub retries your jobs that waited longer than GitLab waits')
    .requiredOption('--gitlab-token-file <file>', 'file with mode 600 with a GitLab token of yours, scope api')
    .option('--expires <time>', 'for how long, at most 12h (default 8h)')
    .action((_, own: Command) => lend(own, context));
  withHub(command.command('take-back'))
    .description('make the hub forget the GitLab token that you lent')
    .action((_, own: Command) => takeBack(own, context));
  withHub(command.command('revoke'))
    .description('end a token now')
    .argument('<id>')
    .action((id: string, _, own: Command) => revoke(id, own, context));
}
