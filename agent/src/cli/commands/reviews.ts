import type { Command } from 'commander';
import { diffConfigurations } from '../../domain/configuration-diff.ts';
import { HoldpointError } from '../../domain/errors.ts';
import { printable } from '../../domain/printable.ts';
import { shownAs } from '../../domain/shown-configuration.ts';
import { decidedSchema, reviewSchema } from '../../wire/api.ts';
import { askedSchema, askSchema, type ChangeGroupView, changesSchema } from '../../wire/approvals.ts';
import { connectHub, idOf, withHub } from '../connect.ts';
import type { CommandContext } from '../context.ts';
import { commentOf, fullDigest, lifetimeOf } from '../decide.ts';
import { changesText } from '../hold-page.ts';
import { age, fields, minute, names, paint, shortRef, table } from '../render.ts';

/** Jobs of one change that are named in its line. */
const MAX_NAMED = 5;
/** As many as one answer of the hub decides on. */
const MAX_DECIDED = 200;

async function list(command: Command, { io, json }: CommandContext): Promise<void> {
  const all = command.opts<{ all?: boolean }>().all === true;
  const hub = connectHub(command, io);
  const found = await hub.list('/api/v1/reviews', reviewSchema, all ? {} : { state: 'open' });
  const reviews = all ? found : found.filter((review) => review.state === 'open');
  if (json) return io.out(`${JSON.stringify({ items: reviews, next_cursor: null })}\n`);
  if (reviews.length === 0) {
    return io.out(
      all
        ? 'No Review was ever opened.\n'
        : 'No Review is open. "holdpoint reviews list --all" shows those that were answered.\n',
    );
  }
  const rows = reviews.map((review) => [
    String(review.id),
    review.state,
    age(io.now() - Date.parse(review.opened_at)),
    `${review.project_path ?? review.project_id} ${review.job}`,
    shortRef(review.ref),
    review.rules.map((rule) => `${rule.have}/${rule.need} ${rule.name}`).join(', ') || 'no rule',
    review.kind === 'job' ? review.holds.join(' ') : review.kind,
  ]);
  const heads = [
    { title: 'ID', right: true },
    { title: 'STATE' },
    { title: 'AGE', right: true },
    { title: 'JOB', least: 12 },
    { title: 'REF', least: 6 },
    { title: 'RULES', least: 8 },
    { title: 'HOLDS', least: 5 },
  ];
  return io.out(table(heads, rows, io.columns));
}

function groupText({ change, summary, changes, items, left_off }: ChangeGroupView, colour: boolean): string {
  const jobs = [...new Set(items.map((item) => `${item.project_path ?? item.project_id} ${item.job}`))];
  const holds = items.flatMap((item) => item.holds);
  const lines = [
    `${items.length} ${items.length === 1 ? 'review' : 'reviews'}, ${holds.length} holds: ${names(jobs, MAX_NAMED)}`,
    `  change ${change}`,
    `  holds ${holds.join(' ')}`,
    `  ${summary}`,
    ...(left_off > 0 ? [`  and ${left_off} more reviews of this change, when these are answered`] : []),
  ];
  const own = items.flatMap((item) => item.own.map(({ what, value }) => `    review ${item.review}: ${what} ${value}`));
  const differ = items.length > 1 && own.length > 0 ? ['  where they differ, each has its own:', ...own] : [];
  return `${[...lines, ...differ].map(printable).join('\n')}\n${changesText(changes, paint(colour))}`;
}

async function changes(command: Command, { io, json }: CommandContext): Promise<void> {
  const hub = connectHub(command, io);
  const found = await hub.get('/api/v1/reviews/changes', changesSchema);
  if (json) return io.out(`${JSON.stringify(found)}\n`);
  const open = await hub.list('/api/v1/reviews', reviewSchema, { state: 'open' });
  const asks = open.filter((review) => review.kind !== 'job');
  if (found.items.length === 0 && asks.length === 0) {
    return io.out('No Review is open. "holdpoint reviews list --all" shows those that were answered.\n');
  }
  await io.out(`${found.items.map((group) => groupText(group, io.colour)).join('\n')}`);
  if (found.more) await io.out('There are more reviews than are compared at once: come back when some are answered.\n');
  if (found.items.length > 0)
    await io.out('\n"holdpoint reviews approve HOLD… --change SHA256" answers those of one change together.\n');
  if (asks.length === 0) return;
  await io.out(
    `${found.items.length > 0 ? '\n' : ''}No job waits for these; "holdpoint reviews show ID" shows them:\n`,
  );
  for (const { id, kind, job, project_path, project_id, rules } of asks) {
    const have = rules.map((rule) => `${rule.have}/${rule.need} ${rule.name}`).join(', ');
    await io.out(`${printable(`  review ${id}  ${kind}  ${project_path ?? project_id} ${job}  ${have}`)}\n`);
  }
}

