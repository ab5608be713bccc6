import type { Command } from 'commander';
import { HoldpointError } from '../../domain/errors.ts';
import { HOLD_STATES, type HoldState } from '../../domain/hold.ts';
import { printable } from '../../domain/printable.ts';
import {
  type HoldDetail,
  type HoldView,
  holdDetailSchema,
  holdSchema,
  retriedSchema,
  revealedSchema,
} from '../../wire/api.ts';
import { approvalDetailSchema } from '../../wire/approvals.ts';
import { pingedSchema } from '../../wire/notifications.ts';
import type { HubClient } from '../client.ts';
import { connectHub, gitlabCredential, idOf, withHub } from '../connect.ts';
import type { CommandContext } from '../context.ts';
import { commentOf } from '../decide.ts';
import { type Baseline, holdPage } from '../hold-page.ts';
import { age, clip, minute, paint, shortRef, table } from '../render.ts';
import { revealed } from '../revealed.ts';
import { defineWatching, watchOne } from './holds-watching.ts';

/** What still may move, in the order in which people care. */
const OPEN: readonly HoldState[] = ['waiting_for_approval', 'pending', 'running'];

/** Waiting ones first, then by state, the oldest of each first. */
export function inOrder(holds: readonly HoldView[]): HoldView[] {
  const rank = (hold: HoldView) => HOLD_STATES.indexOf(hold.state);
  return [...holds].sort((a, b) => rank(a) - rank(b) || a.opened_at.localeCompare(b.opened_at) || a.id - b.id);
}

/** The table of Holds; 80 columns are enough for it. */
export function holdsTable(holds: readonly HoldView[], now: number, columns: number): string {
  const rows = holds.map((hold) => [
    String(hold.id),
    hold.state,
    age(now - Date.parse(hold.opened_at)),
    `${hold.project_path ?? hold.project_id} ${hold.job}`,
    shortRef(hold.ref),
    hold.trigger.username ?? hold.trigger.name ?? (hold.trigger.id === null ? '?' : `user ${hold.trigger.id}`),
  ]);
  const heads = [
    { title: 'ID', right: true },
    { title: 'STATE' },
    { title: 'AGE', right: true },
    { title: 'JOB', least: 12 },
    { title: 'REF', least: 6 },
    { title: 'BY', least: 6 },
  ];
  return table(heads, rows, columns);
}

function statesOf(options: { state?: string; all?: boolean }): readonly HoldState[] {
  if (options.state === undefined) return options.all === true ? HOLD_STATES : OPEN;
  const found = HOLD_STATES.find((state) => state === options.state);
  if (found) return [found];
  throw new HoldpointError('bad_usage', `"${options.state}" is no state; wanted one of ${HOLD_STATES.join(', ')}`);
}

/** Holds in these states, in order. */
export async function readHolds(hub: HubClient, states: readonly HoldState[]): Promise<HoldView[]> {
  const holds = await hub.list('/api/v1/holds', holdSchema, { state: states.join(',') });
  return inOrder(holds.filter((hold) => states.includes(hold.state)));
}

async function list(command: Command, { io, json }: CommandContext): Promise<void> {
  const options = command.opts<{ state?: string; all?: boolean }>();
  const states = statesOf(options);
  const holds = await readHolds(connectHub(command, io), states);
  if (json) return io.out(`${JSON.stringify({ items: holds, next_cursor: null })}\n`);
  if (holds.length > 0) return io.out(holdsTable(holds, io.now(), io.columns));
  const what = states === OPEN ? 'Nothing waits for approval, and nothing runs.' : 'No Hold is in such a state.';
  return io.out(`${what}${options.all === true ? '' : ' "holdpoint holds list --all" shows what has ended.'}\n`);
}

