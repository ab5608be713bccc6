import type { Command } from 'commander';
import { z } from 'zod';
import { diffConfigurations } from '../../domain/configuration-diff.ts';
import { HoldpointError } from '../../domain/errors.ts';
import { printable } from '../../domain/printable.ts';
import { shownAs } from '../../domain/shown-configuration.ts';
import { type ApprovalDetail, approvalDetailSchema, listedApprovalSchema } from '../../wire/approvals.ts';
import { defineImport } from '../approvals-import.ts';
import { defineMore, revokeMany } from '../approvals-more.ts';
import { connectHub, idOf, withHub } from '../connect.ts';
import type { CommandContext } from '../context.ts';
import { commentOf } from '../decide.ts';
import { changesText } from '../hold-page.ts';
import { personText } from '../person-text.ts';
import { definePropose } from '../propose.ts';
import { age, fields, minute, paint, shortRef, table } from '../render.ts';

/** Where an approval stands, in a word. */
function standing(approval: { valid: boolean; revoked_at: string | null }): string {
  return approval.revoked_at !== null ? 'revoked' : approval.valid ? 'valid' : 'over';
}

interface ListFlags {
  readonly project?: string;
  readonly job?: string;
  readonly find?: string;
  readonly newest?: boolean;
}

async function list(command: Command, { io, json }: CommandContext): Promise<void> {
  const all = command.opts<{ all?: boolean }>().all === true;
  const { project, job, find, newest } = command.opts<ListFlags>();
  const order = newest === true ? 'newest' : undefined;
  const query = { project, job, text: find, order, valid: all ? undefined : 'true' };
  const found = await connectHub(command, io).list('/api/v1/approvals', listedApprovalSchema, query);
  const approvals = all ? found : found.filter((approval) => approval.valid);
  if (json) return io.out(`${JSON.stringify({ items: approvals, next_cursor: null })}\n`);
  if (approvals.length === 0) return io.out('No approval is valid: every job of a protected runner waits.\n');
  const rows = approvals.map((approval) => [
    String(approval.id),
    standing(approval),
    approval.lifetime.replace(/T.*$/, ''),
    approval.last_used_at === null ? 'never' : `${age(io.now() - Date.parse(approval.last_used_at))} ago`,
    `${approval.project_path ?? approval.project_id} ${approval.job}`,
    shortRef(approval.ref),
    approval.votes.map((vote) => vote.person.username ?? `user ${vote.person.id}`).join(' '),
  ]);
  const heads = [
    { title: 'ID', right: true },
    { title: 'STATE' },
    { title: 'LIFETIME' },
    { title: 'USED' },
    { title: 'JOB', least: 12 },
    { title: 'REF', least: 6 },
    { title: 'BY', least: 6 },
  ];
  return io.out(table(heads, rows, io.columns));
}

function page(approval: ApprovalDetail, colour: boolean): string {
  const shown = shownAs(approval.configuration, approval.digest);
  if (shown.kind === 'wrong') {
    const why = 'the configuration that the hub shows for it does not have its digest; tell whoever runs the hub';
    throw new HoldpointError('digest_mismatch', `approval ${approval.id}: ${why}`);
  }
  const head = fields([
    ['approval', `${approval.id}, ${standing(approval)}`],
    ['job', approval.job],
    ['project', `${approval.project_path ?? approval.project_id} on ${approval.instance}`],
    ['ref', `${approval.ref} (${approval.ref_protected ? 'protected' : 'not protected'})`],
    ['environment', approval.environment],
    ['lifetime', approval.lifetime],
    ['created', minute(approval.created_at)],
    [
      'used',
      approval.last_used_at === null ? 'never' : `${approval.times_used} times, last ${minute(approval.last_used_at)}`,
    ],
    [
      'revoked',
      approval.revoked_at === null ? null : `${minute(approval.revoked_at)} by ${approval.revoked_by ?? 'the system'}`,
    ],
    ['runners', approval.runners.length === 0 ? null : approval.runners.join(', ')],
    ['goes on from', approval.renews === null ? null : `approval ${approval.renews}`],
    ['goes on as', approval.renewed_by === null ? null : `approval ${approval.renewed_by}`],
    [
      'rules',
      approval.rules.length === 0
        ? null
        : approval.rules.map(({ name, need, who }) => `${name}: ${need} of ${who}`).join('; '),
    ],
    ['policy', approval.policy],
    ['digest', approval.digest],
  ]);
  const votes = approval.votes.map(
    (vote) =>
      `  ${vote.decision}  ${printable(`${personText(vote.person)}, ${minute(vote.at)}${vote.comment ? `: ${vote.comment}` : ''}`)}\n`,
  );
  const lines = changesText(diffConfigurations(null, shown.configuration), paint(colour));
  return `${head}\nVotes\n${votes.join('')}\nConfiguration\n${lines}`;
}