/** Answers Holds of one change that was shown, each with its own digest and by its own rules. */
async function decide(
  texts: readonly string[],
  decision: 'approve' | 'reject',
  command: Command,
  { io, json, exitWith }: CommandContext,
): Promise<void> {
  const flags = command.opts<{ change: string; comment?: string; lifetime?: string }>();
  const ids = [...new Set(texts.map((text) => idOf(text, 'hold')))];
  if (ids.length > MAX_DECIDED)
    throw new HoldpointError('bad_usage', `${ids.length} holds at once; at most ${MAX_DECIDED}`);
  const [change, comment, lifetime] = [fullDigest(flags.change), commentOf(flags.comment), lifetimeOf(flags.lifetime)];
  const hub = connectHub(command, io);
  const { items } = await hub.get('/api/v1/reviews/changes', changesSchema);
  const group = items.find((one) => one.change === change);
  const digests = new Map(
    (group?.items ?? []).flatMap(({ holds, digest }) => holds.map((hold) => [hold, digest] as const)),
  );
  const missing = ids.filter((id) => !digests.has(id));
  // What was shown as this change is what is decided on: nothing that came or changed since (T13).
  if (missing.length > 0) {
    throw new HoldpointError(
      'digest_mismatch',
      `hold ${missing.join(', ')} does not wait with this change: look again with "holdpoint reviews changes"`,
    );
  }
  const decisions = ids.map((hold) => ({
    hold,
    digest: digests.get(hold)!,
    decision,
    ...(comment !== undefined && { comment }),
    ...(lifetime !== undefined && decision === 'approve' && { lifetime }),
  }));
  const answer = await hub.post('/api/v1/reviews/decide', decidedSchema, { decisions });
  if (answer.items.some(({ problem }) => problem !== null)) exitWith(1);
  if (json) return io.out(`${JSON.stringify(answer)}\n`);
  for (const { hold, after, problem } of answer.items)
    await io.out(`${printable(`hold ${hold}: ${after?.state ?? problem?.detail ?? 'unknown'}`)}\n`);
}

async function show(text: string, command: Command, { io, json }: CommandContext): Promise<void> {
  const id = idOf(text, 'review');
  const ask = await connectHub(command, io).get(`/api/v1/reviews/${id}/ask`, askSchema);
  if (json) return io.out(`${JSON.stringify(ask)}\n`);
  const { review } = ask;
  const shown = shownAs(ask.configuration, review.digest);
  if (shown.kind === 'wrong') {
    const why = 'the configuration that the hub shows for it does not have its digest; tell whoever runs the hub';
    throw new HoldpointError('digest_mismatch', `review ${id}: ${why}`);
  }
  const head = fields([
    ['review', `${id}, ${review.state}, ${ask.kind}`],
    ['asked', `${minute(review.opened_at)} by ${ask.asked_by}${ask.note === null ? '' : `, ${ask.note}`}`],
    ['approval', ask.approval === null ? null : `${ask.approval} is to go on`],
    ['job', `${review.project_path ?? review.project_id} ${review.job}`],
    ['ref', review.ref],
    ['environment', review.environment],
    ['rules', review.rules.map(({ name, have, need }) => `${name} ${have} of ${need}`).join(', ')],
    ['you', ask.may_vote.allowed ? 'may vote' : (ask.may_vote.reason ?? 'may not vote')],
    ['digest', review.digest],
  ]);
  return io.out(
    `${head}\nConfiguration\n${changesText(diffConfigurations(null, shown.configuration), paint(io.colour))}`,
  );
}

async function answer(
  text: string,
  decision: 'approve' | 'reject',
  command: Command,
  { io, json }: CommandContext,
): Promise<void> {
  const id = idOf(text, 'review');
  const flags = command.opts<{ digest: string; comment?: string; lifetime?: string }>();
  const [digest, comment, lifetime] = [fullDigest(flags.digest), commentOf(flags.comment), lifetimeOf(flags.lifetime)];
  const body = {
    digest,
    decision,
    ...(comment !== undefined && { comment }),
    ...(lifetime !== undefined && { lifetime }),
  };
  const { review, approval } = await connectHub(command, io).post(`/api/v1/reviews/${id}/decide`, askedSchema, body);
  if (json) return io.out(`${JSON.stringify({ review, approval })}\n`);
  const open = review.rules
    .filter(({ have, need }) => have < need)
    .map(({ name, have, need }) => `${name} ${have} of ${need}`);
  const more = review.state === 'open' && open.length > 0 ? `; still needed: ${open.join(', ')}` : '';
  return io.out(
    `${printable(`review ${id}: ${review.state}${approval === null ? '' : `, approval ${approval.id}`}${more}`)}\n`,
  );
}

/** `holdpoint reviews [changes|list|approve HOLD…|reject HOLD…|show ID|answer ID]`. */
export function define(command: Command, context: CommandContext): void {
  withHub(command.command('list'))
    .description('the questions that wait for an answer, one in a line, with the Holds that wait for it')
    .option('--all', 'those that were answered as well')
    .action((_, own: Command) => list(own, context));
  withHub(command.command('changes', { isDefault: true }))
    .description('the questions that wait for an answer, those that ask the same together, with what changed')
    .action((_, own: Command) => changes(own, context));
  for (const decision of ['approve', 'reject'] as const) {
    const one = withHub(command.command(decision))
      .description(`${decision} Holds of one change, each by its own rules`)
      .argument('<hold...>', 'Holds as "reviews changes" shows them')
      .requiredOption('--change <sha256>', 'the whole digest of the change that was shown, 64 hex digits')
      .option('--comment <text>', 'why');
    if (decision === 'approve') one.option('--lifetime <lifetime>', 'run, uses:N, until:YYYY-MM-DD or standing');
    one.action((ids: string[], _, own: Command) => decide(ids, decision, own, context));
  }
  withHub(command.command('show'))
    .description('a question that no job waits on: what was imported, what is to go on')
    .argument('<id>')
    .action((id: string, _, own: Command) => show(id, own, context));
  withHub(command.command('answer'))
    .description('decide on a question that no job waits on')
    .argument('<id>')
    .argument('<decision>', 'approve or reject')
    .requiredOption('--digest <sha256>', 'the whole digest that was shown, 64 hex digits')
    .option('--comment <text>', 'why')
    .option('--lifetime <lifetime>', 'uses:N, until:YYYY-MM-DD or standing')
    .action((id: string, decision: string, _, own: Command) => {
      if (decision !== 'approve' && decision !== 'reject')
        throw new HoldpointError('bad_usage', `"${decision}" is no decision; wanted approve or reject`);
      return answer(id, decision, own, context);
    });
}