/** The nearest approved configuration, as the hub names it; null when there is none. */
async function baselineOf(hub: HubClient, hold: HoldDetail): Promise<Baseline | null> {
  if (hold.diff.approval === null) return null;
  const { approval, digest } = hold.diff;
  const found = await hub.get(`/api/v1/approvals/${approval}`, approvalDetailSchema).catch((error: unknown) => {
    // Whoever triggered a job may see its Hold without seeing the project's approvals.
    const hidden = error instanceof HoldpointError && (error.code === 'not_found' || error.code === 'forbidden');
    if (hidden) return null;
    throw error;
  });
  if (found === null) return { approval, digest: digest ?? '', configuration: null, about: '' };
  const by = found.votes
    .filter((vote) => vote.decision === 'approve')
    .map((vote) => vote.person.username ?? 'somebody');
  const about = ` of ${found.created_at.slice(0, 10)} by ${by.join(', ')}`;
  return { approval, digest: found.digest, configuration: found.configuration, about };
}

async function show(text: string, command: Command, { io, json, exitWith }: CommandContext): Promise<void> {
  const id = idOf(text, 'hold');
  const hub = connectHub(command, io);
  if (json) return io.out(`${JSON.stringify(await hub.get(`/api/v1/holds/${id}`, holdDetailSchema))}\n`);
  const hold = await hub.get(`/api/v1/holds/${id}`, holdDetailSchema);
  const all = command.opts<{ all?: boolean }>().all === true;
  const page = holdPage(hold, await baselineOf(hub, hold), io.now(), paint(io.colour), all);
  await io.out(page.text);
  if (!page.sound) {
    exitWith(4);
    io.err(`holdpoint: hold ${id}: digest and configuration do not fit together; tell whoever runs the hub\n`);
  }
}

async function reveal(
  text: string,
  names: readonly string[],
  command: Command,
  { io, json }: CommandContext,
): Promise<void> {
  const id = idOf(text, 'hold');
  const hub = connectHub(command, io);
  const { digest } = await hub.get(`/api/v1/holds/${id}`, holdDetailSchema);
  const body = { digest, ...(names.length > 0 && { names }) };
  const answer = await hub.post(`/api/v1/holds/${id}/reveal`, revealedSchema, body);
  await io.out(json ? `${JSON.stringify(answer)}\n` : revealed(answer));
}

async function retry(text: string, command: Command, { io, json }: CommandContext): Promise<void> {
  const id = idOf(text, 'hold');
  const { gitlabTokenFile: file } = command.opts<{ gitlabTokenFile?: string }>();
  const body = file === undefined ? {} : { gitlab_token: gitlabCredential(file, io) };
  const after = await connectHub(command, io).post(`/api/v1/holds/${id}/retry`, retriedSchema, body);
  if (json) return io.out(`${JSON.stringify(after)}\n`);
  const link = after.retry?.by === 'trigger' ? after.retry.url : null;
  const words = `hold ${after.id} (${after.state}): ${after.retry?.words ?? 'its job has been taken up again'}`;
  return io.out(`${printable(words)}\n${link === null ? '' : `${printable(link)}\n`}`);
}

async function cancel(text: string, command: Command, { io, json }: CommandContext): Promise<void> {
  const id = idOf(text, 'hold');
  const { gitlabTokenFile: file } = command.opts<{ gitlabTokenFile?: string }>();
  const body = file === undefined ? {} : { gitlab_token: gitlabCredential(file, io) };
  const hold = await connectHub(command, io).post(`/api/v1/holds/${id}/cancel`, holdSchema, body);
  if (json) return io.out(`${JSON.stringify(hold)}\n`);
  return io.out(`hold ${hold.id}: GitLab cancels job ${hold.job_id}; the hold follows when GitLab says so\n`);
}

function watchLine(hold: HoldView, now: number, columns: number): string {
  const time = new Date(now).toISOString().slice(11, 19);
  const head = `${time}  ${String(hold.id).padStart(4)}  ${hold.state.padEnd(20)}  `;
  const rest = `${hold.project_path ?? hold.project_id} ${hold.job}  ${shortRef(hold.ref)}`;
  return `${head}${clip(printable(rest), columns - head.length)}\n`;
}

