import type { Command } from 'commander';
import { HoldpointError } from '../domain/errors.ts';
import { printable } from '../domain/printable.ts';
import { shownAs } from '../domain/shown-configuration.ts';
import {
  approvalDetailSchema,
  approvalDiffSchema,
  askedSchema,
  type RenamedView,
  renamedSchema,
  renewalSchema,
  revokedManySchema,
} from '../wire/approvals.ts';
import { connectHub, idOf, withHub } from './connect.ts';
import type { CommandContext } from './context.ts';
import { commentOf, fullDigest, lifetimeOf } from './decide.ts';
import { changesText } from './hold-page.ts';
import { minute, paint, shortRef } from './render.ts';

interface RevokeFlags {
  readonly project?: string;
  readonly job?: string;
  readonly image?: string;
  readonly voter?: string;
  readonly unused?: string;
  readonly voterLeft?: boolean;
  readonly comment?: string;
  readonly dryRun?: boolean;
}

const numberOr = (text: string | undefined): number | string | undefined =>
  text !== undefined && /^\d+$/.test(text) ? Number(text) : text;

function daysOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const days = Number(/^([1-9]\d{0,3})d?$/.exec(text)?.[1] ?? 0);
  if (days > 0) return days;
  throw new HoldpointError('bad_usage', '--unused: wanted a number of days, such as 30d');
}

/** Revokes all that fit, or says which they are. */
export async function revokeMany(command: Command, { io, json, exitWith }: CommandContext): Promise<void> {
  const flags = command.opts<RevokeFlags>();
  const { job, image, dryRun = false } = flags;
  const comment = commentOf(flags.comment);
  const [project, voter, unused] = [numberOr(flags.project), numberOr(flags.voter), daysOf(flags.unused)];
  const filter = {
    ...(project !== undefined && { project }),
    ...(job !== undefined && { job }),
    ...(image !== undefined && { image }),
    ...(voter !== undefined && { voter }),
    ...(unused !== undefined && { unused_days: unused }),
    ...(flags.voterLeft === true && { voter_left: true }),
  };
  if (Object.keys(filter).length === 0) {
    throw new HoldpointError(
      'bad_usage',
      'name an approval, or say which are meant with --project, --job, --image, --voter, --voter-left or --unused',
    );
  }
  const body = { ...filter, ...(comment !== undefined && { comment }), dry_run: dryRun };
  const answer = await connectHub(command, io).post('/api/v1/approvals/revoke', revokedManySchema, body);
  if (answer.items.some(({ problem }) => problem !== null)) exitWith(1);
  if (json) return io.out(`${JSON.stringify(answer)}\n`);
  for (const { approval, revoked, problem } of answer.items) {
    const what = `${approval.project_path ?? approval.project_id} ${approval.job} on ${shortRef(approval.ref)}`;
    const outcome = problem !== null ? `not revoked: ${problem.detail}` : revoked ? 'revoked' : 'would be revoked';
    await io.out(`${printable(`approval ${approval.id}  ${what}: ${outcome}`)}\n`);
  }
  if (answer.items.length === 0) return io.out('No approval fits.\n');
  if (answer.more) return io.out('There are more that fit: run it again.\n');
}

async function renewals(command: Command, { io, json }: CommandContext): Promise<void> {
  const items = await connectHub(command, io).list('/api/v1/approvals/renewals', renewalSchema);
  if (json) return io.out(`${JSON.stringify({ items, next_cursor: null })}\n`);
  if (items.length === 0) return io.out('No approval ends within two weeks.\n');
  for (const { approval, review } of items) {
    const votes = review?.rules.map(({ name, have, need }) => `${name} ${have} of ${need}`).join(', ');
    const lines = [
      `approval ${approval.id}  ends ${minute(approval.until ?? approval.created_at)}`,
      `  ${approval.project_path ?? approval.project_id} ${approval.job} on ${shortRef(approval.ref)}, used ${approval.times_used} times`,
      `  ${approval.digest}`,
      ...(votes === undefined ? [] : [`  asked already: ${votes}`]),
    ];
    await io.out(`${lines.map(printable).join('\n')}\n`);
  }
  return io.out(
    '"holdpoint approvals show ID" shows what it lets run, "approvals renew ID --digest SHA256" votes for it.\n',
  );
}

