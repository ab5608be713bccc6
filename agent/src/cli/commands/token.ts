import type { Command } from 'commander';
import { z } from 'zod';
import { durationMs } from '../../config/kinds.ts';
import { HoldpointError } from '../../domain/errors.ts';
import { printable } from '../../domain/printable.ts';
import { TOKEN_SCOPES } from '../../domain/token.ts';
import { revokedTokensSchema } from '../../wire/revoke-tokens.ts';
import { createdTokenSchema, gitlabTokensSchema, lentSchema, type TokenView, tokenSchema } from '../../wire/tokens.ts';
import { askForSecret } from '../ask-for-secret.ts';
import type { HubClient } from '../client.ts';
import { connectHub, gitlabCredential, idOf, withHub } from '../connect.ts';
import type { CommandContext } from '../context.ts';
import { age, fields, minute, table } from '../render.ts';

interface CreateFlags {
  readonly user?: string;
  readonly scope?: string[];
  readonly expires?: string;
  readonly name?: string;
  readonly out?: string;
}

function bodyOf(flags: CreateFlags): Record<string, unknown> {
  const wrong = flags.scope?.find((scope) => !TOKEN_SCOPES.some((known) => known === scope));
  if (wrong !== undefined)
    throw new HoldpointError('bad_usage', `--scope: "${wrong}" is none of ${TOKEN_SCOPES.join(', ')}`);
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

/** Asks for a token and shows its text once: on standard output alone, or in a new file. */
function make(hub: HubClient, path: string, body: unknown, out: string | undefined, context: CommandContext) {
  return askForSecret(hub, { path, schema: createdTokenSchema, body, out }, context, (created) => ({
    about: `token ${created.id} of ${created.owner}, scopes ${created.scopes.join(' ')}, ends ${minute(created.expires_at)}`,
    keep: 'keep it in a file with mode 600 and give that with --token-file',
  }));
}

async function create(command: Command, context: CommandContext): Promise<void> {
  const flags = command.opts<CreateFlags>();
  const body = bodyOf(flags);
  return make(connectHub(command, context.io), '/api/v1/tokens', body, flags.out, context);
}

function seconds(flag: string, text: string | undefined, least: number): number | undefined {
  if (text === undefined) return undefined;
  const ms = durationMs(text);
  if (ms === null || ms < least) throw new HoldpointError('bad_usage', `${flag}: wanted a time like 5m, 8h or 30d`);
  return Math.floor(ms / 1_000);
}

async function rotate(text: string, command: Command, context: CommandContext): Promise<void> {
  const id = idOf(text, 'token');
  const flags = command.opts<{ overlap?: string; expires?: string; out?: string }>();
  const overlap = seconds('--overlap', flags.overlap, 0);
  const lives = seconds('--expires', flags.expires, 1_000);
  const body = {
    ...(overlap !== undefined && { overlap_s: overlap }),
    ...(lives !== undefined && { expires_in_s: lives }),
  };
  return make(connectHub(command, context.io), `/api/v1/tokens/${id}/rotate`, body, flags.out, context);
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
    STATES[token.state],
    token.valid ? `in ${age(endOf(token) - io.now())}` : minute(token.expires_at).slice(0, 10),
    token.last_used_at === null ? 'never' : `${age(io.now() - Date.parse(token.last_used_at))} ago`,
    `${token.last_used_address ?? ''} ${token.last_used_client ?? ''}`.trim(),
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
  await io.out(table(heads, rows, io.columns));
  const seen = tokens.filter((token) => token.valid && token.flags.length > 0);
  for (const token of seen) {
    const last = token.flags.at(-1)!;
    const where = [last.address, last.client].filter((one) => one !== null).join(' ');
    const words = `! token ${token.id} was used ${flagWords(token)} (${minute(last.at)}, ${where}): no token of a person belongs there; revoke it`;
    await io.out(`${printable(words)}\n`);
  }
}

const STATES: Readonly<Record<TokenView['state'], string>> = {
  valid: 'valid',
  replaced: 'rotated',
  revoked: 'revoked',
  over: 'over',
  idle: 'unused',
  owner_blocked: 'owner blocked',
  owner_gone: 'owner gone',
};
const FLAGS: Readonly<Record<TokenView['flags'][number]['kind'], string>> = {
  agent_host: "on an agent's host",
  in_job: 'inside a job',
  ci_client: 'by a CI system',
};
const flagWords = (token: TokenView): string =>
  [...new Set(token.flags.map((flag) => FLAGS[flag.kind]))].sort().join(', ');
/** Whichever comes first: its time, or that nobody uses it. */
const endOf = (token: TokenView): number =>
  Math.min(Date.parse(token.expires_at), token.idle_ends_at === null ? Infinity : Date.parse(token.idle_ends_at));

async function revoke(text: string, command: Command, { io, json }: CommandContext): Promise<void> {
  const id = idOf(text, 'token');
  const hub = connectHub(command, io);
  await hub.post(`/api/v1/tokens/${id}/revoke`, z.unknown(), {});
  return io.out(json ? `${JSON.stringify({ id, revoked: true })}\n` : `token ${id}: revoked\n`);
}

async function gitlab(command: Command, { io, json, exitWith }: CommandContext): Promise<void> {
  const { items } = await connectHub(command, io).get('/api/v1/tokens/gitlab', gitlabTokensSchema);
  if (items.some((token) => token.state !== 'valid' && token.state !== 'missing')) exitWith(1);
  if (json) return io.out(`${JSON.stringify({ items })}\n`);
  const pages = items.map((token) => {
    const { owner } = token;
    const lines = fields([
      [token.setting, token.state === 'missing' ? 'not set' : token.state],
      ['  does', token.does],
      ['  name', token.name],
      [
        '  owner',
        owner && `${owner.name ?? ''} (${owner.username ?? ''}, user ${owner.id}${owner.bot ? ', a bot' : ''})`,
      ],
      ['  scopes', token.state === 'missing' ? null : token.scopes.join(' ') || null],
      ['  least scopes', token.least_scopes.join(' ')],
      ['  ends', token.name === null ? null : (token.expires_at ?? 'never')],
      ['  last used', token.name === null ? null : token.last_used_at === null ? 'never' : minute(token.last_used_at)],
    ]);
    return `${lines}${token.problems.map((problem) => `  ! ${printable(problem)}\n`).join('')}`;
  });
  return io.out(pages.length === 0 ? 'This hub has no way to GitLab.\n' : pages.join('\n'));
}

interface RevokeAllFlags {
  readonly all?: boolean;
  readonly user?: string;
  readonly everybody?: boolean;
  readonly thisToo?: boolean;
  readonly reason?: string;
}

function requiredId(id: string | undefined, { user, everybody, thisToo, reason }: RevokeAllFlags): string {
  if (user !== undefined || everybody !== undefined || thisToo !== undefined || reason !== undefined)
    throw new HoldpointError('bad_usage', '--user, --everybody, --this-too and --reason go with --all');
  if (id !== undefined) return id;
  throw new HoldpointError('bad_usage', 'which token? Give its id, see "holdpoint token list", or --all');
}

/** An emergency: one request ends them all, or none. */
async function revokeAll(
  id: string | undefined,
  { user, everybody, thisToo, reason }: RevokeAllFlags,
  command: Command,
  { io, json }: CommandContext,
): Promise<void> {
  if (id !== undefined) throw new HoldpointError('bad_usage', 'an id and --all: give one of the two');
  const body = {
    ...(user !== undefined && { user }),
    ...(everybody === true && { everybody }),
    ...(thisToo === true && { this_too: true }),
    ...(reason !== undefined && { reason }),
  };
  const { revoked } = await connectHub(command, io).post('/api/v1/tokens/revoke', revokedTokensSchema, body);
  const whose = everybody === true ? "everybody's" : user === undefined ? 'yours' : `of ${user}`;
  return io.out(
    json ? `${JSON.stringify({ revoked })}\n` : printable(`${revoked} tokens ended, ${whose}`).concat('\n'),
  );
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

/** `holdpoint token [create|list|rotate ID|revoke ID|gitlab|lend|take-back]`. */
export function define(command: Command, context: CommandContext): void {
  withHub(command.command('list', { isDefault: true }))
    .description('tokens that are valid, with when and from where they were last used')
    .option('--all', 'those that are revoked or over as well')
    .action((_, own: Command) => list(own, context));
  withHub(command.command('create'))
    .description('make a token; it is shown once')
    .option('--user <name>', 'user name of whom it is for (only with scope admin, or the bootstrap token)')
    .option('--scope <scope...>', `what it may: ${TOKEN_SCOPES.join(', ')}`)
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
  withHub(command.command('rotate'))
    .description('put a new token in the place of an old one; it is shown once')
    .argument('<id>')
    .option('--overlap <time>', 'how long the old one goes on working, at most 1h (default 0s)')
    .option('--expires <time>', 'how long the new one lives (default: as long as the old one would have)')
    .option('--out <file>', 'write it to a new file with mode 600 instead of standard output')
    .action((id: string, _, own: Command) => rotate(id, own, context));
  withHub(command.command('gitlab'))
    .description("GitLab's tokens that the operator gave: whose, what for, until when, and whether they still work")
    .action((_, own: Command) => gitlab(own, context));
  withHub(command.command('revoke'))
    .description('end a token now, or many at once')
    .argument('[id]')
    .option('--all', "every token of yours but this one; with --user that person's, with --everybody all there are")
    .option('--user <name>', 'with --all: whose tokens end (scope admin)')
    .option('--everybody', "with --all: everybody's (scope admin)")
    .option('--this-too', 'with --all: the token that asks ends as well')
    .option('--reason <why>', 'with --all: written into the audit')
    .action((id: string | undefined, flags: RevokeAllFlags, own: Command) =>
      flags.all === true ? revokeAll(id, flags, own, context) : revoke(requiredId(id, flags), own, context),
    );
}