async function watch(command: Command, { io, json }: CommandContext): Promise<void> {
  const { watchHolds } = await import('../watch.ts');
  const hub = connectHub(command, io);
  await watchHolds({
    hub,
    io,
    read: () => readHolds(hub, OPEN),
    readOne: (id) => hub.get(`/api/v1/holds/${id}`, holdDetailSchema),
    show: (hold) => {
      if (json) return io.out(`${JSON.stringify(listed(hold))}\n`);
      return io.out(watchLine(hold, io.now(), io.columns));
    },
  });
}

/** The members of a list's item: a detail has more, and the lines of a stream have one shape. */
function listed(hold: HoldView): unknown {
  return Object.fromEntries(Object.keys(holdSchema.shape).map((key) => [key, hold[key as keyof HoldView]]));
}

async function ping(text: string, command: Command, { io, json }: CommandContext): Promise<void> {
  const id = idOf(text, 'hold');
  const comment = commentOf(command.opts<{ comment?: string }>().comment);
  const body = comment === undefined ? {} : { comment };
  const done = await connectHub(command, io).post(`/api/v1/holds/${id}/ping`, pingedSchema, body);
  if (json) return io.out(`${JSON.stringify(done)}\n`);
  const names = done.asked.map(({ username }) => username).join(', ');
  const told =
    names === ''
      ? 'nobody can help at present; the page says who can change that'
      : done.channels.length === 0
        ? `${names} can help, and no route of the policy tells them: ask them yourself`
        : `${names} can help and are asked by ${done.channels.join(', ')}`;
  return io.out(`${printable(`hold ${id}: ${told}; ask again at ${minute(done.again_at)}`)}\n`);
}

/** `holdpoint holds [list|show ID|reveal ID|retry ID|cancel ID|stop ID|recording ID|ping ID|watch [ID]]`. */
export function define(command: Command, context: CommandContext): void {
  withHub(command.command('list', { isDefault: true }))
    .description('what waits, the oldest first, then what is released or runs')
    .option('--state <state>', 'only those in this state')
    .option('--all', 'those that have ended as well')
    .action((_, own: Command) => list(own, context));
  withHub(command.command('show'))
    .description('one Hold: what changed against what was approved, who may approve, and how')
    .argument('<id>')
    .option('--all', 'every row of what the digest does not cover')
    .action((id: string, _, own: Command) => show(id, own, context));
  withHub(command.command('reveal'))
    .description('values that a Hold hides and that somebody may have typed; for who may approve it, and audited')
    .argument('<id>')
    .argument('[name...]', 'names of variables; default: those that block an approve')
    .action((id: string, names: string[], _, own: Command) => reveal(id, names, own, context));
  withHub(command.command('retry'))
    .description('have your own approved job run again that waited longer than GitLab waits')
    .argument('<id>')
    .option('--gitlab-token-file <file>', 'file with mode 600 with a GitLab token of yours, used this once')
    .action((id: string, _, own: Command) => retry(id, own, context));
  withHub(command.command('cancel'))
    .description('cancel the job of a Hold in GitLab, in your own name')
    .argument('<id>')
    .option('--gitlab-token-file <file>', 'file with mode 600 with a GitLab token of yours, used this once')
    .action((id: string, _, own: Command) => cancel(id, own, context));
  withHub(command.command('ping'))
    .description('ask those who can still help for a decision')
    .argument('<id>')
    .option('--comment <text>', 'what they should know')
    .action((id: string, _, own: Command) => ping(id, own, context));
  defineWatching(command, context);
  withHub(command.command('watch'))
    .description('follow every change until Ctrl-C; with --json one object a line')
    .argument('[id]', 'show the terminal of this one while its job runs')
    .option('--live', 'with an id: be the one who watches it, where the policy asks for four eyes')
    .action((id: string | undefined, _, own: Command) => {
      const isLive = own.opts<{ live?: boolean }>().live === true;
      if (id !== undefined) return watchOne(id, isLive, own, context);
      if (isLive) throw new HoldpointError('bad_usage', '--live needs the id of the hold that you watch');
      return watch(own, context);
    });
}