async function show(text: string, command: Command, { io, json }: CommandContext): Promise<void> {
  const id = idOf(text, 'approval');
  const approval = await connectHub(command, io).get(`/api/v1/approvals/${id}`, approvalDetailSchema);
  return io.out(json ? `${JSON.stringify(approval)}\n` : page(approval, io.colour));
}

async function revoke(text: string, command: Command, { io, json }: CommandContext): Promise<void> {
  const id = idOf(text, 'approval');
  const { comment: said, ...filter } = command.opts<{ comment?: string }>();
  const mixed = Object.keys(filter).some((name) => !['hub', 'tokenFile', 'json'].includes(name));
  if (mixed) throw new HoldpointError('bad_usage', 'name one approval, or say which are meant: not both');
  const comment = commentOf(said);
  const hub = connectHub(command, io);
  await hub.post(`/api/v1/approvals/${id}/revoke`, z.unknown(), comment === undefined ? {} : { comment });
  const after = await hub.get(`/api/v1/approvals/${id}`, approvalDetailSchema);
  if (json) return io.out(`${JSON.stringify(after)}\n`);
  return io.out(`approval ${id}: ${standing(after)}; jobs that it had released and nobody has started wait again\n`);
}

/** `holdpoint approvals [list|show ID|revoke [ID]|renewals|renew ID|diff ID ID|import FOLDER|rename OLD NEW|propose]`. */
export function define(command: Command, context: CommandContext): void {
  withHub(command.command('list', { isDefault: true }))
    .description('what is approved, where, until when and by whom')
    .option('--all', 'those that are revoked or over as well')
    .option('--project <project>', 'only of this project: id or full path')
    .option('--job <name>', 'only of jobs with this name')
    .option('--find <text>', 'only with this in job, project, ref, environment or digest')
    .option('--newest', 'the newest first')
    .action((_, own: Command) => list(own, context));
  withHub(command.command('show'))
    .description('one approval with the whole configuration it covers')
    .argument('<id>')
    .action((id: string, _, own: Command) => show(id, own, context));
  withHub(command.command('revoke'))
    .description('take an approval back, or all that fit; what they released but nobody has started waits again')
    .argument('[id]')
    .option('--project <project>', 'all of this project: id, full path, or a group as path/*')
    .option('--job <pattern>', 'all of jobs with such a name')
    .option('--image <pattern>', 'all that use such an image or service')
    .option('--voter <user>', 'all that rest on the vote of this person: user name or id')
    .option('--voter-left', 'all that rest on the vote of somebody who is blocked or gone')
    .option('--unused <days>', 'all that nothing used for so long')
    .option('--dry-run', 'say which they are, revoke nothing')
    .option('--comment <text>', 'why')
    .action((id: string | undefined, _, own: Command) =>
      id === undefined ? revokeMany(own, context) : revoke(id, own, context),
    );
  defineMore(command, context);
  defineImport(command, context);
  definePropose(command, context);
}