async function renew(text: string, command: Command, { io, json }: CommandContext): Promise<void> {
  const id = idOf(text, 'approval');
  const flags = command.opts<{ digest: string; lifetime?: string; comment?: string }>();
  const [digest, lifetime, comment] = [fullDigest(flags.digest), lifetimeOf(flags.lifetime), commentOf(flags.comment)];
  const hub = connectHub(command, io);
  const approval = await hub.get(`/api/v1/approvals/${id}`, approvalDetailSchema);
  // Nobody has what they cannot have seen go on (T13, T36).
  if (shownAs(approval.configuration, digest).kind === 'wrong') {
    throw new HoldpointError(
      'digest_mismatch',
      `approval ${id}: what the hub shows for it does not have the digest that was given; look at it again`,
    );
  }
  const body = { digest, ...(lifetime !== undefined && { lifetime }), ...(comment !== undefined && { comment }) };
  const answer = await hub.post(`/api/v1/approvals/${id}/renew`, askedSchema, body);
  if (json) return io.out(`${JSON.stringify(answer)}\n`);
  if (answer.approval !== null)
    return io.out(`approval ${answer.approval.id} goes on from approval ${id}, ${answer.approval.lifetime}\n`);
  const open = answer.review.rules.filter(({ have, need }) => have < need);
  const needed = open.map(({ name, have, need }) => `${name} ${have} of ${need}`).join(', ');
  return io.out(printable(`approval ${id}: your vote is counted, still needed: ${needed}`).concat('\n'));
}

async function diff(a: string, b: string, command: Command, { io, json }: CommandContext): Promise<void> {
  const [from, to] = [idOf(a, 'approval'), idOf(b, 'approval')];
  const answer = await connectHub(command, io).get(`/api/v1/approvals/${from}/diff`, approvalDiffSchema, { with: to });
  if (json) return io.out(`${JSON.stringify(answer)}\n`);
  const head = `approval ${from} (${answer.from.digest})\napproval ${to} (${answer.to.digest})\n`;
  return io.out(`${head}${printable(answer.summary)}\n${changesText(answer.changes, paint(io.colour))}`);
}

function renamePage({ from, to, list, items, more }: RenamedView, colour: boolean): string {
  const parts = items.map((item) => {
    const state =
      item.problem !== null
        ? `not carried over: ${item.problem.detail}`
        : item.renewed_by !== null
          ? `carried over: approval ${item.renewed_by}`
          : item.review !== null
            ? 'waits for more votes'
            : 'not asked yet';
    const head = `approval ${item.approval}  ${item.job} on ${shortRef(item.ref)}: ${state}`;
    return `${printable(head)}\n  ${item.old_digest}\n  ${item.digest}\n${changesText(item.changes, paint(colour))}`;
  });
  const open = items.some((item) => item.renewed_by === null);
  const way = open
    ? `\nOne vote for all of this:\n  holdpoint approvals rename ${printable(from)} ${printable(to)} --list ${list}\n`
    : '';
  return `${parts.join('\n')}${more ? '\nThere are more: come back when these are carried over.\n' : ''}${way}`;
}

async function rename(
  from: string,
  to: string,
  command: Command,
  { io, json, exitWith }: CommandContext,
): Promise<void> {
  const flags = command.opts<{ list?: string; comment?: string }>();
  const comment = commentOf(flags.comment);
  const list = flags.list === undefined ? undefined : fullDigest(flags.list);
  const body = { from, to, ...(list !== undefined && { list }), ...(comment !== undefined && { comment }) };
  const answer = await connectHub(command, io).post('/api/v1/approvals/rename', renamedSchema, body);
  if (answer.items.some(({ problem }) => problem !== null)) exitWith(1);
  if (json) return io.out(`${JSON.stringify(answer)}\n`);
  if (answer.items.length === 0) {
    return io.out(
      'No approval has the old path in its configuration, or the directory does not know a project by the new one.\n',
    );
  }
  return io.out(renamePage(answer, io.colour));
}

/** `holdpoint approvals [renewals|renew ID|diff ID ID|rename OLD NEW]`. */
export function defineMore(approvals: Command, context: CommandContext): void {
  withHub(approvals.command('renewals'))
    .description('approvals that end within two weeks')
    .action((_, own: Command) => renewals(own, context));
  withHub(approvals.command('renew'))
    .description('vote that an approval goes on when its date comes')
    .argument('<id>')
    .requiredOption('--digest <sha256>', 'the whole digest that was shown, 64 hex digits')
    .option('--lifetime <lifetime>', 'until:YYYY-MM-DD, uses:N or standing')
    .option('--comment <text>', 'why')
    .action((id: string, _, own: Command) => renew(id, own, context));
  withHub(approvals.command('diff'))
    .description('how what two approvals let run differs')
    .argument('<id>')
    .argument('<other>')
    .action((a: string, b: string, _, own: Command) => diff(a, b, own, context));
  withHub(approvals.command('rename'))
    .description('what the approvals of a renamed project or group become; with --list one vote for all of it')
    .argument('<old>', 'full path as it was')
    .argument('<new>', 'full path as it is')
    .option('--list <sha256>', 'digest of the list that was shown, 64 hex digits')
    .option('--comment <text>', 'why')
    .action((from: string, to: string, _, own: Command) => rename(from, to, own, context));
}
